"""What a client may send, by its file in clients.d: decided here, done by others. Pure.

`aligned` looks at who a letter is from: the From and Sender fields and the envelope's sender, against `senders`,
`from_mismatch` and `from_match`. `oversized` looks at its size, `over_quota` at what was sent before. Each gives None
where nothing is wrong, or a Refused: the SMTP reply, whose sentence names the line of the file that decides.

Who reads a letter sees From; receivers compare it with the envelope's sender. Where the two differ, QQ and Outlook show
"on behalf of" (代发), and NetEase refuses all but the whole address (554 DT:SUM).

Without `senders`, and without a line `from_mismatch`, a letter may be from anyone. Reports that mailman makes have the
null sender and are no business of this module (I7); a null sender that a container gave stays one, its From counts.
"""

from dataclasses import dataclass
from functools import lru_cache

from hedwig.address import Address, comparable
from hedwig.choices import FromMatch, FromMismatch
from hedwig.envelope import Envelope
from hedwig.header import Header
from hedwig.header.mailboxes import Mailbox, Unreadable, mailboxes
from hedwig.moments import utc
from hedwig.quota import Counter, Exceeded
from hedwig.reply import Reply
from hedwig.settings import Client

# Domains of NetEase's own mailboxes. Others have their MX there, which is not known at submission.
NETEASE = frozenset(
    {"163.com", "126.com", "yeah.net", "188.com", "vip.163.com", "vip.126.com", "vip.188.com", "163.net", "netease.com"}
)
_SHOWN = 80  # characters of an address in a sentence


@dataclass(frozen=True, slots=True)
class Refused:
    """`reply`: 5yz, or 4yz with `retry_after`: seconds until a quota has room."""

    reply: Reply
    retry_after: int = 0


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


def has_rules_of_from(client: Client) -> bool:
    """Whether it matters who its letters are from."""
    return bool(client.senders) or "from_mismatch" in client.lines


def oversized(client: Client, size: int) -> Refused | None:
    """Whether a letter of so many octets is too large for this client."""
    if not client.max_size or size <= client.max_size:
        return None
    text = f"{size} octets; letters of up to {client.max_size} are taken from {client.fqdn}"
    return Refused(Reply(552, "5.3.4", f"{text} ({client.where('max_size')}: max_size)"))


def over_quota(client: Client, counters: tuple[Counter, Counter | None], recipients: int, now: float) -> Refused | None:
    """Whether one more letter to so many is too much now. `counters`: the host's, and its container's where that is
    known."""
    for section, quota, counter in (
        ("quota", client.quota, counters[0]),
        ("container_quota", client.container_quota, counters[1]),
    ):
        exceeded = counter.exceeded(quota, recipients, now) if quota and counter is not None else None
        if exceeded:
            return _too_much(client, section, exceeded, recipients, now)
    return None


def _too_much(client: Client, section: str, exceeded: Exceeded, recipients: int, now: float) -> Refused:
    name = f"{section}.{exceeded.limit}"
    decides = f"{client.where(name)}: {name}: {exceeded.most}"
    if not exceeded.frees_at:
        return Refused(Reply(554, "5.5.3", f"{recipients} recipients are more than may ever go at once ({decides})"))
    whose = "this container of " if section == "container_quota" else ""
    text = f"quota: {whose}{client.fqdn} may send again from {utc(exceeded.frees_at)} ({decides})"
    return Refused(Reply(452, "4.7.1", text), max(1, int(exceeded.frees_at - now) + 1))


