"""A courier: one connection to a site, and the messages it carries, one after the other (steps 6 and 7).

It takes claims from its site's part of the bag while there are any, up to 100 a connection, waits two seconds for
more, and says QUIT. What was said becomes a conclusion for the settler; the next message does not wait for that commit.

Before each final dot it writes a dot mark (I5). Where the client's policy is not to repeat what is in doubt, the mark
is on disk before the dot goes out, with the conversation so far. What is wanted no more is not sent (last_look.py); nor
is what was not begun when the operator paused its site.

When no host gives a session, the site cools: the message at hand is deferred with what was said, and the others go back
to the spool untouched, untried and uncounted (I9).
"""

import asyncio
import time
from collections.abc import Callable, Container, Iterable

from hedwig import log, verdict
from hedwig.options import OnDoubt
from hedwig.reply import Stage
from hedwig.smtp import Brink, Report, Said, Transaction
from hedwig.smtp.connection import Connection
from hedwig.spool import Claim, Doubt, SpoolTrouble
from hedwig.verdict import Outcome, Scope
from hedwig.worker import last_look
from hedwig.worker.attempt import Attempt
from hedwig.worker.bag import SiteState
from hedwig.worker.delivery import conclude, given_up, is_late, turned_away
from hedwig.worker.route import Route
from hedwig.worker.sessions import NoHost, Sessions
from hedwig.worker.settle import Ending, handed_back
from hedwig.worker.talks import fitting
from hedwig.worker.tools import Tools

MESSAGES_PER_CONNECTION = 100
IDLE = 2.0  # seconds that an open connection waits for another message
MOST_RCPTTOS = 50  # of one transaction; the rest of a delivery goes in the next


