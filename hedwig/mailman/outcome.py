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
from hedwig.spool import POSTOFFICE, Claim, Event, Kind, NewMessage, Recipient, RecipientResult, Settlement, State
from hedwig.spool.bounces import About, bounce, is_wanted
from hedwig.spool.reasons import IN_DOUBT

SOON = (2.0, 30.0)  # seconds, least and most, until a message is offered again that the postoffice could not take for a
# fault of its own: as long again as it has waited, so that a short fault costs little time and a long one little else
LATER = 300.0  # seconds for one that was refused for now, or that can't get through by itself


@dataclass(frozen=True, slots=True)
class Passenger:
    """A claimed message, and the form in which it travels."""

    claim: Claim
    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a message goes no further now. `reply`: what the postoffice said, or None. `in_doubt`: it may have been
    accepted all the same. `kind`: how all replies begin that say the same but for a time in them."""

    why: str
    reply: Reply | None = None
    in_doubt: bool = False
    kind: str = ""


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


def is_over_quota(reply: Reply | None) -> bool:
    """Whether that is what the postoffice says of a quota: until when it lasts is for overquota.py."""
    return reply is not None and reply.code == 452 and reply.enhanced == "4.7.1"


def over_quota(claim: Claim, verdict: Verdict, until: float, now: float) -> Settlement:
    """It waits for a quota, as the postoffice has said of it or of another one."""
    reply = verdict.reply
    return waits(claim, Obstacle(str(reply), reply, kind=f"{reply.code} {reply.enhanced} "), until, now)


def _pause(claim: Claim, reply: Reply, now: float) -> float:
    least, most = SOON
    return min(max(now - claim.accepted_at, least), most) if is_postoffices_fault(reply) else LATER


def too_late(passenger: Passenger, obstacle: Obstacle, now: float, settings: Mailman) -> Settlement:
    """It was not taken until it expired: `obstacle` is the last of many."""
    ended = _Ended(f"the postoffice did not take it in time: {obstacle.why}", obstacle.in_doubt)
    return _returned(passenger, ended, now, settings)


def is_stale(claim: Claim, now: float) -> bool:
    """Whether its own deadline has passed while it was certainly here: see forwarder.as_message, and `waits`."""
    deadline = claim.options.deadline
    return 0 < deadline <= now and claim.expires_at <= deadline and not any(each.doubts for each in claim.recipients)


def stale(passenger: Passenger, now: float, settings: Mailman) -> Settlement:
    """It is not offered any more. A bounce just ends: it has no sender who could be told (I7)."""
    until = utc(passenger.claim.options.deadline)
    ended = _Ended(f"not sent: it waited for the postoffice, and was to be sent until {until} only")
    if not passenger.claim.mailfrom:
        return _end(passenger.claim, _event(Kind.EXPIRED, ended, now))
    return _returned(passenger, ended, now, settings)


def waits(claim: Claim, obstacle: Obstacle, due: float, now: float) -> Settlement:
    """It stays here, for the reason given. Said once in its history, however often it is offered."""
    why, reply, in_doubt = obstacle.why, obstacle.reply, obstacle.in_doubt
    if claim.options.deadline > now:
        due = min(due, claim.options.deadline)
    results = tuple(
        RecipientResult(each.number, State.DEFERRED, why, due, counted=False, in_doubt=in_doubt)
        for each in claim.recipients
    )
    known = all(_says(each.last_reply, obstacle) and (each.doubts or not in_doubt) for each in claim.recipients)
    words = "" if reply else why
    detail = "; ".join(filter(None, (IN_DOUBT, words))) if in_doubt else words
    event = Event(now, Kind.DEFERRED, stage=Stage.DOT, reply=reply, host=POSTOFFICE, detail=detail)
    return Settlement(claim.delivery, claim.token, results, () if known else (event,))


def _says(last_reply: str, obstacle: Obstacle) -> bool:
    return last_reply == obstacle.why or bool(obstacle.kind and last_reply.startswith(obstacle.kind))


@dataclass(frozen=True, slots=True)
class _Ended:
    """Why mailman itself gave a message up. These are our words: neither history nor report gives them to the
    postoffice. `in_doubt`: the last offer may have been accepted."""

    why: str
    in_doubt: bool = False


def _returned(passenger: Passenger, said: Reply | _Ended, now: float, settings: Mailman) -> Settlement:
    """Back to the sender, as NOTIFY wants it (RFC 3461 §5.2.6); what has none is held."""
    claim = passenger.claim
    if not claim.mailfrom:
        why = "was refused" if isinstance(said, Reply) else "was not taken"
        return _end(claim, _event(Kind.HELD, said, now, f"a bounce that {why}: kept for you to see"))
    undelivered = tuple(
        _undelivered(claim, recipient, said, now)
        for recipient in claim.recipients
        if is_wanted(claim.options.of(recipient.address), dsn.Action.FAILED)
    )
    about = About(claim, passenger.parcel.body, settings.fqdn, settings.expire)
    made = bounce(about, dsn.Action.FAILED, undelivered, now, POSTOFFICE)
    kind = Kind.FAILED if isinstance(said, Reply) else Kind.EXPIRED
    return _end(claim, _event(kind, said, now), (made,) if made else ())


def _undelivered(claim: Claim, recipient: Recipient, said: Reply | _Ended, now: float) -> dsn.Undelivered:
    """What is said of a recipient. The postoffice may have had the message when an answer was lost, and delivered it:
    its sender must not think that it did not (I5)."""
    asked, doubtful = claim.options.of(recipient.address), recipient.doubts > 0
    if isinstance(said, Reply):
        return dsn.Undelivered(asked.rcptto, Stage.DOT, said, host=POSTOFFICE, doubtful=doubtful, orcpt=asked.orcpt)
    late, doubtful = 0 < claim.options.deadline <= now, doubtful or said.in_doubt
    why = f"{said.why}; it may have been delivered" if doubtful else said.why
    return dsn.Undelivered(
        asked.rcptto, Stage.LOCAL, None, why, expired=True, late=late, doubtful=doubtful, orcpt=asked.orcpt
    )


def _event(kind: Kind, said: Reply | _Ended, now: float, detail: str = "") -> Event:
    if isinstance(said, Reply):
        return Event(now, kind, stage=Stage.DOT, reply=said, host=POSTOFFICE, detail=detail)
    return Event(now, kind, stage=Stage.LOCAL, detail="; ".join(filter(None, (said.why, detail))))


def _end(claim: Claim, event: Event, successors: tuple[NewMessage, ...] = ()) -> Settlement:
    """All recipients have the same end here: in mailman's spool a message goes on, or not, as a whole."""
    state = State.HELD if event.kind is Kind.HELD else State.DONE
    said = str(event.reply) if event.reply else event.detail
    results = tuple(RecipientResult(recipient.number, state, said) for recipient in claim.recipients)
    return Settlement(claim.delivery, claim.token, results, (event,), successors)
