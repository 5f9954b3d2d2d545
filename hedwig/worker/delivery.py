"""From what was said to what is recorded: a Settlement and the journal's lines for one claim (steps 7 and 8). Pure.

verdict.py decides about each recipient, and whether one in doubt is held (I5); schedule.py says when the deferred ones
are due; here they become results and events (I4), and telling.py makes the reports that its sender gets.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hedwig import dsn, log, schedule, verdict
from hedwig.reply import Stage
from hedwig.settings import Retry
from hedwig.smtp import Said
from hedwig.spool import Claim, Event, Kind, NewMessage, Recipient, RecipientResult, Settlement, State
from hedwig.spool.bounces import About
from hedwig.verdict import Outcome, SiteWord
from hedwig.worker import telling
from hedwig.worker.attempt import Attempt


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides besides the attempt itself. `reporting`: this host's name; `random` gives numbers in [0, 1);
    `most_reports`: how many of each kind a sender gets in an hour, 0: no bound."""

    retry: Retry
    reporting: str
    random: Callable[[], float]
    most_reports: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """What the journal says of one recipient; `due` is 0 unless it will be tried again."""

    kind: Kind
    recipient: Recipient
    attempt: Attempt
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The end of one claim, ready to be settled and told. `site_words`: what was said of the way to the receiver."""

    settlement: Settlement
    lines: tuple[Line, ...]
    site_words: tuple[SiteWord, ...] = ()


@dataclass(frozen=True, slots=True)
class _Judged:
    """`news`: what a report would say of the recipient, where there is anything to say."""

    result: RecipientResult
    lines: tuple[Line, ...]
    news: telling.News | None = None


def conclude(
    claim: Claim, attempts: Mapping[int, Attempt], rules: Rules, now: float, original: Callable[[], bytes]
) -> Conclusion:
    """Judge the recipients that were tried (`attempts` by recipient number); the others are handed back, and with them
    those that were one too many for a transaction which carried somebody: the next one follows at once.

    `original` gives the message's beginning, and is called only where a report needs it.
    """
    fitting = _fitting(attempts)
    judged = [
        _judge(claim, recipient, fitting[recipient.number], rules, now)
        for recipient in claim.recipients
        if recipient.number in fitting
    ]
    lines = tuple(line for each in judged for line in each.lines)
    news = [each.news for each in judged if each.news]
    waiting = any(each.action is dsn.Action.DELAYED for each in news)
    warned = waiting and schedule.warn_due(now, claim.accepted_at, claim.warned, rules.retry)
    told = [each for each in news if each.wanted and (warned or each.action is not dsn.Action.DELAYED)]
    settlement = Settlement(
        delivery=claim.delivery,
        token=claim.token,
        results=tuple(each.result for each in judged),
        events=tuple(_event(line, now) for line in lines) + _talk(lines, now),
        bounces=_reports(claim, told, rules, now, original) if told and claim.mailfrom else (),
        warned=warned,
    )
    return Conclusion(settlement, lines)


def given_up(claim: Claim, rules: Rules, now: float, original: Callable[[], bytes]) -> Conclusion:
    """The end of a claim that is past its expiry, or its sender's deadline, before it was tried again: failed, with
    what was last heard."""
    attempts = {
        recipient.number: Attempt(Said(Stage.LOCAL, None, recipient.last_reply or "it could not be tried in time"))
        for recipient in claim.recipients
    }
    return conclude(claim, attempts, rules, now, original)


def is_late(claim: Claim, now: float) -> bool:
    """Whether the deadline that the message came with is over, so that it must not be sent any more."""
    return 0 < claim.options.deadline <= now


def put_off(claim: Claim, why: str, due: float) -> Conclusion:
    """The end of a claim with which something of ours went wrong (I8): all its recipients later, no try counted."""
    results = tuple(
        RecipientResult(recipient.number, State.DEFERRED, why, due, counted=False) for recipient in claim.recipients
    )
    attempt = Attempt(Said(Stage.LOCAL, None, why))
    lines = tuple(Line(Kind.DEFERRED, recipient, attempt, due) for recipient in claim.recipients)
    return Conclusion(Settlement(claim.delivery, claim.token, results), lines)


def _fitting(attempts: Mapping[int, Attempt]) -> Mapping[int, Attempt]:
    """Without those that were one too many, unless nobody got the message: then they are deferred as any other, so that
    a host which always says so is not asked without end."""
    if not any(attempt.said.delivered for attempt in attempts.values()):
        return attempts
    return {
        number: attempt
        for number, attempt in attempts.items()
        if not verdict.one_too_many(attempt.said.stage, attempt.said.reply)
    }


def _judge(claim: Claim, recipient: Recipient, attempt: Attempt, rules: Rules, now: float) -> _Judged:
    said = attempt.said
    decided = verdict.decide(said.stage, said.reply, said.detail)
    words = str(said.reply) if said.reply is not None else said.detail
    if decided.outcome is Outcome.DELIVERED:
        result = RecipientResult(recipient.number, State.DONE, words)
        # RFC 3461 §5.2.1: a host with DSN tells what becomes of it from here on.
        asked = claim.options.notify and not attempt.reports
        news = telling.news(claim, recipient, attempt, dsn.Action.RELAYED) if asked else None
        return _Judged(result, (Line(Kind.DELIVERED, recipient, attempt),), news)
    if decided.outcome is Outcome.FAILED:
        return _failed(claim, recipient, attempt, Kind.FAILED)
    expires_at = _end_of(claim, rules)
    in_doubt = decided.outcome is Outcome.IN_DOUBT
    if schedule.expired(now, expires_at) and not in_doubt:
        return _failed(claim, recipient, attempt, Kind.EXPIRED, late=is_late(claim, now))
    tries = recipient.tries + (1 if decided.counted else 0)
    due = schedule.next_due(tries, now, rules.retry, rules.random)
    due = schedule.in_time(due, now, expires_at, rules.random)
    if in_doubt:
        return _doubted(claim, recipient, attempt, due)
    result = RecipientResult(recipient.number, State.DEFERRED, words, due, decided.counted)
    news = telling.news(claim, recipient, attempt, dsn.Action.DELAYED)
    return _Judged(result, (Line(Kind.DEFERRED, recipient, attempt, due),), news)


def _end_of(claim: Claim, rules: Rules) -> float:
    """When it is given up. What was held past its expiry and released is older than our own rule allows."""
    own = math.inf if claim.extended else claim.accepted_at + rules.retry.expire
    return min(claim.expires_at, own, claim.options.deadline or math.inf)


def _failed(claim: Claim, recipient: Recipient, attempt: Attempt, kind: Kind, *, late: bool = False) -> _Judged:
    said = attempt.said
    words = str(said.reply) if said.reply is not None else said.detail
    news = telling.news(claim, recipient, attempt, dsn.Action.FAILED)
    news = news.given_up(late) if kind is Kind.EXPIRED else news
    notes = ["its deadline is over"] if late else []
    notes += ["no report: NOTIFY=" + ",".join(claim.options.of(recipient.address).when)] if not news.wanted else []
    if notes:
        detail = "; ".join(word for word in (said.detail, *notes) if word)
        attempt = replace(attempt, said=replace(said, detail=detail))
    return _Judged(RecipientResult(recipient.number, State.DONE, words), (Line(kind, recipient, attempt),), news)


def _doubted(claim: Claim, recipient: Recipient, attempt: Attempt, due: float) -> _Judged:
    """The whole message was sent and no answer came (I5): its client's policy says what is done."""
    words = f"in doubt: {attempt.said.detail}"
    held = verdict.held_in_doubt(claim.options.on_doubt, recipient.doubts)
    if not held:
        result = RecipientResult(recipient.number, State.DEFERRED, words, due, in_doubt=True)
        news = telling.news(claim, recipient, attempt, dsn.Action.DELAYED)
        return _Judged(result, (Line(Kind.IN_DOUBT, recipient, attempt, due),), news)
    result = RecipientResult(recipient.number, State.HELD, words, in_doubt=True)
    reason = replace(attempt, said=Said(Stage.DOT, None, held))
    return _Judged(result, (Line(Kind.IN_DOUBT, recipient, attempt), Line(Kind.HELD, recipient, reason)))


def _event(line: Line, now: float) -> Event:
    said, attempt = line.attempt.said, line.attempt
    detail = "; ".join(part for part in (said.detail, attempt.way) if part)
    return Event(now, line.kind, line.recipient.address, said.stage, said.reply, attempt.host, detail)


def _talk(lines: tuple[Line, ...], now: float) -> tuple[Event, ...]:
    """The conversation, once for all recipients in doubt: who must decide about them wants to see it."""
    talk = next((line.attempt.talk for line in lines if line.kind is Kind.IN_DOUBT and line.attempt.talk), "")
    return (Event(now, Kind.IN_DOUBT, detail=talk),) if talk else ()


def _reports(
    claim: Claim, told: Sequence[telling.News], rules: Rules, now: float, original: Callable[[], bytes]
) -> tuple[NewMessage, ...]:
    try:
        about = About(claim, original(), rules.reporting, rules.retry.expire, rules.most_reports)
        return telling.reports(about, told, now)
    except Exception as error:  # noqa: BLE001  what was delivered must be recorded, whatever a report trips over
        text = f"<{claim.mailfrom}> can't be told: {error!r}"
        log.event(log.Matter.FAULT, text, log.Level.ALERT, queue_id=claim.queue_id, reason=repr(error))
        return ()
