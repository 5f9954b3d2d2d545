"""What becomes of a message of mailman's own spool, by what the postoffice said of it. It decides; backlog.py does.

Taken: it is done. Its ID is taken by another (I3): it goes on as a new message. Refused for good, or not taken until it
was too old: a bounce to its sender, which goes to the postoffice the same way; what has no sender is held (I7). Else it
waits, and is offered again.
"""

from dataclasses import dataclass

from hedwig import dsn
from hedwig.mailman.client import Parcel, Verdict
from hedwig.mailman.forwarder import as_message, is_postoffices_fault, renamed
from hedwig.reply import Reply, Stage
from hedwig.settings import Mailman
from hedwig.spool import POSTOFFICE, Claim, Event, Kind, NewMessage, RecipientResult, Settlement, State
from hedwig.spool.bounces import About, bounce

SOON = (2.0, 30.0)  # seconds, least and most, until a message is offered again that the postoffice could not take for a
# fault of its own: as long again as it has waited, so that a short fault costs little time and a long one little else
LATER = 300.0  # seconds for one that was refused for now, by a quota say, or that can't get through by itself


@dataclass(frozen=True, slots=True)
class Passenger:
    """A claimed message, and the form in which it travels."""

    claim: Claim
    parcel: Parcel


def by_verdict(passenger: Passenger, verdict: Verdict, now: float, settings: Mailman) -> Settlement:
    """The postoffice has said something about it."""
    claim, reply = passenger.claim, verdict.reply
    if verdict.conflict:
        again = as_message(renamed(passenger.parcel), settings)
        return _end(claim, _event(Kind.FORWARDED, reply, now, f"goes on as {again.queue_id}"), (again,))
    if reply.code // 100 == 2:
        return _end(claim, _event(Kind.FORWARDED, reply, now))
    if reply.permanent:
        return _returned(passenger, reply, now, settings)
    return waits(claim, str(reply), now + _pause(claim, reply, now), now, reply)


def _pause(claim: Claim, reply: Reply, now: float) -> float:
    least, most = SOON
    return min(max(now - claim.accepted_at, least), most) if is_postoffices_fault(reply) else LATER


def too_late(passenger: Passenger, why: str, now: float, settings: Mailman) -> Settlement:
    """It was not taken until it expired."""
    reply = Reply(554, "5.4.7", f"the postoffice did not take it in time: {why}")
    return _returned(passenger, reply, now, settings, expired=True)


def waits(claim: Claim, why: str, due: float, now: float, reply: Reply | None = None) -> Settlement:
    """It stays here, for the reason given. Said once in its history, however often it is offered."""
    results = tuple(RecipientResult(each.number, State.DEFERRED, why, due, counted=False) for each in claim.recipients)
    known = all(each.last_reply == why for each in claim.recipients)
    event = Event(now, Kind.DEFERRED, stage=Stage.DOT, reply=reply, host=POSTOFFICE, detail="" if reply else why)
    return Settlement(claim.delivery, claim.token, results, () if known else (event,))


def _returned(
    passenger: Passenger, reply: Reply, now: float, settings: Mailman, *, expired: bool = False
) -> Settlement:
    """Back to the sender; what has none is held."""
    claim = passenger.claim
    if not claim.mailfrom:
        return _end(claim, _event(Kind.HELD, reply, now, "a bounce that was refused: kept for you to see"))
    undelivered = tuple(
        dsn.Undelivered(recipient.address, Stage.DOT, reply, host=POSTOFFICE, expired=expired)
        for recipient in claim.recipients
    )
    about = About(claim, passenger.parcel.body, settings.fqdn, settings.expire)
    made = bounce(about, dsn.Action.FAILED, undelivered, now, POSTOFFICE)
    kind = Kind.EXPIRED if expired else Kind.FAILED
    return _end(claim, _event(kind, reply, now), (made,) if made else ())


def _event(kind: Kind, reply: Reply, now: float, detail: str = "") -> Event:
    return Event(now, kind, stage=Stage.DOT, reply=reply, host=POSTOFFICE, detail=detail)


def _end(claim: Claim, event: Event, successors: tuple[NewMessage, ...] = ()) -> Settlement:
    """All recipients have the same end here: in mailman's spool a message goes on, or not, as a whole."""
    state = State.HELD if event.kind is Kind.HELD else State.DONE
    results = tuple(RecipientResult(recipient.number, state, str(event.reply)) for recipient in claim.recipients)
    return Settlement(claim.delivery, claim.token, results, (event,), successors)
