"""A courier: one connection to a site, and the messages it carries, one after the other (steps 6 and 7).

It takes claims from its site's part of the bag while there are any, up to 100 a connection, waits two seconds for
more, and says QUIT. Hosts are tried in the order of the route. What was said becomes a conclusion for the settler; the
next message does not wait for that commit.

When no host gives a session, the site cools: the message at hand is deferred with what was said, and the others go back
to the spool untouched, untried and uncounted (I9).
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable

from hedwig import log, verdict
from hedwig.reply import Stage
from hedwig.smtp import ConnectFailed, Report, Said, Target, Transaction
from hedwig.smtp.connection import Connection, connect, dial
from hedwig.spool import Claim, SpoolTrouble
from hedwig.verdict import Outcome, Scope
from hedwig.worker.bag import SiteState
from hedwig.worker.attempt import Attempt
from hedwig.worker.delivery import conclude
from hedwig.worker.route import Route
from hedwig.worker.settle import Ending, handed_back
from hedwig.worker.tools import Tools

MESSAGES_PER_CONNECTION = 100
IDLE = 2.0  # seconds that an open connection waits for another message
MOST_RCPTTOS = 50  # of one transaction; the rest of a delivery goes in the next
MOST_PER_ADDRESS = 20  # connections, whatever names lead to the address
TLS_MEMORY = 3600.0  # seconds for which a host's broken TLS is remembered


class Courier:
    """Run `run` as a task. Cancelling it is safe at any moment: before the dot the claim is handed back, after it the
    claim is in doubt (I5, I10)."""

    def __init__(self, tools: Tools, state: SiteState, route: Route) -> None:
        self._tools = tools
        self._state = state
        self._route = route
        self._connection: Connection | None = None
        self._claim: Claim | None = None
        self._slot: int | None = None
        self._address = ""
        self._more = asyncio.Event()
        self._last = False
        self._stopping = False
        self.idle = False

    @property
    def awaits_reply(self) -> bool:
        """Whether the final dot of a message is out, or about to go, and its reply has not come."""
        return self._slot is not None

    def wake(self) -> None:
        """There is something for this site."""
        self._more.set()

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
                if self._connection is not None and self._connection.sent >= MESSAGES_PER_CONNECTION:
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
            await asyncio.wait_for(self._more.wait(), IDLE)
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
        self._leave_address()

    async def _hang_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                await connection.quit()
            finally:
                self._leave_address()

    async def _carry(self, claim: Claim) -> None:
        reused = self._connection is not None
        report = await self._send(claim)
        if reused and report is not None and self._slot is None and _is_stale(report):
            self._drop()  # a kept connection had ended: that says nothing about the message
            report = await self._send(claim)
        if report is None:
            return
        assert self._connection is not None  # noqa: S101  (_send opened it)
        host = f"{self._connection.target.host}[{self._connection.target.address}]"
        attempts = {
            recipient.number: Attempt(said, host, self._connection.tls)
            for recipient, said in zip(claim.recipients[:MOST_RCPTTOS], report.said, strict=True)
        }
        if not report.reusable:
            self._drop()
        self._end(claim, attempts)

    async def _send(self, claim: Claim) -> Report | None:
        """One transaction, on a new connection where none is open. None: the claim has been dealt with."""
        if self._connection is None and not await self._open(claim):
            return None
        assert self._connection is not None  # noqa: S101

        def before_dot() -> None:
            self._slot = self._tools.dots.mark(claim.delivery, claim.token)

        try:
            return await self._connection.send(self._transaction(claim), before_dot)
        except SpoolTrouble as trouble:  # the body could not be read: our fault, no word about the message (I8)
            self._drop()
            said = Said(Stage.LOCAL, None, str(trouble))
            self._end(claim, {recipient.number: Attempt(said) for recipient in claim.recipients})
            return None

    def _transaction(self, claim: Claim) -> Transaction:
        content = claim.content
        body: Callable[[], Iterable[bytes]] = (
            (lambda: (content,)) if content is not None else (lambda: self._tools.spool.body(claim.message))
        )
        rcpttos = tuple(recipient.address for recipient in claim.recipients[:MOST_RCPTTOS])
        return Transaction(claim.mailfrom, rcpttos, body, claim.size, claim.smtputf8)

    async def _open(self, claim: Claim) -> bool:
        """Get a session with one of the site's hosts. False: there is none, and the claim has been dealt with."""
        heard: list[Attempt] = []
        ours = ""
        async for target in self._tools.router.targets(self._route):
            if isinstance(target, Said):
                heard.append(Attempt(target))
                continue
            try:
                self._connection = await self._session(target)
            except ConnectFailed as failure:
                if failure.said.stage is Stage.LOCAL:
                    ours = str(failure)
                    continue
                heard.append(Attempt(failure.said, f"{target.host}[{target.address}]"))
                continue
            self._state.answered()
            return True
        if ours:
            self._step_back(claim, ours)
        else:
            self._no_host(claim, _decisive(heard, self._route))
        return False

    def _step_back(self, claim: Claim, why: str) -> None:
        """No connection for a reason of ours, which says nothing about host or message (I8): all go back."""
        if not self._state.reason:
            log.say(log.Level.NOTICE, f"{self._state.site.key}: its mail waits a moment: {why}")
        self._state.step_back(time.time(), why)
        self._state.waiting.appendleft(claim)
        self._hand_back_waiting()

    def _hand_back_waiting(self) -> None:
        while self._state.waiting:
            self._tools.settler.add(handed_back(self._state.waiting.popleft(), self._tools.bag.settled))

    async def _session(self, target: Target) -> Connection:
        """A session with TLS where the host has a TLS that works, else in the clear (RFC 7435)."""
        if self._tools.addresses[target.address] >= MOST_PER_ADDRESS:
            said = Said(Stage.LOCAL, None, f"{MOST_PER_ADDRESS} connections to this address are open already")
            raise ConnectFailed(target, said)
        self._tools.addresses[target.address] += 1
        self._address = target.address
        try:
            return await self._shake_hands(target)
        except BaseException:
            self._leave_address()
            raise

    def _leave_address(self) -> None:
        if self._address:
            self._tools.addresses[self._address] -= 1
            self._tools.addresses += Counter()  # drops what is zero
            self._address = ""

    async def _shake_hands(self, target: Target) -> Connection:
        now = time.monotonic()
        tls = self._tools.broken_tls.get(target.address, 0.0) <= now
        deadlines = self._tools.hurried if self._tools.pressed and not self._state.pace else self._tools.deadlines
        trace = self._trace(target) if self._tools.debug else None
        ehlo = self._tools.router.myself.ehlo
        try:
            return await connect(dial, target, ehlo, deadlines, tls=tls, trace=trace)
        except ConnectFailed as failure:
            if not tls or not _may_be_tls(failure.said):
                raise
            connection = await connect(dial, target, ehlo, deadlines, tls=False, trace=trace)
            log.say(log.Level.NOTICE, f"{failure}; it gets its mail in the clear for an hour")
            self._tools.broken_tls[target.address] = now + TLS_MEMORY
            return connection

    def _trace(self, target: Target) -> Callable[[str], None]:
        def trace(line: str) -> None:
            queue_id = self._claim.queue_id if self._claim is not None else "-"
            log.say(log.Level.DEBUG, f"{queue_id}: {target.host}[{target.address}] {line}")

        return trace

    def _no_host(self, claim: Claim, attempt: Attempt) -> None:
        decided = verdict.decide(attempt.said.stage, attempt.said.reply, attempt.said.detail)
        self._end(claim, {recipient.number: attempt for recipient in claim.recipients})
        if decided.outcome is Outcome.FAILED or decided.scope not in (Scope.SESSION, Scope.DESTINATION):
            return
        words = str(attempt.said.reply) if attempt.said.reply is not None else attempt.said.detail
        first = self._tools.rules.retry.schedule[0]
        wait = self._state.failed(time.time(), f"{attempt.host or self._route.destination}: {words}", first)
        log.say(
            log.Level.NOTICE,
            f"{self._state.site.key}: no host answers; nothing more goes there for {wait:.0f} s: {words}",
        )
        self._hand_back_waiting()

    def _end(self, claim: Claim, attempts: dict[int, Attempt]) -> None:
        conclusion = conclude(claim, attempts, self._tools.rules, time.time(), self._tools.original(claim))
        slot, self._slot = self._slot, None
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
        said = Said(Stage.LOCAL if self._slot is None else Stage.DOT, None, why)
        self._end(claim, {recipient.number: Attempt(said) for recipient in claim.recipients[:MOST_RCPTTOS]})


def _is_stale(report: Report) -> bool:
    """The connection had ended before this message: nothing was said of it, or only 421, and no data had gone out."""
    return not report.reusable and all(
        said.stage in (Stage.MAIL, Stage.RCPT, Stage.DATA) and (said.reply is None or said.reply.code == 421)
        for said in report.said
    )


def _decisive(heard: list[Attempt], route: Route) -> Attempt:
    """Of all that the hosts said, what decides: a word that leaves hope before one that doesn't, the last of them."""
    hopeful = [
        attempt
        for attempt in heard
        if verdict.decide(attempt.said.stage, attempt.said.reply, attempt.said.detail).outcome is not Outcome.FAILED
    ]
    if hopeful or heard:
        return (hopeful or heard)[-1]
    return Attempt(Said(Stage.DNS, None, f"{route.destination} has no host to try"))


def _may_be_tls(said: Said) -> bool:
    """The handshake failed; or the connection broke in EHLO, which is where a TLS 1.3 host's refusal arrives."""
    return said.stage is Stage.STARTTLS or (said.stage is Stage.EHLO and said.reply is None)
