"""The forwarder: from a submission to a verdict (step 3 of the journey).

Two lanes (lane.py) lead to the postoffice: messages over 1 MiB go alone on a connection of their own (I9). What the
postoffice says of a message is what the container hears. Where it says nothing (unreachable, 401, 5xx, a fault of its
own, or 10 s without a verdict) the message goes to mailman's own spool under the same ID, and the container hears 250
(I1): the backlog (backlog.py) sends it on.

While the postoffice is down new messages go straight to the spool: the backlog alone probes.
"""

import asyncio
import time
from dataclasses import dataclass, replace

from hedwig import log, queueid
from hedwig.envelope import digest
from hedwig.mailman import Submission, journal
from hedwig.mailman.client import NoVerdict, Parcel, PostofficeClient, Verdict, is_large
from hedwig.mailman.lane import Lane
from hedwig.mailman.link import Link
from hedwig.mailman.room import Room
from hedwig.pulse import Pulse
from hedwig.reply import Reply
from hedwig.settings import Mailman
from hedwig.spool import NORMAL, POSTOFFICE, Bytes, Intake, NewMessage, SpoolFull, SpoolTrouble

VERDICT_TIME = 10.0  # seconds that a container waits before its message is spooled
RECENT = 60.0  # seconds for which the status tells of a message that could not be kept


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of offering a message before it went to mailman's own spool: `why` there is no verdict, or the one that
    was of no use; `in_doubt`: the postoffice may have it all the same."""

    why: str = ""
    in_doubt: bool = False


UNTRIED = Tried()


class _Late:
    """No answer came in time."""


_LATE = _Late()


def _in_loop(
    loop: asyncio.AbstractEventLoop, waiting: "asyncio.Future[Verdict | _Late | None]", verdict: Verdict | None
) -> None:
    loop.call_soon_threadsafe(_answer, waiting, verdict)


def _answer(waiting: "asyncio.Future[Verdict | _Late | None]", what: Verdict | _Late | None) -> None:
    if not waiting.done():
        waiting.set_result(what)


class Forwarder:
    """Gives each submission the reply that its container hears."""

    def __init__(self, settings: Mailman, spool: Intake, link: Link) -> None:
        self.settings = settings
        self._spool = spool
        self._link = link
        self._room = Room(spool)
        self._small = Lane("small", self._new_client, link)
        self._large = Lane("large", self._new_client, link)
        self.forwarded = 0
        self.spooled = 0
        self.refused = 0
        self._unkept = ("", 0.0)  # why a message could not be kept here, and when; "" once one was

    @property
    def pulses(self) -> list[Pulse]:
        """Of its threads."""
        return [self._small.pulse, self._large.pulse]

    @property
    def trouble(self) -> str:
        """Why a message could not be kept here within the last minute, if none has been since; or ""."""
        why, when = self._unkept
        return why if time.monotonic() - when < RECENT else ""

    def _new_client(self) -> PostofficeClient:
        return PostofficeClient(self.settings)

    async def submit(self, submission: Submission) -> Reply:
        """The verdict of the postoffice, or 250 once the message is in mailman's own spool; 452 where that is full."""
        parcel = _parcel(submission)
        tried = Tried(self._link.why)
        verdict, tried = await self._ask(parcel) if self._link.is_up else (None, tried)
        if verdict is not None and verdict.conflict:
            parcel = renamed(parcel)
            verdict, tried = await self._ask(parcel)
        if verdict is None or verdict.conflict or is_postoffices_fault(verdict.reply):
            return await self._keep(submission, parcel, tried)
        if verdict.reply.code // 100 == 2:
            self.forwarded += 1
            # In the loop's next turn, for in this one the client gets its reply.
            asyncio.get_running_loop().call_soon(journal.tell, "forwarded", submission, parcel, verdict.reply)
            return Reply(250, "2.0.0", f"queued as {parcel.queue_id}")
        self.refused += 1
        journal.tell("refused", submission, parcel, verdict.reply, log.Level.NOTICE)
        return verdict.reply

    async def _ask(self, parcel: Parcel) -> tuple[Verdict | None, Tried]:
        """The verdict, or None; and what to say of the parcel where it is not a clear one."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Verdict | _Late | None] = loop.create_future()
        lane = self._large if is_large(parcel) else self._small
        ride = lane.add(parcel, lambda verdict: _in_loop(loop, answer, verdict))
        # A timer, for wait_for takes 20 us.
        timer = loop.call_later(VERDICT_TIME, _answer, answer, _LATE)
        try:
            verdict = await answer
        finally:
            timer.cancel()
        if isinstance(verdict, _Late):
            # It may still be accepted over there: the same ID makes that harmless (I3).
            why = f"the postoffice gave no answer within {VERDICT_TIME:.0f} s"
            if lane.give_up(ride) and lane is self._small:  # where it is large the way may only be slow
                self._link.no_verdict(NoVerdict(why))
            return None, Tried(why, ride.left)
        # A fault over there may be that nobody waited for a commit any more: it may come yet.
        words = str(verdict.reply) if verdict is not None else ride.why or self._link.why
        return verdict, Tried(words, ride.left and not (verdict is not None and verdict.conflict))

    async def _keep(self, submission: Submission, parcel: Parcel, tried: Tried) -> Reply:
        try:
            if not await self._room.take(len(parcel.body), self.settings.spool_limit):
                journal.tell("refused", submission, parcel, "the spool of this host is full", log.Level.WARNING)
                self.refused += 1
                self._unkept = ("mail can't be kept here: the spool has reached spool_limit", time.monotonic())
                return Reply(452, "4.3.1", "this host's mail spool is full (spool_limit): try again later")
            message = as_message(parcel, self.settings, tried)
            await asyncio.wrap_future(self._spool.register([message]))
        except SpoolTrouble as trouble:
            journal.tell("refused", submission, parcel, f"the spool can't take it: {trouble}", log.Level.ERROR)
            self.refused += 1
            self._unkept = (f"mail can't be kept here: {trouble}", time.monotonic())
            if isinstance(trouble, SpoolFull):
                return Reply(452, "4.3.1", "this host's disk is full: try again later")
            return Reply(451, "4.3.0", "this host can't store mail now: try again later")
        self.spooled += 1
        self._unkept = ("", 0.0)
        journal.tell("spooled", submission, parcel, tried.why or "no verdict yet")
        return Reply(250, "2.0.0", f"queued as {parcel.queue_id}")

    def stop(self) -> None:
        """End both lanes, with their requests in flight; what has no verdict yet is spooled by the submissions that
        still wait."""
        self._small.stop()
        self._large.stop()


def is_postoffices_fault(reply: Reply) -> bool:
    """A 4yz that is about the postoffice's own state (RFC 3463 x.3.z) is for mailman to bridge; a quota is not."""
    return reply.code // 100 == 4 and reply.enhanced.startswith("4.3.")


