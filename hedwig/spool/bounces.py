"""A bounce as a message of the spool: what `Settlement.bounces` holds (I7).

It has the null sender, goes to the original's sender, belongs to the same client, and is never made in answer to a null
sender: then there is none, and the history alone says what happened.
"""

from dataclasses import dataclass

from hedwig import dsn, queueid
from hedwig.envelope import Envelope, digest
from hedwig.spool import Bytes, Claim, NewMessage

URGENT = 0  # a sender who waits to learn of a failure comes before ordinary mail


@dataclass(frozen=True, slots=True)
class About:
    """What a bounce is about: the claim, and the original's beginning (its header). `reporting`: this host's name;
    `expire`: seconds that the bounce itself may wait."""

    claim: Claim
    original: bytes
    reporting: str
    expire: float


def bounce(
    about: About, action: dsn.Action, undelivered: tuple[dsn.Undelivered, ...], now: float, destination: str = ""
) -> NewMessage | None:
    """The notification as a new message, or None where nobody may be told. `destination` "": by its address."""
    claim = about.claim
    if not claim.mailfrom or not undelivered:
        return None
    queue_id = queueid.new(now)
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
        )
    )
    envelope = Envelope("", (claim.mailfrom,))
    return NewMessage(
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
    )
