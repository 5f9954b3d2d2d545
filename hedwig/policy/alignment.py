"""Who a letter is from, and what becomes of it where that is not as the client's file has it. Pure.

Who reads a letter sees From; receivers compare it with the envelope's sender. Where the two differ, QQ and Outlook show
"on behalf of" (代发), and NetEase refuses all but the whole address (554 DT:SUM).

Three more places tell readers, or some programs, who a letter is from, and may name nobody that From may not: Sender,
Resent-From and Resent-Sender (RFC 5322 §3.6.6; Microsoft's PRA, RFC 4407, went by them before From), and the names
beside these addresses, which most programs show instead of them (header/names.py).
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from hedwig.address import Address, AddressError, comparable
from hedwig.choices import FromMatch, FromMismatch
from hedwig.envelope import Envelope
from hedwig.header import RESENT, Header
from hedwig.header.mailboxes import Mailbox, Unreadable, mailboxes
from hedwig.header.names import Undecodable, addresses_shown
from hedwig.policy.refused import Refused
from hedwig.reply import Reply
from hedwig.settings import Client

# Domains of NetEase's own mailboxes. Others have their MX there, which is not known at submission.
NETEASE = frozenset(
    {"163.com", "126.com", "yeah.net", "188.com", "vip.163.com", "vip.126.com", "vip.188.com", "163.net", "netease.com"}
)
_SHOWN = 80  # characters of an address in a sentence
_MOST_RESENT = 50  # fields of one name, as of Received: a letter that was sent on more often goes round
_LONGEST = 900  # octets of a name that is written anew, on one line (RFC 5322 §2.1.1)


@dataclass(frozen=True, slots=True)
class Aligned:
    """How the letter goes on: with this sender in the envelope; without the fields `gone` (names in lower case) and
    with the lines `added`. `changes`: what was done, or is only wrong (`warn`), for the journal."""

    mailfrom: str
    gone: tuple[bytes, ...] = ()
    added: bytes = b""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with who the letter is from. `key`: the setting that decides."""

    text: str
    key: str = "senders"


@dataclass(frozen=True, slots=True)
class _Found:
    """What is wrong with each. `authors`: whom From names, as far as that can be read."""

    authors: tuple[Mailbox, ...]
    author: _Fault | None
    envelope: _Fault | None
    sender: _Fault | None
    resent: _Fault | None

    @property
    def first(self) -> _Fault | None:
        """The one to tell of."""
        return self.author or self.envelope or self.sender or self.resent

    @property
    def gone(self) -> tuple[bytes, ...]:
        """Fields that a mended letter goes without."""
        return (*((b"sender",) if self.sender else ()), *(RESENT if self.resent else ()))


def has_rules_of_from(client: Client) -> bool:
    """Whether it matters who its letters are from."""
    return bool(client.senders) or "from_mismatch" in client.lines


def aligned(client: Client, envelope: Envelope, header: Header) -> Aligned | Refused:
    """Who the letter is from, or may be made to be from."""
    found = _look(client, envelope, header)
    first = found.first
    if first is None:
        return Aligned(envelope.mailfrom)
    way = client.from_mismatch
    if way is FromMismatch.WARN:
        return Aligned(envelope.mailfrom, changes=(_sentence(client, first),))
    if way is FromMismatch.REJECT or (way is FromMismatch.FIX_ENVELOPE and found.author):
        return _refused(client, first)
    if found.author is None:
        return _mended(envelope, found)
    return _rewritten(client, envelope, header, found)


def _look(client: Client, envelope: Envelope, header: Header) -> _Found:
    authors: tuple[Mailbox, ...] = ()
    fault = None
    try:
        authors = _authors(header)
    except Unreadable as error:
        fault = _Fault(f"From {error}")
    if fault is None and len(authors) > 1:
        fault = _Fault(f"From names {len(authors)} authors; one is taken")
    author = authors[0].address if fault is None else None
    fault = fault or _of_mailbox(client, "From", authors[0])
    of_envelope = _of_envelope(client, envelope, author) if author is not None and _may_use(client, author) else None
    return _Found(authors, fault, of_envelope, _of_sender(client, header, author), _of_resent(client, header))


