"""A courier: one connection to a site, and the messages it carries, one after the other (steps 6 and 7).

It takes claims from its site's part of the bag while there are any, as many a connection as the receiver allows, waits
two seconds for more, and says QUIT; at once where other sites of the same receiver wait for a connection. What was said
becomes a conclusion for the settler (errand.py); the next message does not wait for that commit.

When no host gives a session, the site cools: the message at hand is deferred with what was said, and the others go back
to the spool untouched, untried and uncounted (I9). The same where the receiver asked for rest, or where its rate is
used up: then nothing is said of any message.
"""

import asyncio
import time

from hedwig import log, verdict
from hedwig.rates import Rate
from hedwig.reply import Stage
from hedwig.smtp import Report
from hedwig.smtp.connection import Connection
from hedwig.spool import Claim, Halted, SpoolTrouble
from hedwig.verdict import Outcome, Scope, SiteWord
from hedwig.worker.allowance import Wait, connection_rates
from hedwig.worker.attempt import Attempt
from hedwig.worker.bag import STEP_BACK, SiteState
from hedwig.worker.errand import Errand
from hedwig.worker.parcel import Parcel
from hedwig.worker.provider import Provider
from hedwig.worker.resting import FAMILIES
from hedwig.worker.route import Route
from hedwig.worker.sessions import NoHost, Sessions
from hedwig.worker.settle import handed_back
from hedwig.worker.tools import Tools

IDLE = 2.0  # seconds that an open connection waits for another message
PATIENCE = 2.0  # seconds that it waits for a token of a rate


