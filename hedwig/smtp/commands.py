"""What one transaction says to one host: the command lines, or our own refusal (RFC 5321 §3.3, 1870, 3461, 6152, 6531).

Everything that we can know to be impossible is refused here, before an octet is sent:

- a message larger than the host's SIZE: 552 5.3.4 at stage MAIL, as the host would say itself (RFC 1870 §6.2);
- a body with octets above 127 for a host without 8BITMIME: 554 5.6.3 (RFC 6152 §3); sevenbit.py has converted it
  before, where that is wanted and can be done;
- what needs SMTPUTF8 for a host without it (RFC 6531 §3.2): 550 5.6.7;
- a message that asks for REQUIRETLS for a host without it: 550 5.7.30 (RFC 8689 §4.2.1);
- an address that could end a command line or begin a parameter (I11): 553 5.1.7 (sender), 553 5.1.3 (recipient).

What needs SMTPUTF8, of a message that was accepted with it: a header that is not ASCII, and a sender's local part, are
all recipients' need; a recipient's local part is its own, so that the others get the message all the same. A domain in
U-labels needs nothing: it goes out in A-labels. A message without such a need goes without the parameter, which a
client SHOULD then not give (§3.4). A host that has SMTPUTF8 has 8BITMIME (§3.1); one that says otherwise has neither.

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


def compose(
    transaction: Transaction, announced: Mapping[str, str], eight_bit: bool | None, *, utf8_header: bool = False
) -> Letter | Said:
    """The letter, or the refusal that holds for all recipients.

    `eight_bit`: whether the body has octets above 127, or None where it has not been seen whole yet. `utf8_header`:
    whether its header has some; only asked about where `header_matters`.
    """
    limit = announced.get("SIZE", "")
    if _SIZE.match(limit) and 0 < int(limit) < transaction.size:
        text = f"the message has {transaction.size} octets, the host takes {int(limit)}"
        return Said(Stage.MAIL, Reply(552, "5.3.4", text))
    if transaction.options.tls is TlsWish.REQUIRED and "REQUIRETLS" not in announced:
        return Said(Stage.LOCAL, Reply(550, "5.7.30", "the message asks for REQUIRETLS and the host does not offer it"))
    utf8 = _Utf8(offered=takes_utf8(announced), accepted=transaction.smtputf8)
    if utf8.missing and utf8_header:
        return Said(Stage.LOCAL, _needs("the message's header"))
    if eight_bit and "8BITMIME" not in announced:
        return Said(Stage.LOCAL, EIGHT_BIT)
    sender = utf8.path(transaction.mailfrom, "5.1.7", "the sender's address") if transaction.mailfrom else b""
    if isinstance(sender, Reply):
        return Said(Stage.LOCAL, sender)
    paths = [utf8.path(rcptto, "5.1.3", "the address") for rcptto in transaction.rcpttos]
    wanted = notify.of_rcpts(transaction.options) if "DSN" in announced else {}
    as_ascii = (
        eight_bit is False and sender.isascii() and all(isinstance(path, Reply) or path.isascii() for path in paths)
    )
    return Letter(
        b"MAIL FROM:<%b>%b\r\n"
        % (sender, _parameters(transaction, announced, eight_bit, utf8.usable and not as_ascii)),
        tuple(
            b"RCPT TO:<%b>%b\r\n" % (path, wanted.get(rcptto, b""))
            for rcptto, path in zip(transaction.rcpttos, paths, strict=True)
            if isinstance(path, bytes)
        ),
        tuple(Said(Stage.LOCAL, path) if isinstance(path, Reply) else None for path in paths),
        "8BITMIME" in announced,
    )


EIGHT_BIT = Reply(554, "5.6.3", "the message has 8-bit content and the host does not offer 8BITMIME")


def takes_utf8(announced: Mapping[str, str]) -> bool:
    """Whether the host has SMTPUTF8, and 8BITMIME, without which it can't be meant (RFC 6531 §3.1)."""
    return "SMTPUTF8" in announced and "8BITMIME" in announced


def header_matters(transaction: Transaction, announced: Mapping[str, str]) -> bool:
    """Whether it must be known if the header is ASCII: of messages accepted with SMTPUTF8, for hosts without it."""
    return transaction.smtputf8 and not takes_utf8(announced)


def _parameters(
    transaction: Transaction, announced: Mapping[str, str], eight_bit: bool | None, smtputf8: bool
) -> bytes:
    parameters = b""
    if "SIZE" in announced:
        parameters += b" SIZE=%d" % transaction.size
    # A body not seen whole is declared 8-bit where the host takes that: true or not, it allows both (RFC 6152 §3).
    if eight_bit is not False and "8BITMIME" in announced:
        parameters += b" BODY=8BITMIME"
    if smtputf8:
        parameters += b" SMTPUTF8"
    if transaction.options.tls is TlsWish.REQUIRED:
        parameters += b" REQUIRETLS"
    return parameters + notify.of_mail(transaction.options) if "DSN" in announced else parameters


@dataclass(frozen=True, slots=True)
class _Utf8:
    """How far addresses that are not ASCII can go. `accepted`: the message came with SMTPUTF8."""

    offered: bool
    accepted: bool

    @property
    def usable(self) -> bool:
        """Addresses may go out as they are."""
        return self.offered and self.accepted

    @property
    def missing(self) -> bool:
        """The host lacks what the message may need."""
        return self.accepted and not self.offered

    def path(self, address: str, status: str, called: str) -> bytes | Reply:
        """What stands between the brackets, or our refusal: with that enhanced status where it is no address."""
        if not _SAFE.match(address):
            return Reply(553, status, "the address is malformed")
        if self.usable or address.isascii():
            return address.encode("utf-8")
        try:
            parsed = Address.parse(address)
        except AddressError as error:
            return Reply(553, status, str(error))
        if not parsed.needs_smtputf8:
            return parsed.widest.encode("ascii")
        if self.missing:
            return _needs(called)
        return Reply(550, "5.6.7", "the address needs SMTPUTF8, which the message was not accepted with")


def _needs(what: str) -> Reply:
    return Reply(550, "5.6.7", f"{what} needs SMTPUTF8 and the host does not offer it")