def _authors(header: Header) -> tuple[Mailbox, ...]:
    if not header.whole:
        raise Unreadable("can't be looked for: the header has no end")
    if header.odd:
        raise Unreadable("can't be told: a line that begins with a blank, or has odd octets in its name, may be one")
    fields = header.get(b"from")
    if not fields:
        raise Unreadable("is missing")
    if len(fields) > 1:
        raise Unreadable(f"is in the header {len(fields)} times")
    return mailboxes(fields[0].value)


@lru_cache(maxsize=64)
def _set(senders: tuple[str, ...]) -> frozenset[str]:
    return frozenset(senders)


def _may_use(client: Client, address: Address) -> bool:
    """Whether `senders` has it. `*@example.com` is not for "ceo@bank.example"@example.com, nor for what some programs
    decode to that: they are read as another."""
    if not client.senders:
        return True
    known = _set(client.senders)
    if comparable(address) in known:
        return True
    if f"*@{address.destination}" not in known:
        return False
    return "@" not in unicodedata.normalize("NFKC", address.local) and "=?" not in address.local


def _of_mailbox(client: Client, field: str, mailbox: Mailbox) -> _Fault | None:
    """What is wrong with an address that `field` names, and with the name that readers see instead of it."""
    if not _may_use(client, mailbox.address):
        return _Fault(f"{field} is {_shown(mailbox.address)}, which {client.fqdn} may not use")
    if not client.senders:
        return None
    try:
        for name in filter(None, (mailbox.name, mailbox.comment)):
            for as_written, bare in addresses_shown(name):
                if not (_is_usable(client, as_written) or _is_usable(client, bare)):
                    return _Fault(f"{field} shows {_cut(bare)} as its name, which {client.fqdn} may not use")
    except Undecodable:
        return _Fault(f"{field} has a name that can't be decoded")
    return None


def _is_usable(client: Client, text: str) -> bool:
    try:
        return _may_use(client, Address.parse(text))
    except AddressError:
        return False


def _of_envelope(client: Client, envelope: Envelope, author: Address) -> _Fault | None:
    """What is wrong with the envelope's sender. The null sender matches whatever From says (I7)."""
    if not envelope.mailfrom:
        return None
    sender = Address.parse(envelope.mailfrom)
    if comparable(sender) == comparable(author):
        return None
    if not _may_use(client, sender):
        return _Fault(f"the envelope is from {_shown(sender)}, which {client.fqdn} may not use")
    differ = f"the envelope is from {_shown(sender)} and From is {_shown(author)}"
    if client.from_match is FromMatch.ADDRESS or sender.destination != author.destination:
        return _Fault(f"{differ}: they must match", "from_match")
    strict = next((one for one in envelope.rcpttos if Address.parse(one).destination in NETEASE), "")
    if strict:
        return _Fault(f"{differ}: {Address.parse(strict).destination} refuses letters where they differ", "from_match")
    return None


def _of_sender(client: Client, header: Header, author: Address | None) -> _Fault | None:
    """What is wrong with Sender, which receivers show as "on behalf of" where it differs (RFC 5322 §3.6.2)."""
    fields = header.get(b"sender")
    if not fields:
        return None
    try:
        named = mailboxes(fields[0].value)
    except Unreadable as error:
        return _Fault(f"Sender {error}")
    if len(fields) > 1 or len(named) > 1:
        return _Fault("there is more than one Sender")
    if fault := _of_mailbox(client, "Sender", named[0]):
        return fault
    address = named[0].address
    if author is None or comparable(address) == comparable(author):
        return None
    if client.from_match is FromMatch.DOMAIN and address.destination == author.destination:
        return None
    return _Fault(f"Sender is {_shown(address)} and From is {_shown(author)}: they must match", "from_match")


