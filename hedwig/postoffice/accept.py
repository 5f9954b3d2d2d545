"""Acceptance: submissions become messages in the spool, and only then is the answer given (I1).

The order of effects: sign (DKIM), register (a whole batch in one call; the spool's writer commits all that waits with
one fsync), wait for the commit, tell the feeder, write the journal, answer. Nothing is answered before the fsync; a
crash between commit and answer is healed by the client's repeat under the same queue ID (I3).

How it fails: a spool in trouble gives 451 4.3.1 for every message of the call, and nothing of it is kept (I8). When
the spool keeps many requests waiting for long, further ones are refused at once (Gate), so that threads are left for
who is to be told 401, 400 or how postoffice is.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass

from hedwig import log
from hedwig.dkim.sign import Signer
from hedwig.options import submitter_of
from hedwig.postoffice.clocks import Clocks
from hedwig.postoffice.refusal import Refusal
from hedwig.postoffice.registration import Time, new_message
from hedwig.postoffice.signing import signed
from hedwig.postoffice.submission import Submission
from hedwig.reply import Reply
from hedwig.settings import Client, Postoffice
from hedwig.spool import Intake, NewMessage, Outcome, Registered, SpoolTrouble, Superseded, Waiting
from hedwig.spool.trouble import matter_of

COMMIT_WITHIN = 30.0  # seconds, and one more for each 1 MiB
SLOW = 2.0  # seconds after which a waiting request is a sign that the spool is stuck
SAY_AGAIN = 60.0  # seconds between lines about a spool whose trouble stays the same
_NAMED = 5

Notice = Callable[[Sequence[Waiting]], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one submission. `conflict`: its queue ID belongs to another message of this client (I3)."""

    queue_id: str
    reply: Reply
    conflict: bool = False


class Gate:
    """Counts who waits for the spool. When `places` do, the first of them for over SLOW seconds, nobody else may."""

    def __init__(self, places: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[object, float] = {}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Be one of them, or Refusal (503)."""
        me = object()
        now = self._clock()
        with self._lock:
            first = next(iter(self._since.values()), now)
            if len(self._since) >= self._places and now - first > SLOW:
                raise Refusal(503, "4.3.1", "the spool is slow just now: try again later", retry_after=10)
            self._since[me] = now
        try:
            yield
        finally:
            with self._lock:
                del self._since[me]


class Acceptance:
    """For many threads. `settings` gives the ones that are valid now; `clock` is Unix time."""

    def __init__(
        self,
        intake: Intake,
        notice: Notice,
        settings: Callable[[], Postoffice],
        gate: Gate,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.accepted = 0  # messages, since the start
        self._counting = threading.Lock()
        self._trouble = ("", 0.0)  # what the spool said last, and when; "" after a success
        self._said_at = 0.0
        self._clocks = Clocks()
        self._intake = intake
        self._notice = notice
        self._settings = settings
        self._gate = gate
        self._clock = clock

    def register(self, client: Client, submissions: Sequence[Submission]) -> list[Verdict]:
        """Make `submissions` of `client` durable; a verdict each, in order."""
        if not submissions:
            return []
        now = self._clock()
        time_of = Time(now, self._clocks.behind(client.fqdn, submissions[0], now), self._settings().expire)
        signer = Signer(self._settings().dkim, self._clock)
        messages = [new_message(client, signed(submission, signer), time_of) for submission in submissions]
        patience = COMMIT_WITHIN + sum(message.body.size for message in messages) / (1 << 20)
        with self._gate.waiting():
            try:
                answers = self._intake.register(messages).result(patience)
            except (SpoolTrouble, FutureTimeout) as error:
                trouble = str(error) or "no commit in time"
                self._troubled(error, trouble, f"{len(messages)} from {client.fqdn} not accepted")
                reply = Reply(451, "4.3.1", f"the postoffice's spool can't take it now: {trouble}")
                return [Verdict(message.queue_id, reply) for message in messages]
        self._recovered()
        waiting = [delivery for answer in answers for delivery in answer.deliveries]
        if waiting:
            self._notice(waiting)
        with self._counting:
            self.accepted += sum(answer.outcome is Outcome.ACCEPTED for answer in answers)
        for submission, message, answer in zip(submissions, messages, answers, strict=True):
            if submission.options.priority != message.options.priority and answer.outcome is Outcome.ACCEPTED:
                _journal_lowered(submission, message)
        return [self._verdict(message, answer) for message, answer in zip(messages, answers, strict=True)]

    def _troubled(self, error: Exception, trouble: str, what: str) -> None:
        """Said when it begins, when it becomes another, and then once a minute: clients try again and again."""
        now = self._clock()
        if trouble != self._trouble[0] or now - self._said_at >= SAY_AGAIN:
            self._said_at = now
            matter = matter_of(error) if isinstance(error, SpoolTrouble) else log.Matter.SPOOL_TROUBLE
            log.event(matter, f"{what}: {trouble}", log.Level.ERROR, reason=trouble)
        self._trouble = (trouble, now)

    def _recovered(self) -> None:
        if self._trouble[0]:
            self._trouble = ("", 0.0)
            log.event(log.Matter.SPOOL_BACK, "the spool takes messages again", log.Level.NOTICE)

    def trouble(self) -> str:
        """What the spool said when it last failed, if that was within a minute and nothing has worked since."""
        text, when = self._trouble
        return text if 0 <= self._clock() - when < 60 else ""

    def _verdict(self, message: NewMessage, answer: Registered) -> Verdict:
        queue_id = message.queue_id
        if answer.outcome is Outcome.CONFLICT:
            return Verdict(queue_id, Reply(450, "4.5.1", f"{queue_id} is already another message's ID"), conflict=True)
        if answer.outcome is Outcome.ACCEPTED:
            _journal(message)
            _journal_superseded(message.client, answer.superseded)
        return Verdict(queue_id, Reply(250, "2.0.0", f"queued as {queue_id}"))


def _journal_superseded(client: str, gone: Sequence[Superseded]) -> None:
    """What was not sent yet and won't be: each recipient under the ID of the message that it was of."""
    for each in gone:
        log.event(
            "superseded",
            f"superseded: to=<{each.rcptto}> by={each.by}",
            queue_id=each.queue_id,
            client=client,
            rcpt=each.rcptto,
            successor=each.by,
        )


def _journal_lowered(submission: Submission, message: NewMessage) -> None:
    """It asked for more than its client's most_priority."""
    asked, given = submission.options.priority, message.options.priority
    if asked is not None and given is not None:
        told = f"{given.name.lower()} at the most, not {asked.name.lower()}"
        log.event(
            "lowered",
            f"priority lowered: {message.client} may ask for {told}",
            queue_id=message.queue_id,
            client=message.client,
            priority=given.name.lower(),
        )


def _journal(message: NewMessage) -> None:
    rcpttos = message.envelope.rcpttos
    more = f" and {len(rcpttos) - _NAMED} more" if len(rcpttos) > _NAMED else ""
    whom = ", ".join(rcpttos[:_NAMED]) + more
    submitter = submitter_of(message.submitter)
    told = (f"{message.body.size} octets", f"by {submitter}" if message.submitter else "", str(message.options))
    log.event(
        "accepted",
        f"accepted from {message.client}: <{message.envelope.mailfrom}> to {whom}, {', '.join(filter(None, told))}",
        queue_id=message.queue_id,
        client=message.client,
        sender=message.envelope.mailfrom,
        rcpt=rcpttos,
        size=message.body.size,
        **submitter.fields(),
        **message.options.fields(),
    )
