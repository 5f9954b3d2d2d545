"""Acceptance: submissions become messages in the spool, and only then is the answer given (I1).

The order of effects: finish (policy, From, signature: finish.py), register (a whole batch in one call; the spool's
writer commits all that waits with one fsync), wait for the commit, answer, tell the feeder, write the journal. Nothing
is answered before the fsync; a crash between commit and answer is healed by the client's repeat under the same queue ID
(I3), and one between answer and feeder by the feeder's look at all that is due when it starts (I2).

How it fails: a spool in trouble gives 451 4.3.1 for every message of the call, and nothing of it is kept (I8). When
the spool keeps many requests waiting for long, further ones are refused at once (Gate), so that threads are left for
who is to be told 401, 400 or how postoffice is.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass

from hedwig import log
from hedwig.dkim.sign import Signer
from hedwig.policy import Refused
from hedwig.postoffice.afterwards import Later, at_once
from hedwig.postoffice.clocks import Clocks
from hedwig.postoffice.finish import Finished, Finishing
from hedwig.postoffice.journal import Refusals, journal_accepted, journal_aligned, journal_lowered, journal_superseded
from hedwig.postoffice.quotas import Quotas
from hedwig.postoffice.refusal import Refusal
from hedwig.postoffice.registration import Time, new_message
from hedwig.postoffice.signing import signed
from hedwig.postoffice.submission import Submission
from hedwig.reply import Reply
from hedwig.settings import Client, Postoffice
from hedwig.spool import Intake, NewMessage, Outcome, Registered, SpoolTrouble, Waiting
from hedwig.spool.trouble import matter_of

COMMIT_WITHIN = 30.0  # seconds, and one more for each 1 MiB
SLOW = 2.0  # seconds after which a waiting request is a sign that the spool is stuck
SAY_AGAIN = 60.0  # seconds between lines about a spool whose trouble stays the same

Notice = Callable[[Sequence[Waiting]], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one submission. `conflict`: its queue ID belongs to another message of this client (I3);
    `retry_after`: seconds until its client's quota has room."""

    queue_id: str
    reply: Reply
    conflict: bool = False
    retry_after: int = 0


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
        self._quotas = Quotas(intake.sent)
        self.finishing = Finishing(self._quotas, self._signed)
        self._refusals = Refusals()
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

    def register(self, client: Client, submissions: Sequence[Submission], later: Later = at_once) -> list[Verdict]:
        """Make `submissions` of `client` durable; a verdict each, in order. `later` is given what need not be done
        before the client hears of it."""
        if not submissions:
            return []
        now = self._clock()
        try:
            taken = self._taken(client, submissions)
        except SpoolTrouble as error:
            return [self._not_now(submission, str(error)) for submission in submissions]
        finished: list[Finished] = []
        verdicts: dict[int, Verdict] = {}
        ids: set[str] = set()
        for place, submission in enumerate(submissions):
            if submission.queue_id in taken:
                verdicts[place] = _of_taken(submission, taken[submission.queue_id])
                continue
            try:
                found = self.finishing.finish(client, submission, now, again=submission.queue_id in ids)
                if isinstance(found, Finished):
                    finished.append(found)
                    ids.add(submission.queue_id)
                else:
                    verdicts[place] = self._refused(client, submission, found, now)
            except (SpoolTrouble, OSError) as error:
                verdicts[place] = self._not_now(submission, str(error))
        registered = iter(self._register(client, submissions[0], finished, now, later))
        return [verdicts.get(place) or next(registered) for place in range(len(submissions))]

    def _taken(self, client: Client, submissions: Sequence[Submission]) -> Mapping[str, bytes]:
        """The IDs among these that messages of a client with quotas have already, and their digests: one look for all
        of a request. A repeat is charged nothing, not even until the spool knows it again: others of the request, or
        of one beside it, have its place."""
        if not client.quota and not client.container_quota:
            return {}
        return self._intake.seen(client.fqdn, [submission.queue_id for submission in submissions])

    def _signed(self, submission: Submission) -> Submission:
        return signed(submission, Signer(self._settings().dkim, self._clock))

    def _refused(self, client: Client, submission: Submission, refused: Refused, now: float) -> Verdict:
        """The client's policy is against it; but what was accepted once stays so, whatever the rules are now (I3)."""
        queue_id = submission.queue_id
        if self._intake.seen(client.fqdn, [queue_id]).get(queue_id) == submission.digest:
            return _queued(queue_id)
        self._refusals.tell(client, submission, refused, now)
        return Verdict(queue_id, refused.reply, retry_after=refused.retry_after)

    def _register(
        self, client: Client, first: Submission, finished: Sequence[Finished], now: float, later: Later
    ) -> list[Verdict]:
        if not finished:
            return []
        time_of = Time(now, self._clocks.behind(client.fqdn, first, now), self._settings().expire)
        messages = [new_message(client, each.submission, time_of, each.charges) for each in finished]
        answers = self._commit(client, messages, now)
        if answers is None:
            return [self._not_now(each.submission, self._trouble[0]) for each in finished]
        self._recovered()
        with self._counting:
            self.accepted += sum(answer.outcome is Outcome.ACCEPTED for answer in answers)
        for each, message, answer in zip(finished, messages, answers, strict=True):
            if answer.outcome is not Outcome.ACCEPTED and each.charges:
                self._give_back([message], now)
        later(lambda: self._tell(finished, messages, answers))
        return [_verdict(message, answer) for message, answer in zip(messages, answers, strict=True)]

    def _tell(
        self, finished: Sequence[Finished], messages: Sequence[NewMessage], answers: Sequence[Registered]
    ) -> None:
        """The feeder and the journal hear of what is durable."""
        if waiting := [delivery for answer in answers for delivery in answer.deliveries]:
            self._notice(waiting)
        for each, message, answer in zip(finished, messages, answers, strict=True):
            if answer.outcome is Outcome.ACCEPTED:
                if each.submission.options.priority != message.options.priority:
                    journal_lowered(each.submission, message)
                if each.changes:
                    journal_aligned(message, each.changes)
                journal_accepted(message)
                journal_superseded(message.client, answer.superseded)

    def _commit(self, client: Client, messages: Sequence[NewMessage], now: float) -> Sequence[Registered] | None:
        """The spool's answers once all is on disk; None where it is in trouble, and nothing was kept."""
        patience = COMMIT_WITHIN + sum(message.body.size for message in messages) / (1 << 20)
        try:
            with self._gate.waiting():
                return self._intake.register(messages, here=True).result(patience)
        except SpoolTrouble as error:
            self._give_back(messages, now)
            self._troubled(error, str(error), f"{len(messages)} from {client.fqdn} not accepted")
        except FutureTimeout as error:  # it may be committed yet, and then it counts
            self._troubled(error, "no commit in time", f"{len(messages)} from {client.fqdn} not accepted")
        except BaseException:  # Refusal, or a fault of ours
            self._give_back(messages, now)
            raise
        return None

    def _give_back(self, messages: Sequence[NewMessage], now: float) -> None:
        for message in messages:
            self._quotas.give_back(message.client, message.charges, len(message.envelope.rcpttos), now)

    def _not_now(self, submission: Submission, trouble: str) -> Verdict:
        reply = Reply(451, "4.3.1", f"the postoffice's spool can't take it now: {trouble}")
        return Verdict(submission.queue_id, reply)

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


def _verdict(message: NewMessage, answer: Registered) -> Verdict:
    return (_conflict if answer.outcome is Outcome.CONFLICT else _queued)(message.queue_id)


def _of_taken(submission: Submission, digest: bytes) -> Verdict:
    """What is said of an ID that is taken by a message of this digest (I3)."""
    return _queued(submission.queue_id) if digest == submission.digest else _conflict(submission.queue_id)


def _queued(queue_id: str) -> Verdict:
    return Verdict(queue_id, Reply(250, "2.0.0", f"queued as {queue_id}"))


def _conflict(queue_id: str) -> Verdict:
    return Verdict(queue_id, Reply(450, "4.5.1", f"{queue_id} is already another message's ID"), conflict=True)
