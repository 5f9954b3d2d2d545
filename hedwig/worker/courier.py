"""A courier: one connection to a site, and the messages it carries, one after the other (steps 6 and 7).

It takes claims from its site's part of the bag while there are any, as many a connection as the receiver allows, waits
two seconds for more, and says QUIT; at once where other sites of the same receiver wait for a connection. What was said
becomes a conclusion for the settler (errand.py); the next message does not wait for that commit. How it comes to its
connection, and what happens where it gets none, is in approach.py.
"""

import asyncio
import time
from typing import Protocol

from hedwig import log
from hedwig.reply import Stage
from hedwig.settings.replies import Action
from hedwig.smtp import Report, Said
from hedwig.smtp.connection import Connection
from hedwig.spool import Claim, Halted
from hedwig.verdict import SiteWord
from hedwig.worker.allowance import LOT_TIME
from hedwig.worker.approach import Approach
from hedwig.worker.attempt import Attempt
from hedwig.worker.bag import SiteState
from hedwig.worker.errand import Errand
from hedwig.worker.parcel import Parcel
from hedwig.worker.provider import Provider
from hedwig.worker.resting import FAMILIES
from hedwig.worker.route import Route
from hedwig.worker.tools import Tools

IDLE = 2.0  # seconds that an open connection waits for another message


class Crew(Protocol):
    """Who has started the courier."""

    def carried(self, state: SiteState) -> None:
        """A message has gone there."""

    def rest(self, provider: Provider) -> None:
        """The receiver asked for rest."""