class Courier:
    """Run `run` as a task. Cancelling it is safe at any moment: before the dot the claims are handed back, after it
    they are in doubt (I5, I10)."""

    def __init__(self, tools: Tools, state: SiteState, route: Route) -> None:
        self._tools = tools
        self._state = state
        self._route = route
        self._connection: Connection | None = None
        self._errand: Errand | None = None
        self._sessions = Sessions(
            tools, state, route, lambda: self._errand.parcel.first.queue_id if self._errand else "-"
        )
        self._more = asyncio.Event()
        self._last = False
        self._stopping = False
        self.idle = False

    def _queue_id(self) -> str:
        return self._errand.parcel.first.queue_id if self._errand else "-"

    @property
    def awaits_reply(self) -> bool:
        """Whether the final dot of a message is out, or about to go, and its reply has not come."""
        return self._errand is not None and self._errand.awaits_reply

    @property
    def provider(self) -> Provider:
        """The receiver that it works for."""
        return self._state.provider

    def wake(self) -> None:
        """There is something for this site, or another one needs the connection."""
        self._more.set()

    def call_back(self, halted: Halted) -> None:
        """What is at hand, and concerned, is not sent where that can be helped."""
        if self._errand is not None:
            self._errand.call_back(halted)

    def last(self) -> None:
        """Take no other message after the one at hand."""
        self._last = True

    async def run(self) -> None:
        """Carry messages until there are none."""
        try:
            while not self._last and (claim := await self._next()) is not None:
                self._errand, started = Errand(self._tools, self._parcel(claim), self._heed), time.monotonic()
                if self._errand.turn_away() and await self._may_send():
                    await self._carry(self._errand)
                    self._state.provider.finished(time.monotonic() - started)
                worn, self._errand = self._errand.wears_out, None
                if self._connection is not None and (worn or self._well_used(self._connection)):
                    await self._hang_up()
                    self._last = self._last or self._others_wait()
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

    def _well_used(self, connection: Connection) -> bool:
        return connection.sent >= self._route.rule.messages_per_connection

    def _parcel(self, claim: Claim) -> Parcel:
        """The claim, and others of the same message that may go with it."""
        rule = self._route.rule
        room = rule.recipients - len(claim.recipients)
        others = self._state.waiting.companions(claim, room, one_domain=rule.one_domain)
        return Parcel((claim, *others), rule.recipients)

    async def _next(self) -> Claim | None:
        if self._state.waiting:
            return self._state.waiting.popleft()
        if self._connection is None:
            return None
        if not self._others_wait():
            await self._wait_for_more()
        if self._state.waiting:
            return self._state.waiting.popleft()
        await self._hang_up()
        return self._state.waiting.popleft() if self._state.waiting else None

    async def _wait_for_more(self) -> None:
        self.idle = True
        self._state.idle += 1
        try:
            self._more.clear()
            async with asyncio.timeout(IDLE):  # wait_for loses a cancellation that comes with the wake-up
                await self._more.wait()
        except TimeoutError:
            return
        finally:
            self.idle = False
            self._state.idle -= 1

    def _others_wait(self) -> bool:
        """Whether another site of this receiver waits for a connection, and there is none free."""
        provider = self._state.provider
        return bool(provider.hungry) and provider.free(time.monotonic()) == 0

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

    async def _may_send(self) -> bool:
        """Have a connection, and a token of each rate that bounds messages. False: the errand has been dealt with."""
        if self._errand is None:
            return False
        if self._connection is None and not await self._open(self._errand):
            return False
        rates = self._tools.message_rates(self._route)
        if not rates:
            return True
        wait = await self._token(rates)
        if wait is None:
            return True
        self._run_dry(self._errand, wait)
        await self._hang_up()
        return False

    def _run_dry(self, errand: Errand, wait: Wait) -> None:
        """The receiver's rate is used up: all of this site goes back, and nothing is claimed for the receiver."""
        provider, now = self._state.provider, time.monotonic()
        if now >= provider.dry_until:
            log.say(log.Level.INFO, f"{provider.name}: {wait.why}; its mail waits {wait.seconds:.0f} s")
        provider.dry_until, provider.dry = now + max(wait.seconds, 0.1), wait.why
        self._take_back(errand)

    async def _token(self, rates: tuple[Rate, ...]) -> Wait | None:
        """Take a token, waiting a moment for it; None: we have it."""
        site, soon = self._state.site, 1 + len(self._state.waiting)
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                wait = await self._tools.allowances.take(site.name, site.source, rates, soon)
            except SpoolTrouble as trouble:  # without the spool nobody knows what others have sent: not one more
                return Wait(PATIENCE, str(trouble))
            if wait is None or time.monotonic() + wait.seconds > give_up:
                return wait
            await asyncio.sleep(wait.seconds)

    async def _carry(self, errand: Errand) -> None:
        reused = self._connection is not None and self._connection.sent > 0
        report = await self._send(errand)
        if reused and report is not None and not errand.awaits_reply and _is_stale(report):
            self._drop()  # a kept connection had ended: that says nothing about the message
            if not await self._open(errand):
                return
            report = await self._send(errand)
        if report is None:
            if self._connection is not None and not self._connection.alive:
                self._drop()
            return
        if _is_trouble(report):
            self._state.provider.window.trouble(time.monotonic())
        errand.end(report, self._connection)
        if not report.reusable:
            self._drop()

    async def _send(self, errand: Errand) -> Report | None:
        assert self._connection is not None  # noqa: S101
        return await errand.send(self._connection)

    async def _open(self, errand: Errand) -> bool:
        """Get a session with one of the site's hosts. False: there is none, and the errand has been dealt with."""
        rates = connection_rates(self._route.rule)
        if rates and (wait := await self._token(rates)) is not None:
            self._run_dry(errand, wait)
            return False
        found = await self._sessions.open()
        if not isinstance(found, NoHost):
            self._connection = found
            return True
        if found.ours:
            self._step_back(errand, found.ours, found.wait)
        else:
            self._no_host(errand, found.attempt)
        return False

    def _step_back(self, errand: Errand, why: str, wait: float) -> None:
        """Nothing can be sent now, for a reason that says nothing about host or message (I8): all go back."""
        if not self._state.reason:
            log.say(log.Level.NOTICE, f"{self._state.site.name}: its mail waits a moment: {why}")
        self._state.step_back(time.monotonic(), why, wait or STEP_BACK)
        self._take_back(errand)

    def _take_back(self, errand: Errand) -> None:
        errand.hand_back()
        self._hand_back_waiting()

    def _hand_back_waiting(self) -> None:
        while self._state.waiting:
            self._tools.settler.add(handed_back(self._state.waiting.popleft(), self._tools.bag.settled))

    def _no_host(self, errand: Errand, attempt: Attempt) -> None:
        decided = verdict.decide(attempt.said.stage, attempt.said.reply, attempt.said.detail)
        errand.no_host(attempt)
        if decided.outcome is Outcome.FAILED or decided.scope not in (Scope.SESSION, Scope.DESTINATION):
            return
        self._state.provider.window.trouble(time.monotonic())
        words = str(attempt.said.reply) if attempt.said.reply is not None else attempt.said.detail
        first = self._tools.rules.retry.schedule[0]
        wait = self._state.failed(time.monotonic(), f"{attempt.host or self._route.destination}: {words}", first)
        log.say(
            log.Level.NOTICE,
            f"{self._state.site.key}: no host answers; nothing more goes there for {wait:.0f} s: {words}",
        )
        self._hand_back_waiting()

    def _heed(self, word: SiteWord, family: str) -> None:
        """The receiver asked for rest: this connection carries nothing more, and all that waits goes back."""
        site = self._state.site
        for each in (family,) if family else FAMILIES:
            self._tools.resting.heed(site.name, site.source, each, word)
        if word.wait:
            self._last = True
            self._state.provider.rest(time.monotonic() + word.wait, time.monotonic(), word.reason)
            self._hand_back_waiting()

    def _interrupted(self, why: str) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.interrupted(why, self._connection, stopping=self._stopping)


def _is_stale(report: Report) -> bool:
    """The connection had ended before this message: nothing was said of it, or only 421, and no data had gone out."""
    return not report.reusable and all(
        said.stage in (Stage.MAIL, Stage.RCPT, Stage.DATA) and (said.reply is None or said.reply.code == 421)
        for said in report.said
    )


def _is_trouble(report: Report) -> bool:
    """Whether it says that the receiver has too much to do: 421, or silence."""
    return any(said.stage is not Stage.LOCAL and (said.reply is None or said.reply.code == 421) for said in report.said)