def renamed(parcel: Parcel) -> Parcel:
    """The same message under a new queue ID: its old one is taken over there by another message (I3).

    The ID stands in the first header field, our Received; it is replaced there, so that the trace stays whole.
    """
    fresh = queueid.new(parcel.accepted_at)
    body = parcel.body.replace(parcel.queue_id.encode(), fresh.encode(), 1)
    return replace(parcel, queue_id=fresh, body=body)


def _parcel(submission: Submission) -> Parcel:
    return Parcel(
        submission.queue_id,
        submission.envelope,
        submission.body,
        submission.accepted_at,
        submission.smtputf8,
        submission.options,
        submission.message_id,
        submission.submitter.packed(),
    )


def as_message(parcel: Parcel, settings: Mailman, tried: Tried = UNTRIED) -> NewMessage:
    """What mailman's own spool keeps: the whole message as one delivery to the postoffice.

    It expires by its own deadline. Where it is in doubt, that ends nothing here: the postoffice is asked
    (outcome.is_stale).
    """
    expires_at, deadline = parcel.accepted_at + settings.expire, parcel.options.deadline
    if deadline:
        expires_at = max(expires_at, deadline + 1) if tried.in_doubt else min(expires_at, deadline)
    return NewMessage(
        queue_id=parcel.queue_id,
        client=settings.fqdn,
        envelope=parcel.envelope,
        body=Bytes(parcel.body),
        digest=digest(parcel.envelope, [parcel.body]),
        accepted_at=parcel.accepted_at,
        expires_at=expires_at,
        parts={POSTOFFICE: parcel.envelope.rcpttos},
        priority=NORMAL if parcel.options.priority is None else int(parcel.options.priority),
        smtputf8=parcel.smtputf8,
        options=parcel.options,
        message_id=parcel.message_id,
        submitter=parcel.submitter,
        tried=tried.why,
        in_doubt=tried.in_doubt,
    )
