"""What one transaction says to one host: the command lines, or our own refusal (RFC 5321 §3.3, 1870, 3461, 6152, 6531).

Everything that we can know to be impossible is refused here, before an octet is sent:

- a message larger than the host's SIZE: 552 5.3.4 at stage MAIL, as the host would say itself (RFC 1870 §6.2);
- a body with octets above 127 for a host without 8BITMIME: 554 5.6.3 (RFC 6152 §3);
- a transaction that needs SMTPUTF8 for a host without it: 550 5.6.7 (RFC 6531 §3.5);
- a message that asks for REQUIRETLS for a host without it: 550 5.7.30 (RFC 8689 §4.2.1);
- an address that could end a command line or begin a parameter (I11): 553 5.1.7 (sender), 553 5.1.3 (recipient).

A domain in U-labels with an ASCII local part needs no SMTPUTF8: it goes out in A-labels (RFC 6531 §3.2).

RET, ENVID, NOTIFY and ORCPT go to a host with DSN exactly as they came, and none is made up (RFC 3461 §5.1); a host
without DSN gets none of them (§5.2.2). There NOTIFY=NEVER does not turn the sender into the null sender, as §5.2.2 (d)
would allow: receivers judge who sends by that address.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hedwig.address import Address, AddressError
from hedwig.options import TlsWish
from hedwig.reply import Reply, Stage
from hedwig.smtp import Said, Transaction, notify

_QUOTED = r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"'
_PLAIN = r'[^\x00-\x20\x7f-\x9f"()<>,:;@\[\\\]\u2028\u2029\ud800-\udfff]+'
_LITERAL = r"\[[!-Z^-~]+\]"
# The local part may hold a space only within quotes; what is looser than RFC 5321 here cannot leave the brackets.
_SAFE = re.compile(rf"(?:{_QUOTED}|{_PLAIN})@(?:{_PLAIN}|{_LITERAL})\Z")
_EHLO = re.compile(r"[!-~]{1,255}\Z")
_SIZE = re.compile(r"[0-9]{1,20}\Z")


@dataclass(frozen=True, slots=True)
class Letter:
    """A transaction made ready for one host. `said`: for each recipient our own refusal or None; `rcpts`: a command
    line for each that has None, in order. `eight_bit_clean`: whether octets above 127 may be in the body."""

    mail: bytes
    rcpts: tuple[bytes, ...]
    said: tuple[Said | None, ...]
    eight_bit_clean: bool


def hello(verb: str, name: str) -> bytes:
    """EHLO or HELO. `name` is ours, from the settings; ValueError if it does not fit into the command (I11)."""
    if not _EHLO.match(name):
        raise ValueError(f"not a name for EHLO: {name!r}")
    return f"{verb} {name}\r\n".encode("ascii")


def extensions(lines: tuple[str, ...]) -> dict[str, str]:
    """Keyword (upper case) to parameters of an EHLO reply; its first line is a greeting (RFC 5321 §4.1.1.1)."""
    announced = {}
    for line in lines[1:]:
        keyword, _, parameters = line.strip().partition(" ")
        announced[keyword.upper()] = parameters.strip()
    return announced


def compose(transaction: Transaction, announced: Mapping[str, str], eight_bit: bool | None) -> Letter | Said:
    """The letter, or the refusal that holds for all recipients.

    `eight_bit`: whether the body has octets above 127, or None where it has not been seen whole yet.
    """
    limit = announced.get("SIZE", "")
    if _SIZE.match(limit) and 0 < int(limit) < transaction.size:
        text = f"the message has {transaction.size} octets, the host takes {int(limit)}"
        return Said(Stage.MAIL, Reply(552, "5.3.4", text))
    if transaction.options.tls is TlsWish.REQUIRED and "REQUIRETLS" not in announced:
        return Said(Stage.LOCAL, Reply(550, "5.7.30", "the message asks for REQUIRETLS and the host does not offer it"))
    if eight_bit and "8BITMIME" not in announced:
        return Said(Stage.LOCAL, EIGHT_BIT)
    utf8 = transaction.smtputf8
    if utf8 and "SMTPUTF8" not in announced:
        return Said(Stage.LOCAL, Reply(550, "5.6.7", "the message needs SMTPUTF8 and the host does not offer it"))
    sender = _path(transaction.mailfrom, utf8, "5.1.7") if transaction.mailfrom else b""
    if isinstance(sender, Reply):
        return Said(Stage.LOCAL, sender)
    paths = [_path(rcptto, utf8, "5.1.3") for rcptto in transaction.rcpttos]
    wanted = notify.of_rcpts(transaction.options) if "DSN" in announced else {}
    return Letter(
        b"MAIL FROM:<%b>%b\r\n" % (sender, _parameters(transaction, announced, eight_bit)),
        tuple(
            b"RCPT TO:<%b>%b\r\n" % (path, wanted.get(rcptto, b""))
            for rcptto, path in zip(transaction.rcpttos, paths, strict=True)
            if isinstance(path, bytes)
        ),
        tuple(Said(Stage.LOCAL, path) if isinstance(path, Reply) else None for path in paths),
        "8BITMIME" in announced,
    )


EIGHT_BIT = Reply(554, "5.6.3", "the message has 8-bit content and the host does not offer 8BITMIME")


def _parameters(transaction: Transaction, announced: Mapping[str, str], eight_bit: bool | None) -> bytes:
    parameters = b""
    if "SIZE" in announced:
        parameters += b" SIZE=%d" % transaction.size
    # A body not seen whole is declared 8-bit where the host takes that: true or not, it allows both (RFC 6152 §3).
    if eight_bit is not False and "8BITMIME" in announced:
        parameters += b" BODY=8BITMIME"
    if transaction.smtputf8:
        parameters += b" SMTPUTF8"
    if transaction.options.tls is TlsWish.REQUIRED:
        parameters += b" REQUIRETLS"
    return parameters + notify.of_mail(transaction.options) if "DSN" in announced else parameters


def _path(address: str, utf8: bool, status: str) -> bytes | Reply:
    """What stands between the brackets, or our refusal with that enhanced status."""
    if not _SAFE.match(address):
        return Reply(553, status, "the address is malformed")
    if utf8 or address.isascii():
        return address.encode("utf-8")
    try:
        parsed = Address.parse(address)
    except AddressError as error:
        return Reply(553, status, str(error))
    if parsed.needs_smtputf8:
        return Reply(550, "5.6.7", "the address needs SMTPUTF8, which the message was not accepted with")
    return f"{parsed.local}@{parsed.destination}".encode("ascii")
