"""From what was said to what is recorded: a Settlement and the journal's lines for one claim (steps 7 and 8). Pure.

judge.py says what becomes of each recipient; here that becomes results and events (I4), telling.py makes the reports
that its sender gets, and what was said of the way to the site, or must be told the operator, goes along with it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hedwig import dsn, log, schedule, verdict
from hedwig.classify import UNRULED, Ruling
from hedwig.moments import utc
from hedwig.reply import Reply, Stage
from hedwig.settings.replies import Action
from hedwig.smtp import Said
from hedwig.spool import Claim, Event, Kind, NewMessage, Recipient, RecipientResult, Settlement, State
from hedwig.spool.bounces import About
from hedwig.spool.suppressed import Suppression, folded
from hedwig.verdict import Outcome, SiteWord
from hedwig.worker import telling
from hedwig.worker.alarms import Alarm
from hedwig.worker.attempt import Attempt
from hedwig.worker.judge import Case, Judged, Line, Rules, is_late, judge

__all__ = ["Conclusion", "Line", "Rules", "conclude", "given_up", "is_late", "put_off", "turned_away", "unjudged"]

_OF_ALL = frozenset({Stage.DATA, Stage.DOT})  # what is said there is about everybody who was accepted


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The end of one claim, ready to be settled and told. `words`: on the way to its site, for all mail that goes
    there. `close`: the connection is of no more use."""

    settlement: Settlement
    lines: tuple[Line, ...]
    words: tuple[SiteWord, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    close: bool = False


def conclude(
    claim: Claim, attempts: Mapping[int, Attempt], rules: Rules, now: float, original: Callable[[], bytes]
) -> Conclusion:
    """Judge the recipients that were tried (`attempts` by recipient number); the others are handed back, and with them
    those that were too many for one transaction: the next one follows at once.

    `original` gives the message's beginning, and is called only where a report needs it.
    """
    fitting = _fitting(_cases(claim, attempts, rules))
    judged = [_suppressing(each, rules, now) for each in (judge(case, rules, now) for case in fitting)]
    suppressions = tuple(suppression for _, suppression in judged if suppression)
    return _concluded(claim, [each for each, _ in judged], suppressions, _Means(rules, now, original))


@dataclass(frozen=True, slots=True)
class _Means:
    """What a report needs."""

    rules: Rules
    now: float
    original: Callable[[], bytes]


def _concluded(claim: Claim, judged: Sequence[Judged], suppressions: tuple[Suppression, ...], by: _Means) -> Conclusion:
    rules, now = by.rules, by.now
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
        bounces=_reports(claim, told, by) if told and claim.mailfrom else (),
        warned=warned,
        suppress=suppressions,
    )
    ruled = {each.case.ruling.rule: each.case for each in judged if each.case.ruling.rule}
    return Conclusion(
        settlement,
        lines,
        words=tuple(word for case in ruled.values() if (word := _word(case))),
        alarms=tuple(_alarm(case, rules) for case in ruled.values() if case.ruling.alert),
        close=any(each.verdict.close for each in judged),
    )


def given_up(claim: Claim, rules: Rules, now: float, original: Callable[[], bytes]) -> Conclusion:
    """The end of a claim that is past its expiry, or its sender's deadline, before it was tried again, or before the
    message went out in its transaction: failed, with what was last heard."""
    attempts = {
        recipient.number: Attempt(Said(Stage.LOCAL, None, recipient.last_reply or "it did not go out in time"))
        for recipient in claim.recipients
    }
    return conclude(claim, attempts, rules, now, original)


def put_off(claim: Claim, why: str, due: float) -> Conclusion:
    """The end of a claim with which something of ours went wrong (I8): all its recipients later, no try counted."""
    results = tuple(
        RecipientResult(recipient.number, State.DEFERRED, why, due, counted=False, fault_since=recipient.fault_since)
        for recipient in claim.recipients
    )
    attempt = Attempt(Said(Stage.LOCAL, None, why))
    lines = tuple(Line(Kind.DEFERRED, recipient, attempt, due) for recipient in claim.recipients)
    return Conclusion(Settlement(claim.delivery, claim.token, results), lines)


def unjudged(claim: Claim, attempts: Mapping[int, Attempt], why: str, now: float, due: float) -> Conclusion:
    """The end of a claim of which a fault of ours keeps us from judging what was said (I8): what has arrived has
    arrived (I4), what may have is in doubt (I5), and all else is tried later, no try counted."""
    ends = [
        _unjudged(claim, each, attempts[each.number], why, due) for each in claim.recipients if each.number in attempts
    ]
    events = tuple(_event(line, now) for _, line in ends)
    settlement = Settlement(claim.delivery, claim.token, tuple(result for result, _ in ends), events)
    return Conclusion(settlement, tuple(line for _, line in ends), close=True)


def _unjudged(
    claim: Claim, recipient: Recipient, attempt: Attempt, why: str, due: float
) -> tuple[RecipientResult, Line]:
    said = attempt.said
    if said.delivered:
        return RecipientResult(recipient.number, State.DONE, str(said.reply)), Line(Kind.DELIVERED, recipient, attempt)
    if said.stage is Stage.DOT and said.reply is None:
        held = bool(verdict.held_in_doubt(claim.options.on_doubt, recipient.doubts))
        state, due = (State.HELD, 0.0) if held else (State.DEFERRED, due)
        result = RecipientResult(recipient.number, state, f"in doubt: {said.detail}", due, in_doubt=True)
        return result, Line(Kind.IN_DOUBT, recipient, attempt, due)
    words = str(said.reply) if said.reply is not None else said.detail
    result = RecipientResult(
        recipient.number, State.DEFERRED, words, due, counted=False, fault_since=recipient.fault_since
    )
    noted = replace(attempt, said=replace(said, detail="; ".join(part for part in (said.detail, why) if part)))
    return result, Line(Kind.DEFERRED, recipient, noted, due)