class Courier:
    """Run `run` as a task. Cancelling it is safe at any moment: before the dot the claim is handed back, after it the
    claim is in doubt (I5, I10)."""

    def __init__(self, tools: Tools, state: SiteState, route: Route) -> None:
        self._tools = tools
        self._state = state
        self._route = route
        self._connection: Connection | None = None
        self._claim: Claim | None = None
        self._slot: int | None = None  # of its dot mark, from just before the dot on
        self._called_back: Claim | None = None  # its site was paused before it was begun
        self._doubt: Doubt | None = None  # what is on disk with the mark, where its client wants that
        self._sessions = Sessions(tools, state, route, lambda: self._claim.queue_id if self._claim else "-")
        self._more = asyncio.Event()
        self._last = False
        self._worn = False  # what was said last ends the connection
        self._stopping = False
        self.idle = False

    @property
    def awaits_reply(self) -> bool:
        """Whether the final dot of a message is out, or about to go, and its reply has not come."""
        return self._slot is not None

    def wake(self) -> None:
        """There is something for this site."""
        self._more.set()

    def call_back(self, stopped: Container[str]) -> None:
        """These sites are paused: what is at hand is not begun any more."""
        if self._claim is not None and self._claim.destination in stopped:
            self._called_back = self._claim

    def last(self) -> None:
        """Take no other message after the one at hand."""
        self._last = True

    async def run(self) -> None:
        """Carry messages until there are none."""
        try:
            while not self._last and (claim := await self._next()) is not None:
                self._claim, started = claim, time.monotonic()
                await self._carry(claim)
                self._claim = None
                self._state.finished(time.monotonic() - started)
                worn, self._worn = self._worn, False
                if self._connection is not None and (worn or self._connection.sent >= MESSAGES_PER_CONNECTION):
                    await self._hang_up()
        except asyncio.CancelledError:
            self._stopping = True
            self._interrupted("the worker was stopped before the reply came")
            raise
        except Exception as error:  # noqa: BLE001  whatever broke here, the claim must not stay in our hands
            text = f"{self._state.site.key}: a delivery broke off: {error!r}"
            log.event(log.Matter.FAULT, text, log.Level.ERROR, reason=repr(error))
            self._interrupted(f"the delivery broke off: {error!r}")
        finally:
            self._drop()

    async def _next(self) -> Claim | None:
        if self._state.waiting:
            return self._state.waiting.popleft()
        if self._connection is None:
            return None
        self.idle = True
        self._state.idle += 1
        try:
            self._more.clear()
            async with asyncio.timeout(IDLE):  # wait_for loses a cancellation that comes with the wake-up
                await self._more.wait()
        except TimeoutError:
            await self._hang_up()
        finally:
            self.idle = False
            self._state.idle -= 1
        return self._state.waiting.popleft() if self._state.waiting else None

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        self._sessions.left()

    async def _hang_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                await connection.quit()
            finally:
                self._sessions.left()

    async def _carry(self, claim: Claim) -> None:
        if turned := turned_away(claim):
            self._end(claim, turned)  # the others come back at once
            return
        reused = self._connection is not None
        report = await self._send(claim)
        if reused and report is not None and self._slot is None and _is_stale(report):
            self._drop()  # a kept connection had ended: that says nothing about the message
            report = await self._send(claim)
        if report is None:
            return
        claim = self._claim or claim  # without those that were superseded
        attempts = {
            recipient.number: self._attempt(said)
            for recipient, said in zip(claim.recipients[:MOST_RCPTTOS], report.said, strict=True)
        }
        if not report.reusable:
            self._drop()
        self._end(claim, attempts)

    def _attempt(self, said: Said) -> Attempt:
        """How it went on the connection at hand."""
        connection = self._connection
        if connection is None:
            return Attempt(said)
        target, talk = connection.target, self._doubt.talk if self._doubt else ""
        reports = "DSN" in connection.extensions
        return Attempt(said, f"{target.host}[{target.address}]", connection.tls, reports, talk)

    async def _send(self, claim: Claim) -> Report | None:
        """One transaction, on a new connection where none is open. None: the claim has been dealt with."""
        if self._connection is None and not await self._open(claim):
            return None
        assert self._connection is not None  # noqa: S101
        spool = self._tools.spool

        def before_dot() -> None:
            last_look.check_time(claim)
            self._slot = self._tools.dots.mark(claim.delivery, claim.token)

        async def at_brink(brink: Brink) -> None:
            await last_look.check(spool, claim)
            if not careful:
                before_dot()
                return
            numbers = tuple(claim.recipients[place].number for place in brink.places)
            doubt = Doubt(numbers, fitting(brink.talk))
            self._slot = await self._tools.dots.mark_durably(claim.delivery, claim.token, doubt)
            self._doubt = doubt

        careful = claim.options.on_doubt is not OnDoubt.RETRY
        waits = careful or bool(claim.options.supersede)
        try:
            self._claim = claim = await self._wanted(claim)
            return await self._connection.send(self._transaction(claim), before_dot, at_brink if waits else None)
        except last_look.Withdrawn:
            self._withdraw(claim)
        except SpoolTrouble as trouble:  # body or mark could not be read: our fault, no word about the message (I8)
            self._ours(claim, str(trouble))
        except OSError as error:  # what the network does becomes a Report; this is the disk under the dot marks
            self._ours(claim, f"the dot mark could not be written: {error.strerror or error}")
        return None

    async def _wanted(self, claim: Claim) -> Claim:
        """What of it is to be sent, or Withdrawn. SpoolTrouble."""
        left = await last_look.wanted(self._tools.spool, claim)
        if self._called_back is claim or not left.recipients:
            raise last_look.Withdrawn
        last_look.check_time(claim)
        return left

    def _withdraw(self, claim: Claim) -> None:
        """No dot has gone out. What was superseded ends as the claim does; others go on."""
        if self._connection is not None and not self._connection.alive:
            self._drop()
        if is_late(claim, time.time()):
            conclusion = given_up(claim, self._tools.rules, time.time(), self._tools.original(claim))
            self._tools.settler.add(Ending(claim, conclusion, self._tools.bag.settled))
        else:
            self._tools.settler.add(handed_back(claim, self._tools.bag.settled))

    def _ours(self, claim: Claim, why: str) -> None:
        """A fault of ours: its recipients are tried again later, and it is not charged to them (I8)."""
        self._drop()
        said = Said(Stage.LOCAL, None, why)
        self._end(claim, {recipient.number: Attempt(said) for recipient in claim.recipients})

    def _transaction(self, claim: Claim) -> Transaction:
        content = claim.content
        body: Callable[[], Iterable[bytes]] = (
            (lambda: (content,)) if content is not None else (lambda: self._tools.spool.body(claim.message))
        )
        rcpttos = tuple(recipient.address for recipient in claim.recipients[:MOST_RCPTTOS])
        return Transaction(claim.mailfrom, rcpttos, body, claim.size, claim.smtputf8, claim.options)

    async def _open(self, claim: Claim) -> bool:
        """Get a session with one of the site's hosts. False: there is none, and the claim has been dealt with."""
        found = await self._sessions.open()
        if not isinstance(found, NoHost):
            self._connection = found
        elif found.ours:
            self._step_back(claim, found.ours)
        else:
            self._no_host(claim, found.attempt)
        return self._connection is not None

    def _step_back(self, claim: Claim, why: str) -> None:
        """No connection for a reason of ours, which says nothing about host or message (I8): all go back."""
        if not self._state.reason:
            log.say(log.Level.NOTICE, f"{self._state.site.key}: its mail waits a moment: {why}")
        self._state.step_back(time.monotonic(), why)
        self._state.waiting.appendleft(claim)
        self._hand_back_waiting()

    def _hand_back_waiting(self) -> None:
        while self._state.waiting:
            self._tools.settler.add(handed_back(self._state.waiting.popleft(), self._tools.bag.settled))

    def _no_host(self, claim: Claim, attempt: Attempt) -> None:
        decided = verdict.decide(attempt.said.stage, attempt.said.reply, attempt.said.detail)
        self._end(claim, {recipient.number: attempt for recipient in claim.recipients})
        if decided.outcome is Outcome.FAILED or decided.scope not in (Scope.SESSION, Scope.DESTINATION):
            return
        words = str(attempt.said.reply) if attempt.said.reply is not None else attempt.said.detail
        first = self._tools.rules.retry.schedule[0]
        wait = self._state.failed(time.monotonic(), f"{attempt.host or self._route.destination}: {words}", first)
        log.say(
            log.Level.NOTICE,
            f"{self._state.site.key}: no host answers; nothing more goes there for {wait:.0f} s: {words}",
        )
        self._hand_back_waiting()

    def _end(self, claim: Claim, attempts: dict[int, Attempt]) -> None:
        conclusion = conclude(claim, attempts, self._tools.rules, time.time(), self._tools.original(claim))
        self._worn = conclusion.close
        slot, self._slot, self._doubt = self._slot, None, None
        self._tools.settler.add(Ending(claim, conclusion, self._after(slot)))

    def _after(self, slot: int | None) -> Callable[[], None]:
        def after() -> None:
            self._tools.bag.settled()
            if slot is not None:
                self._tools.dots.release(slot)

        return after

    def _interrupted(self, why: str) -> None:
        """The delivery ends here: before the dot nothing has been handed over; after it nobody knows (I5)."""
        claim, self._claim = self._claim, None
        if claim is None:
            return
        if self._slot is None and self._stopping:
            self._tools.settler.add(handed_back(claim, self._tools.bag.settled))
            return
        attempt = Attempt(Said(Stage.LOCAL, None, why))
        if self._slot is not None:
            attempt = self._attempt(Said(Stage.DOT, None, why))
        sent = {recipient.number for recipient in claim.recipients[:MOST_RCPTTOS]}
        self._end(claim, dict.fromkeys(self._doubt.numbers if self._doubt else sent, attempt))


def _is_stale(report: Report) -> bool:
    """The connection had ended before this message: nothing was said of it, or only 421, and no data had gone out."""
    return not report.reusable and all(
        said.stage in (Stage.MAIL, Stage.RCPT, Stage.DATA) and (said.reply is None or said.reply.code == 421)
        for said in report.said
    )
