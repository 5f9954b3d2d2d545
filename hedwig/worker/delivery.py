"""From what was said to what is recorded: a Settlement and the journal's lines for one claim (steps 7 and 8). Pure.

verdict.py decides about each recipient; schedule.py says when the deferred ones are due; here the two become
results, events and bounces (I4). One bounce tells of all recipients of the claim that failed together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hedwig import dsn, log, schedule, verdict
from hedwig.reply import Reply, Stage
from hedwig.settings import Retry
from hedwig.smtp import Said
from hedwig.spool import Claim, Event, Kind, NewMessage, Recipient, RecipientResult, Settlement, State
from hedwig.spool.bounces import About, bounce
from hedwig.verdict import Outcome


@dataclass(frozen=True, slots=True)
class Attempt:
    """How it went for one recipient. `host`: "name[address]" or ""; `tls`: protocol and cipher, or ""."""

    said: Said
    host: str = ""
    tls: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides besides the attempt itself. `random` gives numbers in [0, 1)."""

    retry: Retry
    reporting: str
    random: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Line:
    """What the journal says of one recipient; `due` is 0 unless it will be tried again."""

    kind: Kind
    recipient: Recipient
    attempt: Attempt
    due: float


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The end of one claim, ready to be settled and told."""

    settlement: Settlement
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    result: RecipientResult
    line: Line
    undelivered: dsn.Undelivered | None


def conclude(
    claim: Claim, attempts: Mapping[int, Attempt], rules: Rules, now: float, original: Callable[[], bytes]
) -> Conclusion:
    """Judge the recipients that were tried (`attempts` by recipient number); the others are handed back.

    `original` gives the message's beginning, and is called only where a bounce needs it.
    """
    judged = [
        _judge(claim, recipient, attempts[recipient.number], rules, now)
        for recipient in claim.recipients
        if recipient.number in attempts
    ]
    bounces: list[NewMessage] = []

    def tell(action: dsn.Action, whom: tuple[dsn.Undelivered, ...]) -> None:
        try:
            made = bounce(About(claim, original(), rules.reporting, rules.retry.expire), action, whom, now)
        except Exception as error:  # noqa: BLE001  what was delivered must be recorded, whatever a bounce trips over
            text = f"<{claim.mailfrom}> can't be told: {error!r}"
            log.event(log.Matter.FAULT, text, log.Level.ALERT, queue_id=claim.queue_id, reason=repr(error))
            return
        bounces.extend([made] if made else [])

    failed = tuple(each.undelivered for each in judged if each.undelivered and each.result.state is State.DONE)
    if failed and claim.mailfrom:
        tell(dsn.Action.FAILED, failed)
    waiting = tuple(each.undelivered for each in judged if each.undelivered and each.result.state is State.DEFERRED)
    warned = bool(waiting) and schedule.warn_due(now, claim.accepted_at, claim.warned, rules.retry)
    if warned and claim.mailfrom:
        tell(dsn.Action.DELAYED, waiting)
    settlement = Settlement(
        delivery=claim.delivery,
        token=claim.token,
        results=tuple(each.result for each in judged),
        events=tuple(_event(each.line, now) for each in judged),
        bounces=tuple(bounces),
        warned=warned,
    )
    return Conclusion(settlement, tuple(each.line for each in judged))


def given_up(claim: Claim, rules: Rules, now: float, original: Callable[[], bytes]) -> Conclusion:
    """The end of a claim that is past its expiry before it was tried again: failed, with what was last heard."""
    attempts = {
        recipient.number: Attempt(Said(Stage.LOCAL, None, recipient.last_reply or "it could not be tried in time"))
        for recipient in claim.recipients
    }
    return conclude(claim, attempts, rules, now, original)


def put_off(claim: Claim, why: str, due: float) -> Conclusion:
    """The end of a claim with which something of ours went wrong (I8): all its recipients later, no try counted."""
    results = tuple(
        RecipientResult(recipient.number, State.DEFERRED, why, due, counted=False) for recipient in claim.recipients
    )
    attempt = Attempt(Said(Stage.LOCAL, None, why))
    lines = tuple(Line(Kind.DEFERRED, recipient, attempt, due) for recipient in claim.recipients)
    return Conclusion(Settlement(claim.delivery, claim.token, results), lines)


def _judge(claim: Claim, recipient: Recipient, attempt: Attempt, rules: Rules, now: float) -> _Judged:
    said = attempt.said
    decided = verdict.decide(said.stage, said.reply, said.detail)
    words = str(said.reply) if said.reply is not None else said.detail
    if decided.outcome is Outcome.DELIVERED:
        return _Judged(
            RecipientResult(recipient.number, State.DONE, words), Line(Kind.DELIVERED, recipient, attempt, 0.0), None
        )
    undelivered = dsn.Undelivered(recipient.address, said.stage, said.reply, said.detail, attempt.host)
    if decided.outcome is Outcome.FAILED:
        result = RecipientResult(recipient.number, State.DONE, words)
        return _Judged(result, Line(Kind.FAILED, recipient, attempt, 0.0), undelivered)
    expires_at = min(claim.expires_at, claim.accepted_at + rules.retry.expire)
    if schedule.expired(now, expires_at) and decided.outcome is not Outcome.IN_DOUBT:
        gone = dsn.Undelivered(recipient.address, said.stage, said.reply, said.detail, attempt.host, expired=True)
        result = RecipientResult(recipient.number, State.DONE, words)
        return _Judged(result, Line(Kind.EXPIRED, recipient, attempt, 0.0), gone)
    tries = recipient.tries + (1 if decided.counted else 0)
    due = min(schedule.next_due(tries, now, rules.retry, rules.random), max(expires_at, now))
    result = RecipientResult(recipient.number, State.DEFERRED, words, due, decided.counted)
    kind = Kind.IN_DOUBT if decided.outcome is Outcome.IN_DOUBT else Kind.DEFERRED
    return _Judged(result, Line(kind, recipient, attempt, due), undelivered)


def _event(line: Line, now: float) -> Event:
    said: Said = line.attempt.said
    reply: Reply | None = said.reply
    return Event(now, line.kind, line.recipient.address, said.stage, reply, line.attempt.host, said.detail)