class Courier:
    """Run `run` as a task. Cancelling it is safe at any moment: before the dot the claims are handed back, after it
    they are in doubt (I5, I10). `slot`: which of the receiver's connections it has."""

    def __init__(self, tools: Tools, state: SiteState, crew: Crew, slot: int = 0) -> None:
        self._tools = tools
        self._state = state
        self._crew = crew
        self._slot = slot
        self._connection: Connection | None = None
        self._errand: Errand | None = None
        self._approach = Approach(tools, state, self._queue_id)
        self._more = asyncio.Event()
        self._last = False
        self._stopping = False
        self.leaving = False  # it ends, and counts no more among those that the receiver has
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

    @property
    def _route(self) -> Route:
        """The way there, as it was found last: settings that were read again hold from the next message on."""
        assert self._state.route is not None  # noqa: S101  it is there before the first courier
        return self._state.route

    def serves(self, state: SiteState) -> bool:
        """Whether that is its site."""
        return state is self._state

    def wake(self) -> None:
        """There is something for this site, or another one needs the connection."""
        self._more.set()

    def call_back(self, halted: Halted) -> None:
        """What is at hand, and concerned, is not sent where that can be helped."""
        if self._errand is not None:
            self._errand.call_back(halted)

    def withhold(self) -> None:
        """No dot of what is at hand goes out any more."""
        if self._errand is not None:
            self._errand.withhold()

    def last(self) -> None:
        """Take no other message after the one at hand."""
        self._last = True

    async def run(self) -> None:
        """Carry messages until there are none."""
        try:
            while (claim := await self._next()) is not None:
                relayed = bool(self._route.smarthost)
                self._errand = Errand(self._tools, self._parcel(claim), self._heed, self._elsewhere, relayed=relayed)
                await self._deal(self._errand)
                worn, self._errand = self._errand.wears_out, None
                await self._go_on(worn)
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

    def _parcel(self, claim: Claim) -> Parcel:
        """The claim, and others of the same message that may go with it."""
        rule = self._route.rule
        room = rule.recipients - len(claim.recipients)
        others = self._state.waiting.companions(claim, room, one_domain=rule.one_domain)
        return Parcel((claim, *others), rule.recipients)

    async def _next(self) -> Claim | None:
        """What goes next, waiting a while for it where a connection is open."""
        give_up = 0.0
        while not self._last:
            if self._state.waiting:
                return self._state.waiting.popleft()
            now = time.monotonic()
            give_up = give_up or now + IDLE
            if self._connection is None or now >= give_up or self._others_wait(now):
                break
            if self._tools.addresses.is_crowded(self._connection.target.address, now):
                break
            await self._wait_for_more(give_up - now)
        return None

    async def _wait_for_more(self, seconds: float) -> None:
        self.idle = True
        self._state.idle += 1
        self._state.provider.idle += 1
        self._more.clear()
        timer = asyncio.get_running_loop().call_later(seconds, self._more.set)
        try:
            await self._more.wait()
        finally:
            timer.cancel()
            self.idle = False
            self._state.idle -= 1
            self._state.provider.idle -= 1

    def _others_wait(self, now: float) -> bool:
        """Whether another site of this receiver waits for a connection, and there is none free."""
        provider = self._state.provider
        if not provider.hungry or provider.free(now):
            return False
        return any(state.waiting and state is not self._state for state in provider.hungry)

    async def _deal(self, errand: Errand) -> None:
        started = time.monotonic()
        if errand.turn_away() and await self._may_send(errand) and await self._carry(errand):
            now = time.monotonic()
            self._state.provider.finished(now - started, now)
            self._crew.carried(self._state)

    async def _go_on(self, worn: bool) -> None:
        """After a message: whether connection and courier may stay. `worn`: what was said ends the connection."""
        provider = self._state.provider
        if provider.surplus or self._slot >= provider.limit or self._others_are_better():
            self._leave()
        connection = self._connection
        if connection is None or self._last:
            return
        if worn or connection.sent >= self._route.rule.messages_per_connection:
            await self._hang_up()
            if self._others_wait(time.monotonic()):
                self._leave()

    def _others_are_better(self) -> bool:
        """Whether another site of this receiver waits for a connection with mail of a better priority."""
        state = self._state
        if not state.provider.hungry or not state.waiting:
            return False
        return state.provider.hungers_for_better(state.waiting.best()) and self._others_wait(time.monotonic())

    def _leave(self) -> None:
        """Make room for another."""
        self._last = True
        if not self.leaving:
            self.leaving = True
            self._state.provider.leaving += 1

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        self._approach.left()

    async def _hang_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                await connection.quit()
            finally:
                self._approach.left()

    async def _may_send(self, errand: Errand) -> bool:
        """Have a connection, and a token of each rate that bounds messages. False: the errand has been dealt with.

        The token comes first: nobody is called upon for whom there is nothing.
        """
        if self._connection is not None and not self._serves(self._connection, errand):
            await self._hang_up()
        rates = self._tools.message_rates(self._route)
        if rates and not await self._approach.token(errand, rates):
            await self._hang_up()
            return False
        if self._connection is not None:
            return True
        taken = time.monotonic()
        self._connection = await self._approach.open(errand)
        if self._approach.crowded:
            self._leave()
        if not rates or (self._connection is not None and time.monotonic() - taken < LOT_TIME):
            return self._connection is not None
        self._approach.put_back(rates)
        return self._connection is not None and await self._may_send(errand)  # it took so long that the token is old

    def _serves(self, connection: Connection, errand: Errand) -> bool:
        """Whether this may go on it: by what it asks of TLS, and unless the receiver has asked for rest meanwhile, from
        addresses of that family."""
        provider = self._state.provider
        rests = self._tools.resting.of(provider.name, provider.source, connection.target.family)
        return not rests and self._approach.fits(errand, connection)

    async def _carry(self, errand: Errand) -> bool:
        """Send it, and settle what was said; whether the receiver took it well."""
        assert self._connection is not None  # noqa: S101
        reused = self._connection.sent > 0
        report = await errand.send(self._connection)
        if reused and report is not None and not errand.awaits_reply and self._is_stale(report):
            if (rates := self._tools.message_rates(self._route)) and all(said.reply is None for said in report.said):
                self._approach.put_back(rates)  # nothing was said: nothing was counted there
            self._drop()  # a kept connection had ended: that says nothing about the message
            if not await self._may_send(errand):
                return False
            report = await errand.send(self._connection)
        if report is None:
            if self._connection is not None and not self._connection.alive:
                self._drop()
            return False
        trouble = _is_trouble(report)
        if trouble:
            self._state.provider.window.trouble(time.monotonic())
        errand.end(report, self._connection)
        if not report.reusable:
            self._drop()
        return not trouble

    def _is_stale(self, report: Report) -> bool:
        """The connection had ended before this message. A 421 that says more, of a limit or a block, is heeded."""
        if report.reusable or self._connection is None or not all(map(_may_be_stale, report.said)):
            return False
        target, domain = self._connection.target, self._route.destination
        host = f"{target.host}[{target.address}]"
        rulings = (self._tools.rules.ruling(Attempt(said, host), domain) for said in report.said)
        return all(ruling.decision in (None, Action.NEW_CONNECTION) for ruling in rulings)

    def _heed(self, word: SiteWord, family: str) -> None:
        """The receiver asked for rest: nothing more goes there from the addresses that it spoke to."""
        provider = self._state.provider
        for each in (family,) if family else FAMILIES:
            self._tools.resting.heed(provider.name, provider.source, each, word)
        if self._tools.resting.apply(provider):
            self._crew.rest(provider)

    def _elsewhere(self, claim: Claim) -> bool:
        """Whether it may leave from another source of ours now."""
        site, resting = self._state.site, self._tools.resting
        names = self._tools.router.ways.candidates(self._route.rule, claim.client)
        return any(name != site.source and not resting.wait(site.name, name) for name in names)

    def _interrupted(self, why: str) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.interrupted(why, self._connection, stopping=self._stopping)


def _may_be_stale(said: Said) -> bool:
    """Whether this is what a connection gives that had ended before: nothing, or 421, before any data went out."""
    before = said.stage in (Stage.MAIL, Stage.RCPT, Stage.DATA)
    return before and (said.reply is None or said.reply.code == 421)


def _is_trouble(report: Report) -> bool:
    """Whether it says that the receiver has too much to do: 421, or silence."""
    return any(said.stage is not Stage.LOCAL and (said.reply is None or said.reply.code == 421) for said in report.said)
