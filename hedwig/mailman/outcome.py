"""What becomes of a message of mailman's own spool, by what the postoffice said of it. It decides; backlog.py does.

Taken: it is done. Its ID is taken by another (I3): it goes on as a new message. Refused for good, or not taken until it
was too old: a bounce to its sender, which goes to the postoffice the same way; what has no sender is held (I7). Else it
waits, and is offered again.

One whose own deadline (Hedwig-Expires) has passed is not offered any more, and its sender hears so. But where a request
that had it got no verdict it may have been accepted in time, and delivered: then the postoffice is asked all the same.
It says that it has it, or takes it and lets it expire over there (I3).
"""

from dataclasses import dataclass

from hedwig import dsn
from hedwig.mailman.client import Parcel, Verdict
from hedwig.mailman.forwarder import as_message, is_postoffices_fault, renamed
from hedwig.moments import utc
from hedwig.reply import Reply, Stage
from hedwig.settings import Mailman
from hedwig.spool import POSTOFFICE, Claim, Event, Kind, NewMessage, RecipientResult, Settlement, State
from hedwig.spool.bounces import About, bounce, is_wanted

SOON = (2.0, 30.0)  # seconds, least and most, until a message is offered again that the postoffice could not take for a
# fault of its own: as long again as it has waited, so that a short fault costs little time and a long one little else
LATER = 300.0  # seconds for one that was refused for now, by a quota say, or that can't get through by itself


@dataclass(frozen=True, slots=True)
class Passenger:
    """A claimed message, and the form in which it travels."""

    claim: Claim
    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a message goes no further now. `reply`: what the postoffice said, or None. `in_doubt`: it may have been
    accepted all the same."""

    why: str
    reply: Reply | None = None
    in_doubt: bool = False


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
    # A fault over there may be that nobody waited for a commit any more: it may come yet.
    in_doubt = is_postoffices_fault(reply)
    return waits(claim, Obstacle(str(reply), reply, in_doubt), now + _pause(claim, reply, now), now)


def _pause(claim: Claim, reply: Reply, now: float) -> float:
    least, most = SOON
    return min(max(now - claim.accepted_at, least), most) if is_postoffices_fault(reply) else LATER


def too_late(passenger: Passenger, why: str, now: float, settings: Mailman) -> Settlement:
    """It was not taken until it expired."""
    reply = Reply(554, "5.4.7", f"the postoffice did not take it in time: {why}")
    return _returned(passenger, reply, now, settings, expired=True)


def is_stale(claim: Claim, now: float) -> bool:
    """Whether its own deadline has passed while it was certainly here: see forwarder.as_message, and `waits`."""
    deadline = claim.options.deadline
    return 0 < deadline <= now and claim.expires_at <= deadline and not any(each.doubts for each in claim.recipients)


def stale(passenger: Passenger, now: float, settings: Mailman) -> Settlement:
    """It is not offered any more. A bounce just ends: it has no sender who could be told (I7)."""
    until = utc(passenger.claim.options.deadline)
    reply = Reply(554, "5.4.7", f"not sent: it waited for the postoffice, and was to be sent until {until} only")
    if not passenger.claim.mailfrom:
        return _end(passenger.claim, _event(Kind.EXPIRED, reply, now))
    return _returned(passenger, reply, now, settings, expired=True)


def waits(claim: Claim, obstacle: Obstacle, due: float, now: float) -> Settlement:
    """It stays here, for the reason given. Said once in its history, however often it is offered."""
    why, reply, deadline = obstacle.why, obstacle.reply, claim.options.deadline
    if deadline > now:
        due = min(due, deadline)
    in_doubt = obstacle.in_doubt and deadline > 0  # for the others nothing depends on it
    results = tuple(
        RecipientResult(each.number, State.DEFERRED, why, due, counted=False, in_doubt=in_doubt)
        for each in claim.recipients
    )
    known = all(each.last_reply == why for each in claim.recipients)
    event = Event(now, Kind.DEFERRED, stage=Stage.DOT, reply=reply, host=POSTOFFICE, detail="" if reply else why)
    return Settlement(claim.delivery, claim.token, results, () if known else (event,))


def _returned(
    passenger: Passenger, reply: Reply, now: float, settings: Mailman, *, expired: bool = False
) -> Settlement:
    """Back to the sender, as NOTIFY wants it (RFC 3461 §5.2.6); what has none is held."""
    claim = passenger.claim
    if not claim.mailfrom:
        return _end(claim, _event(Kind.HELD, reply, now, "a bounce that was refused: kept for you to see"))
    late = expired and 0 < claim.options.deadline <= now
    undelivered = tuple(
        dsn.Undelivered(asked.rcptto, Stage.DOT, reply, host=POSTOFFICE, expired=expired, late=late, orcpt=asked.orcpt)
        for asked in (claim.options.of(recipient.address) for recipient in claim.recipients)
        if is_wanted(asked, dsn.Action.FAILED)
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
