"""One recipient after one attempt: what becomes of it, what the history says, and what its sender might hear. Pure.

verdict.py decides, with the ruling of the table of replies; schedule.py says when a deferred one is due. Here both are
applied to what is known of this recipient: its tries, its doubts (I5), how long a fault of ours has kept it, and when
its message is given up.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hedwig import dsn, schedule, verdict
from hedwig.classify import UNRULED, Ruling
from hedwig.classify.providers import Providers
from hedwig.classify.said import page_named, reply_of
from hedwig.classify.table import EMPTY, Table
from hedwig.reply import Stage
from hedwig.settings import Retry
from hedwig.settings.replies import About
from hedwig.smtp import Said
from hedwig.spool import Claim, Kind, Recipient, RecipientResult, State
from hedwig.verdict import Outcome, Verdict
from hedwig.worker import telling
from hedwig.worker.attempt import Attempt

ALL_KNOW = 2.0  # seconds after which all workers know that an address of ours has to rest


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides besides the attempt itself. `reporting`: this host's name; `random` gives numbers in [0, 1);
    `most_reports`: how many of each kind a sender gets in an hour, 0: no bound. `table`: what replies mean, and
    `providers`: whose they are. `suppress`: seconds for which an address that doesn't exist gets no mail, 0: never."""

    retry: Retry
    reporting: str
    random: Callable[[], float]
    most_reports: int = 0
    table: Table = EMPTY
    providers: Providers = field(default_factory=lambda: Providers({}))
    suppress: float = 0.0

    def ruling(self, attempt: Attempt, destination: str) -> Ruling:
        """What the table says of an attempt to send to `destination`."""
        said = attempt.said
        if said.reply is None or said.reply.code < 400:
            return UNRULED
        return self.table.ruling(self.providers.of(attempt.host, destination), said.stage, said.reply)


@dataclass(frozen=True, slots=True)
class Line:
    """What the journal says of one recipient; `due` is 0 unless it will be tried again."""

    kind: Kind
    recipient: Recipient
    attempt: Attempt
    due: float = 0.0
    ruling: Ruling = UNRULED


@dataclass(frozen=True, slots=True)
class Case:
    """One recipient of a claim, how it went, and the ruling on what was said. `alone`: what was said was of nobody
    else."""

    claim: Claim
    recipient: Recipient
    attempt: Attempt
    ruling: Ruling = UNRULED
    alone: bool = False

    @property
    def words(self) -> str:
        """What was said, or how it failed."""
        said = self.attempt.said
        return str(said.reply) if said.reply is not None else said.detail

    def noting(self, *notes: str) -> Attempt:
        """The attempt with this in its detail, for the history."""
        said = self.attempt.said
        detail = "; ".join(word for word in (said.detail, *notes) if word)
        return replace(self.attempt, said=replace(said, detail=detail))


@dataclass(frozen=True, slots=True)
class Judged:
    """`news`: what a report would say of the recipient, where there is anything to say."""

    case: Case
    verdict: Verdict
    result: RecipientResult
    lines: tuple[Line, ...]
    news: telling.News | None = None


def judge(case: Case, rules: Rules, now: float) -> Judged:
    """What becomes of it."""
    claim, recipient, said = case.claim, case.recipient, case.attempt.said
    decided = verdict.decide(said.stage, said.reply, said.detail, case.ruling)
    if decided.outcome is Outcome.DELIVERED:
        result = RecipientResult(recipient.number, State.DONE, case.words)
        # RFC 3461 §5.2.1: a host with DSN tells what becomes of it from here on.
        asked = claim.options.notify and not case.attempt.reports
        news = telling.news(claim, recipient, case.attempt, dsn.Action.RELAYED) if asked else None
        return Judged(case, decided, result, (Line(Kind.DELIVERED, recipient, case.attempt),), news)
    if decided.outcome is Outcome.FAILED:
        return _failed(case, decided, Kind.FAILED)
    expires_at = _end_of(claim, rules)
    in_doubt = decided.outcome is Outcome.IN_DOUBT
    if schedule.expired(now, expires_at) and not in_doubt:
        return _failed(case, decided, Kind.EXPIRED, late=is_late(claim, now))
    if decided.held and recipient.fault_since and now - recipient.fault_since >= rules.retry.hold:
        return _failed(case, decided, Kind.FAILED, held=now - recipient.fault_since)
    decided = _unless_again(case, decided, rules)
    due = now + ALL_KNOW if _leaves_from_elsewhere(case) else _due(case, decided, rules, now)
    due = schedule.in_time(due, now, expires_at, rules.random)
    if in_doubt:
        return _doubted(case, decided, due)
    since = _fault_since(case, decided, now)
    result = RecipientResult(recipient.number, State.DEFERRED, case.words, due, decided.counted, fault_since=since)
    news = telling.news(claim, recipient, case.attempt, dsn.Action.DELAYED)
    line = Line(Kind.DEFERRED, recipient, case.noting(_by(case)), due, case.ruling)
    return Judged(case, decided, result, (line,), news)


