"""Three verifiers of DKIM that others have written, as receivers run them: dkimpy, Perl's Mail::DKIM and opendkim.

All ask the journey's resolver. Debian 12's Mail::DKIM knows no Ed25519 (RFC 8463): to it such a signature is
"invalid", as to many receivers. That is why a letter gets an RSA signature as well.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import dkim
import dns.exception
import dns.resolver

from .dns import RESOLVER
from .network import tool

_PERL = r"""
use strict; use warnings;
use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS::Resolver;
my $server = shift @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$server], recurse => 1));
for my $file (@ARGV) {
    open(my $in, '<:raw', $file) or die "$file: $!";
    local $/; my $text = <$in>;
    my $verifier = Mail::DKIM::Verifier->new();
    $verifier->PRINT($text); $verifier->CLOSE();
    print join(' ', $file, map { $_->domain . '/' . $_->algorithm . '=' . $_->result } $verifier->signatures), "\n";
}
"""


def by_dkimpy(message: bytes) -> list[str]:
    """The algorithms of the signatures that it believes, from the top; "" for one that it doesn't."""
    asking = dns.resolver.Resolver(configure=False)
    asking.nameservers = [RESOLVER]

    def txt(name: bytes, timeout: int = 5) -> bytes | None:
        try:
            (answer,) = asking.resolve(name.decode(), "TXT", lifetime=timeout)
        except dns.exception.DNSException:
            return None
        return b"".join(answer.strings)

    found = []
    for number in range(signatures(message)):
        verifier = dkim.DKIM(message)
        try:
            believed = verifier.verify(idx=number, dnsfunc=txt)
        except dkim.DKIMException:
            believed = False
        found.append(verifier.signature_fields[b"a"].decode() if believed else "")
    return found


def by_mail_dkim(files: Sequence[Path]) -> dict[Path, list[str]]:
    """For each file, "domain/algorithm=result" of its signatures."""
    command = [tool("perl"), "-e", _PERL, RESOLVER, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return {Path(line.split()[0]): line.split()[1:] for line in done.stdout.splitlines()}


def by_opendkim(message: bytes, directory: Path) -> bool:
    """Whether it believes the letter; it asks the resolver that /etc/resolv.conf names, so it is given one. It makes
    CRLF of LF by itself."""
    text = message.replace(b"\r\n", b"\n")
    resolv = directory / "resolv.conf"
    resolv.write_text(f"nameserver {RESOLVER}\n")
    script = 'mount --bind "$1" /etc/resolv.conf && exec "$2"'
    command = [tool("unshare"), "--mount", "sh", "-c", script, "sh", str(resolv), tool("opendkim-testmsg")]
    done = subprocess.run(command, input=text, capture_output=True, timeout=60, check=False)
    assert b"mount:" not in done.stderr, done.stderr
    return done.returncode == 0


def signatures(message: bytes) -> int:
    """How many there are."""
    lines = message.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return sum(line.lower().startswith(b"dkim-signature:") for line in lines)