def turned_away(claim: Claim) -> dict[int, Attempt]:
    """The recipients that get no mail, for their addresses are suppressed: nobody is asked about them. For `conclude`,
    which hands back the others."""
    return {
        recipient.number: Attempt(Said(Stage.LOCAL, no_mail(recipient.suppressed)))
        for recipient in claim.recipients
        if recipient.suppressed is not None
    }


def no_mail(why: Suppression) -> Reply:
    """As if the receiver had said again what it said then; for what an operator suppressed, as our own policy."""
    status = "5.1.1" if why.by_rule else "5.7.1"
    lifted = f"`hedwig suppress remove {why.address}` lifts it"
    return Reply.parse(550, f"{status} suppressed since {utc(why.since)} by {why.who}; {lifted}: {why.reason}")


def _cases(claim: Claim, attempts: Mapping[int, Attempt], rules: Rules) -> list[Case]:
    """Each attempt with its ruling; of recipients that were answered alike the table is asked once."""
    known: dict[tuple[Stage, Reply, str], Ruling] = {}
    tried = [(recipient, attempts[recipient.number]) for recipient in claim.recipients if recipient.number in attempts]
    of_all = sum(attempt.said.stage in _OF_ALL for _, attempt in tried)
    cases = []
    for recipient, attempt in tried:
        ruling, reply, stage = UNRULED, attempt.said.reply, attempt.said.stage
        if reply is not None and reply.code >= 400:
            said = (stage, reply, attempt.host)
            if said not in known:
                known[said] = rules.ruling(attempt, claim.destination)
            ruling = known[said]
        alone = stage is Stage.RCPT or (of_all == 1 and stage in _OF_ALL)
        cases.append(Case(claim, recipient, attempt, ruling, alone))
    return cases


def _fitting(cases: Sequence[Case]) -> Sequence[Case]:
    """Without those that go in another transaction at once.

    Who was one too many where others got the message; and where a transaction as a whole had too many, half of them.
    Where nobody got it, and for a single one, it is deferred as any other, so that a host which always says so is not
    asked without end.
    """
    if any(case.attempt.said.delivered or case.attempt.carried for case in cases):
        return [
            case
            for case in cases
            if not verdict.one_too_many(case.attempt.said.stage, case.attempt.said.reply, case.ruling)
        ]
    whole = [case for case in cases if case.ruling.decision is Action.SPLIT and case.attempt.said.stage in _OF_ALL]
    half = {case.recipient.number for case in whole[: len(whole) // 2]}
    return [case for case in cases if case.recipient.number not in half]


def _suppressing(judged: Judged, rules: Rules, now: float) -> tuple[Judged, Suppression | None]:
    """The address that gets no mail from now on, where its receiver said of it, and of nobody else, that there is no
    such mailbox. Not where that came with a word on policy (X.7.Z), which is about us as well; nor from a smarthost,
    which may know no mailbox but its own."""
    case, ruling, said = judged.case, judged.case.ruling, judged.case.attempt.said
    wanted = ruling.suppress and rules.suppress > 0 and judged.verdict.outcome is Outcome.FAILED
    if not wanted or not case.alone or case.attempt.relayed:
        return judged, None
    if said.reply is None or said.reply.enhanced.startswith("5.7."):
        return judged, None
    until = now + rules.suppress
    address = folded(case.recipient.address, case.claim.destination)
    note = f"the address gets no mail until {utc(until)}"
    lines = tuple(replace(line, attempt=replace(case, attempt=line.attempt).noting(note)) for line in judged.lines)
    suppression = Suppression(address, now, until, f"rule {ruling.rule}", case.words)
    return replace(judged, lines=lines), suppression


def _word(case: Case) -> SiteWord | None:
    return verdict.site_word(case.attempt.said.reply, case.ruling, case.claim.destination)


def _alarm(case: Case, rules: Rules) -> Alarm:
    host, destination = case.attempt.host, case.claim.destination
    return Alarm(rules.providers.of(host, destination) or destination, case.ruling, host, case.words)


def _event(line: Line, now: float) -> Event:
    said, attempt = line.attempt.said, line.attempt
    left_from = f"from {attempt.local}" if attempt.local else ""
    detail = "; ".join(part for part in (said.detail, attempt.way, left_from) if part)
    return Event(now, line.kind, line.recipient.address, said.stage, said.reply, attempt.host, detail)


def _talk(lines: Iterable[Line], now: float) -> tuple[Event, ...]:
    """The conversation, once for all recipients in doubt: who must decide about them wants to see it."""
    talk = next((line.attempt.talk for line in lines if line.kind is Kind.IN_DOUBT and line.attempt.talk), "")
    return (Event(now, Kind.IN_DOUBT, detail=talk),) if talk else ()


def _reports(claim: Claim, told: Sequence[telling.News], by: _Means) -> tuple[NewMessage, ...]:
    try:
        rules = by.rules
        about = About(claim, by.original(), rules.reporting, rules.retry.expire, rules.most_reports)
        return telling.reports(about, told, by.now)
    except Exception as error:  # noqa: BLE001  what was delivered must be recorded, whatever a report trips over
        text = f"<{claim.mailfrom}> can't be told: {error!r}"
        log.event(log.Matter.FAULT, text, log.Level.ALERT, queue_id=claim.queue_id, reason=repr(error))
        return ()