def aligned(client: Client, envelope: Envelope, header: Header) -> Aligned | Refused:
    """Who the letter is from, or may be made to be from."""
    found: tuple[Mailbox, ...] = ()
    fault: _Fault | None = None
    try:
        found = _authors(header)
    except Unreadable as error:
        fault = _Fault(f"From {error}")
    if fault is None and len(found) > 1:
        fault = _Fault(f"From names {len(found)} authors; one is taken")
    author = found[0].address if len(found) == 1 and fault is None else None
    may_be = author is not None and _may_use(client, author)
    if author is not None and not may_be:
        fault = _Fault(f"From is {_shown(author)}, which {client.fqdn} may not use")
    envelope_fault = _of_envelope(client, envelope, author) if author is not None else None
    sender_fault = _of_sender(client, header, author)
    first = fault or envelope_fault or sender_fault
    if first is None:
        return Aligned(envelope.mailfrom)
    way = client.from_mismatch
    if way is FromMismatch.WARN:
        return Aligned(envelope.mailfrom, changes=(_sentence(client, first),))
    if way is FromMismatch.REJECT or (way is FromMismatch.FIX_ENVELOPE and fault):
        return _refused(client, first)
    if fault is None and author is not None:
        return _mended(envelope, author, header, envelope_fault, sender_fault)
    return _rewritten(client, envelope, header, found, fault or first)


def _authors(header: Header) -> tuple[Mailbox, ...]:
    if not header.whole:
        raise Unreadable("can't be looked for: the header has no end")
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
    if not client.senders:
        return True
    known = _set(client.senders)
    return f"*@{address.destination}" in known or comparable(address) in known


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
    address = named[0].address
    if not _may_use(client, address):
        return _Fault(f"Sender is {_shown(address)}, which {client.fqdn} may not use")
    if author is None or comparable(address) == comparable(author):
        return None
    if client.from_match is FromMatch.DOMAIN and address.destination == author.destination:
        return None
    return _Fault(f"Sender is {_shown(address)} and From is {_shown(author)}: they must match", "from_match")


def _sentence(client: Client, fault: _Fault) -> str:
    key = fault.key if fault.key in client.lines else "from_mismatch" if not client.senders else "senders"
    return f"{fault.text} ({client.where(key)}: {key})"


def _refused(client: Client, fault: _Fault) -> Refused:
    return Refused(Reply(550, "5.7.1", _sentence(client, fault)))


def _mended(
    envelope: Envelope, author: Address, header: Header, envelope_fault: _Fault | None, sender_fault: _Fault | None
) -> Aligned:
    """From may stay: the envelope takes it over, and Sender goes."""
    changes = []
    mailfrom = envelope.mailfrom
    if envelope_fault:
        mailfrom = author.widest
        changes.append(f"the envelope's sender became {_shown(author)}, was {envelope.mailfrom}")
    if sender_fault:
        changes.append("Sender was taken out")
    gone = (b"sender",) if sender_fault else ()
    return Aligned(mailfrom, gone, changes=tuple(changes))


def _rewritten(
    client: Client, envelope: Envelope, header: Header, authors: tuple[Mailbox, ...], fault: _Fault
) -> Aligned | Refused:
    """From becomes an address that the client may use: the envelope's sender, or the first one of `senders`. What it
    was goes to Reply-To, unless the letter has one."""
    missing = header.whole and not header.get(b"from")
    if not authors and not missing:
        return _refused(client, fault)  # what it was can't be told, so nobody could be answered
    sender = Address.parse(envelope.mailfrom) if envelope.mailfrom else None
    if sender is None or not _may_use(client, sender):
        sender = Address.parse(next(one for one in client.senders if not one.startswith("*@")))
    name = authors[0].name if len(authors) == 1 else ""
    added = f"From: {name} <{sender.widest}>\r\n" if name else f"From: {sender.widest}\r\n"
    if authors and not header.get(b"reply-to"):
        added += _reply_to(authors)
    mailfrom = sender.widest if envelope.mailfrom else ""
    changes = (f"From became {_shown(sender)}, was {_were(authors)}",)
    lines = added.encode("utf-8", "surrogateescape")
    return Aligned(mailfrom, (b"from", b"sender"), lines, changes)


def _reply_to(authors: tuple[Mailbox, ...]) -> str:
    return "Reply-To: " + ",\r\n ".join(one.address.widest for one in authors) + "\r\n"


def _were(authors: tuple[Mailbox, ...]) -> str:
    return ", ".join(_shown(one.address) for one in authors[:3]) or "missing"


def _shown(address: Address) -> str:
    text = str(address)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