def _of_resent(client: Client, header: Header) -> _Fault | None:
    """What is wrong with who has sent it on (RFC 5322 §3.6.6). By its meaning that is another than From; but each must
    be one that the client may use."""
    for name, called in ((b"resent-from", "Resent-From"), (b"resent-sender", "Resent-Sender")):
        fields = header.get(name)
        if len(fields) > _MOST_RESENT:
            return _Fault(f"{called} is in the header {len(fields)} times")
        try:
            named = [mailbox for field in fields for mailbox in mailboxes(field.value)]
        except Unreadable as error:
            return _Fault(f"{called} {error}")
        if fault := next(filter(None, (_of_mailbox(client, called, one) for one in named)), None):
            return fault
    return None


def _sentence(client: Client, fault: _Fault) -> str:
    key = fault.key if fault.key in client.lines else "from_mismatch" if not client.senders else "senders"
    return f"{fault.text} ({client.where(key)}: {key})"


def _refused(client: Client, fault: _Fault) -> Refused:
    return Refused(Reply(550, "5.7.1", _sentence(client, fault)))


def _mended(envelope: Envelope, found: _Found) -> Aligned:
    """From may stay: the envelope takes it over, and what names somebody else goes."""
    author, changes = found.authors[0].address, []
    mailfrom = envelope.mailfrom
    if found.envelope:
        mailfrom = author.widest
        changes.append(f"the envelope's sender became {_shown(author)}, was {envelope.mailfrom}")
    return Aligned(mailfrom, found.gone, changes=(*changes, *_taken_out(found)))


def _taken_out(found: _Found) -> list[str]:
    fields = (("Sender", found.sender), ("Resent-From", found.resent))
    return [f"{name} was taken out" for name, fault in fields if fault]


def _rewritten(client: Client, envelope: Envelope, header: Header, found: _Found) -> Aligned | Refused:
    """From becomes an address that the client may use: its own, where only its name is wrong, else the envelope's
    sender or the first one of `senders`. What it was goes to Reply-To, unless the letter has one that names somebody.
    """
    authors = found.authors
    missing = header.whole and not header.odd and not header.get(b"from")
    if found.author and not authors and not missing:
        return _refused(client, found.author)  # what it was can't be told, so nobody could be answered
    sender = _own_sender(client, envelope, authors)
    called = authors[0].called if len(authors) == 1 else ""
    too_long = len(called.encode("utf-8", "surrogateescape")) > _LONGEST
    name = "" if too_long or _of_mailbox(client, "From", Mailbox(sender, called)) else called
    added = f"From: {name} <{sender.widest}>\r\n" if name else f"From: {sender.widest}\r\n"
    gone: tuple[bytes, ...] = (b"from", b"sender", *(RESENT if found.resent else ()))
    if any(one.address != sender for one in authors) and _names_nobody(header, b"reply-to"):
        gone = (*gone, *((b"reply-to",) if header.get(b"reply-to") else ()))
        added += _reply_to(authors)
    mailfrom = sender.widest if envelope.mailfrom else ""
    changes = [f"From became {_shown(sender)}, was {_were(authors)}"]
    changes += ["its name was taken out"] if called and not name else []
    changes += ["Resent-From was taken out"] if found.resent else []
    return Aligned(mailfrom, gone, added.encode("utf-8", "surrogateescape"), tuple(changes))


def _own_sender(client: Client, envelope: Envelope, authors: tuple[Mailbox, ...]) -> Address:
    wished = [authors[0].address] if len(authors) == 1 else []
    wished += [Address.parse(envelope.mailfrom)] if envelope.mailfrom else []
    for one in wished:
        if _may_use(client, one):
            return one
    return Address.parse(next(one for one in client.senders if not one.startswith("*@")))


def _names_nobody(header: Header, name: bytes) -> bool:
    """Whether the letter has no such field, or only ones without an address."""
    return not any(b"@" in field.value for field in header.get(name))


def _reply_to(authors: Iterable[Mailbox]) -> str:
    return "Reply-To: " + ",\r\n ".join(one.address.widest for one in authors) + "\r\n"


def _were(authors: tuple[Mailbox, ...]) -> str:
    return ", ".join(_shown(one.address) for one in authors[:3]) or "missing"


def _shown(address: Address) -> str:
    return _cut(str(address))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