def _end_of(claim: Claim, rules: Rules) -> float:
    """When it is given up. What was held past its expiry and released is older than our own rule allows."""
    own = math.inf if claim.extended else claim.accepted_at + rules.retry.expire
    return min(claim.expires_at, own, claim.options.deadline or math.inf)


def is_late(claim: Claim, now: float) -> bool:
    """Whether the deadline that the message came with is over, so that it must not be sent any more."""
    return 0 < claim.options.deadline <= now


def _due(case: Case, decided: Verdict, rules: Rules, now: float) -> float:
    tries = case.recipient.tries + (1 if decided.counted else 0)
    since = case.recipient.fault_since or now
    if decided.at_once:
        return now
    if decided.wait:
        due = schedule.after_wait(decided.wait, tries, now, rules.retry, rules.random)
        return min(due, max(since + rules.retry.hold, now)) if decided.held else due
    if decided.held:
        return schedule.while_held(since, now, rules.retry, rules.random)
    return schedule.next_due(tries, now, rules.retry, rules.random)


def _unless_again(case: Case, decided: Verdict, rules: Rules) -> Verdict:
    """Where what shall go at once was answered in the same way last time, it isn't about that connection: then it goes
    by the schedule, or a host that always says so would be asked without end."""
    last = reply_of(case.recipient.last_reply) if decided.at_once and case.recipient.last_reply else None
    if last is None:
        return decided
    before = rules.ruling(replace(case.attempt, said=Said(case.attempt.said.stage, last)), case.claim.destination)
    again = before.decision is case.ruling.decision  # by whatever rule: two that take turns are a circle as well
    return replace(decided, at_once=False, counted=True) if again else decided


def _leaves_from_elsewhere(case: Case) -> bool:
    """Whether the receiver wants nothing from the address of ours that it left from, and there is another one. The
    address rests there from now on, so that no letter goes round in circles."""
    if not case.attempt.elsewhere or case.ruling.scope is not About.ADDRESS or case.ruling.hearsay:
        return False
    word = verdict.site_word(case.attempt.said.reply, case.ruling)
    return word is not None and word.wait > 0


def _fault_since(case: Case, decided: Verdict, now: float) -> float:
    """Since when a fault of ours keeps the recipient. What says nothing of message and recipient does not end that."""
    since = case.recipient.fault_since
    if decided.held:
        return since or now
    nothing_said = decided.scope is not verdict.Scope.RECIPIENT and case.attempt.said.reply is None
    return since if nothing_said or decided.scope is verdict.Scope.SESSION else 0.0


def _by(case: Case) -> str:
    """By what was decided, for the history: the rule, and the page where the receiver explains itself, unless the reply
    has it."""
    reply, ruling = case.attempt.said.reply, case.ruling
    if reply is None or case.attempt.said.stage in (Stage.LOCAL, Stage.DNS):
        return ""
    if not ruling.rule:
        return "by its code"
    page = f", see {ruling.help}" if ruling.help and ruling.help != page_named(reply.text) else ""
    return f"by rule {ruling.rule} ({ruling.meaning}{page})"


def _failed(case: Case, decided: Verdict, kind: Kind, *, late: bool = False, held: float = 0.0) -> Judged:
    claim, recipient = case.claim, case.recipient
    news = telling.news(claim, recipient, case.attempt, dsn.Action.FAILED)
    news = news.given_up(late) if kind is Kind.EXPIRED else news.held() if held else news
    notes = ["its deadline is over"] if late else []
    notes += [f"this has kept it for {_hours(held)}"] if held else []
    notes += ["no report: NOTIFY=" + ",".join(claim.options.of(recipient.address).when)] if not news.wanted else []
    line = Line(kind, recipient, case.noting(_by(case), *notes), ruling=case.ruling)
    return Judged(case, decided, RecipientResult(recipient.number, State.DONE, case.words), (line,), news)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds >= 5400 else f"{seconds / 60:.0f} min"


def _doubted(case: Case, decided: Verdict, due: float) -> Judged:
    """The whole message was sent and no answer came (I5): its client's policy says what is done."""
    claim, recipient, attempt = case.claim, case.recipient, case.attempt
    words = f"in doubt: {attempt.said.detail}"
    held = verdict.held_in_doubt(claim.options.on_doubt, recipient.doubts)
    if not held:
        result = RecipientResult(recipient.number, State.DEFERRED, words, due, in_doubt=True)
        news = telling.news(claim, recipient, attempt, dsn.Action.DELAYED)
        return Judged(case, decided, result, (Line(Kind.IN_DOUBT, recipient, attempt, due),), news)
    result = RecipientResult(recipient.number, State.HELD, words, in_doubt=True)
    reason = replace(attempt, said=Said(Stage.DOT, None, held))
    lines = (Line(Kind.IN_DOUBT, recipient, attempt), Line(Kind.HELD, recipient, reason))
    return Judged(case, decided, result, lines)
