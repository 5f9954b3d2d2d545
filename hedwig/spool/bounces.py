"""A report as a message of the spool: what `Settlement.bounces` holds (I7).

It has the null sender, goes to the original's sender, belongs to the same client, and is never made in answer to a null
sender: then there is none, and the history alone says what happened. Hosts with DSN hear NOTIFY=NEVER (RFC 3461 §6.1).
"""

from dataclasses import dataclass, replace

from hedwig import dsn, queueid
from hedwig.dsn.digest import Digest
from hedwig.dsn.digest import build as build_digest
from hedwig.envelope import Envelope, digest
from hedwig.options import Notify, Options, Priority, TlsWish
from hedwig.spool import Bytes, Claim, NewMessage, Report
from hedwig.spool.digests import Flood

URGENT = int(Priority.URGENT)  # a sender who waits to learn of a failure comes before ordinary mail
MAX_WHOLE = 256 << 10  # octets of an original that comes back whole where that was asked (RET=FULL)
_WORDS = {dsn.Action.FAILED: "FAILURE", dsn.Action.DELAYED: "DELAY", dsn.Action.RELAYED: "SUCCESS"}


@dataclass(frozen=True, slots=True)
class About:
    """What a report is about: the claim, and the original's beginning (its header; a small original is there whole).
    `reporting`: this host's name; `expire`: seconds that the report itself may wait; `most`: see Report."""

    claim: Claim
    original: bytes
    reporting: str
    expire: float
    most: int = 0


def bounce(
    about: About, action: dsn.Action, undelivered: tuple[dsn.Undelivered, ...], now: float, destination: str = ""
) -> Report | None:
    """The notification as a new message, or None where nobody may be told. `destination` "": by its address."""
    claim = about.claim
    if not claim.mailfrom or not undelivered:
        return None
    queue_id = queueid.new(now)
    guarded = (
        claim.options.tls is TlsWish.REQUIRED
    )  # RFC 8689 §5: so is what is said of it, and RET=FULL is disregarded
    content = dsn.build(
        dsn.Report(
            action=action,
            queue_id=queue_id,
            reporting=about.reporting,
            to=claim.mailfrom,
            now=now,
            original_id=claim.queue_id,
            accepted_at=claim.accepted_at,
            original=about.original,
            recipients=undelivered,
            retry_until=claim.expires_at,
            envid=claim.options.envid,
            full=claim.options.ret == "FULL" and len(about.original) == claim.size <= MAX_WHOLE and not guarded,
            smtputf8=claim.smtputf8,
        )
    )
    envelope, options = to_sender(claim.mailfrom)
    if guarded:
        options = replace(options, tls=TlsWish.REQUIRED)
    return Report(
        queue_id=queue_id,
        client=claim.client,
        envelope=envelope,
        body=Bytes(content),
        digest=digest(envelope, [content]),
        accepted_at=now,
        expires_at=now + about.expire,
        parts={destination: (claim.mailfrom,)} if destination else envelope.by_destination(),
        priority=URGENT,
        smtputf8=not claim.mailfrom.isascii(),
        origin=claim.queue_id,
        options=options,
        action=action.value,
        about=tuple((each.rcptto, _reason(each)) for each in undelivered),
        most=about.most,
    )


def is_wanted(notify: Notify, action: dsn.Action) -> bool:
    """Whether a recipient's NOTIFY asks for such a report (RFC 3461 §5.2): where there is none, for all but success."""
    if not notify.when:
        return action is not dsn.Action.RELAYED
    return _WORDS[action] in notify.when


def in_a_digest(flood: Flood, reporting: str, expire: float, now: float) -> NewMessage:
    """A digest as a new message; `reporting` and `expire` as in About."""
    queue_id = queueid.new(now)
    told = Digest(
        queue_id=queue_id,
        reporting=reporting,
        to=flood.sender,
        now=now,
        since=flood.since,
        alone=flood.alone,
        counts=flood.counts,
        listed=flood.listed,
    )
    content = build_digest(told)
    envelope, options = to_sender(flood.sender)
    return NewMessage(
        queue_id=queue_id,
        client=flood.client,
        envelope=envelope,
        body=Bytes(content),
        digest=digest(envelope, [content]),
        accepted_at=now,
        expires_at=now + expire,
        parts=envelope.by_destination(),
        priority=URGENT,
        smtputf8=not flood.sender.isascii(),
        options=options,
    )


def to_sender(mailfrom: str) -> tuple[Envelope, Options]:
    """A report's envelope, and what hosts with DSN are told about it."""
    return Envelope("", (mailfrom,)), Options(notify=(Notify(mailfrom, ("NEVER",)),))


def _reason(told: dsn.Undelivered) -> str:
    words = str(told.reply) if told.reply is not None else told.detail
    return f"{told.host}: {words}" if told.host and words else words or told.host
