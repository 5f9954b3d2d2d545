"""Brings claims to couriers, starts couriers where a site may have another connection, and ends them (I9, I10).

A receiver's connections are shared by all its sites: a site that finds none free stands in line, and gets the next one
that an idle or well-used connection of another site makes room for.
"""

import asyncio
import time
from collections.abc import Iterable

from hedwig import log
from hedwig.options import Priority
from hedwig.routing import Site
from hedwig.spool import Claim, Halted
from hedwig.worker.attempt import Attempt
from hedwig.worker.bag import SiteState
from hedwig.worker.connections import Connections
from hedwig.worker.courier import Courier
from hedwig.worker.delivery import Conclusion, conclude, given_up, put_off
from hedwig.worker.provider import NO_SLOT_PAUSE, Provider
from hedwig.worker.route import Route, Unroutable
from hedwig.worker.settle import Ending, handed_back
from hedwig.worker.tools import Tools

MOST_CONNECTIONS = 1000  # of one worker, to all sites
WORTH_ONE_MORE = 0.1  # seconds of mail for each connection there is: what is less is done before another one is open
OPENING = 1.0  # seconds that a site's first connection has for that, before what waits for it gets one of its own
FEW = 2  # messages that a connection may have before it: they are soon done


class Dispatch:
    """The Carrier of a worker. Belongs to the event loop."""

    def __init__(self, tools: Tools, most_connections: int = MOST_CONNECTIONS) -> None:
        self._tools = tools
        self._tools.bag.connections = Connections(most_connections)
        self._winding_down = False
        self._couriers: dict[Courier, asyncio.Task[None]] = {}
        self._of_site: dict[Site, set[Courier]] = {}
        self._left: set[SiteState] = set()  # to connections that are at work, until a timer rings

    @property
    def connections(self) -> int:
        """Couriers at work, each with a connection or about to have one."""
        return len(self._couriers)

    def carry(self, claim: Claim, route: Route) -> None:
        """Put it into the bag, and see to it that somebody takes it."""
        crew = self._of_site.get(route.site, set())
        free = self._tools.bag.connections.may_open(claim.priority)
        if self._winding_down or not (crew or free):
            self._tools.bag.hold()
            self._hand_back(claim)
            return
        state = self._tools.bag.put(route.site, claim)
        state.route = route
        now = time.monotonic()
        if now < state.opens():  # since it was claimed the receiver has asked for rest
            self._give_up_line(state)
            return
        if _wake_one(crew):
            return
        if len(state.waiting) <= FEW * len(crew) and claim.priority > Priority.URGENT:
            self._leave_to_crew(state)
            return
        self._have_carried(state, claim.priority)

    def _leave_to_crew(self, state: SiteState) -> None:
        """What waits there is sooner done by the connections that are at work than another one is open. Where they do
        none of it for a moment it was not; while none of them is open yet, another one would be hardly sooner."""
        if state not in self._left:
            self._left.add(state)
            self._look_later(state, time.monotonic(), WORTH_ONE_MORE if state.open else OPENING, WORTH_ONE_MORE)

    def _look_later(self, state: SiteState, since: float, patience: float, wait: float) -> None:
        asyncio.get_running_loop().call_later(wait, self._is_left, state, since, patience)

    def _is_left(self, state: SiteState, since: float, patience: float) -> None:
        """Look whether they do it. It is looked every WORTH_ONE_MORE, for a message that moves a timer costs more."""
        if state.carried_at > since:
            since, patience = state.carried_at, WORTH_ONE_MORE
        wait = since + patience - time.monotonic()
        if state.waiting and wait > 0:
            self._look_later(state, since, patience, min(wait, WORTH_ONE_MORE))
            return
        self._left.discard(state)
        if state.waiting and state.couriers and not self._winding_down:
            self._have_carried(state, state.waiting.best())
            self._leave_to_crew(state)

    def _have_carried(self, state: SiteState, priority: int) -> None:
        """One connection more for what waits there, or its turn for one."""
        crew = self._of_site.get(state.site)
        free = self._tools.bag.connections.may_open(priority)
        if free and state.may_connect(time.monotonic()) and self._start(state, priority):
            return
        if not crew and not state.provider.couriers:
            self._give_up_line(state)
        elif not crew or _is_worth_one_more(state):
            self._stand_in_line(state)

    def _stand_in_line(self, state: SiteState) -> None:
        """Other sites of the receiver have connections that this one could do with: it gets the next one."""
        provider = state.provider
        if provider.couriers == state.couriers:
            return
        provider.hungry[state] = None
        if provider.idle > state.idle:
            others = (courier for courier in self._couriers if courier.provider is provider)
            _wake_one(courier for courier in others if not courier.serves(state))

    def conclude(self, claim: Claim, unroutable: Unroutable) -> None:
        """No host to ask: the verdict comes from DNS."""
        attempts = {recipient.number: Attempt(unroutable.said) for recipient in claim.recipients}
        self._settle(claim, conclude(claim, attempts, self._tools.rules, time.time(), self._tools.original(claim)))

    def give_up(self, claim: Claim) -> None:
        """Past its expiry."""
        self._settle(claim, given_up(claim, self._tools.rules, time.time(), self._tools.original(claim)))

    def put_off(self, claim: Claim, why: str) -> None:
        """Something of ours went wrong with it (I8): try again when the schedule is at its slowest."""
        self._settle(claim, put_off(claim, why, time.time() + self._tools.rules.retry.schedule[-1]))

    def _settle(self, claim: Claim, conclusion: Conclusion) -> None:
        self._tools.bag.hold()
        self._tools.settler.add(Ending(claim, conclusion, self._tools.bag.settled))

    def _hand_back(self, claim: Claim) -> None:
        self._tools.settler.add(handed_back(claim, self._tools.bag.settled))

    def _start(self, state: SiteState, priority: int) -> bool:
        """A courier for that site; False where other workers have all of the receiver's connections."""
        provider, slots = state.provider, self._tools.slots
        try:
            slot = slots.take(provider.name, provider.source, provider.limit)
        except OSError as error:
            state.step_back(time.monotonic(), f"run_dir can't be used: {error.strerror or error}")
            return False
        if slot is None:
            provider.no_slot_before = time.monotonic() + NO_SLOT_PAUSE
            return False
        courier = Courier(self._tools, state, self, slot)
        connections = self._tools.bag.connections
        state.couriers += 1
        provider.couriers += 1
        connections.opened(priority)
        self._tools.pressed = connections.scarce
        task = asyncio.create_task(courier.run())
        self._couriers[courier] = task
        self._of_site.setdefault(state.site, set()).add(courier)

        def end(ended: "asyncio.Task[None]") -> None:
            slots.give(provider.name, provider.source, slot)
            connections.closed(priority)
            self._tools.pressed = connections.scarce
            self._ended(courier, state, ended)

        task.add_done_callback(end)
        return True

    def _ended(self, courier: Courier, state: SiteState, task: "asyncio.Task[None]") -> None:
        state.couriers -= 1
        state.provider.couriers -= 1
        state.provider.leaving -= courier.leaving
        del self._couriers[courier]
        crew = self._of_site[state.site]
        crew.discard(courier)
        if not crew:
            del self._of_site[state.site]
        if not task.cancelled() and (error := task.exception()) is not None:
            text = f"{state.site.key}: a delivery broke off: {error!r}"
            log.event(log.Matter.FAULT, text, log.Level.ERROR, reason=repr(error))
        if state.waiting and not self._winding_down:
            # It came while the last courier was on its way out, or what one had is left to the others.
            if crew:
                _wake_one(crew)
            else:
                state.provider.hungry[state] = None
        self._serve_line(state.provider)

    def _serve_line(self, provider: Provider) -> None:
        """Give the receiver's free connections to its sites that wait for one, the best priority first."""
        while provider.hungry and not self._winding_down:
            state, now = provider.hungriest(), time.monotonic()
            may = now >= state.opens() and state.may_connect(now) and self._may_open(state)
            if state.waiting and not may and provider.couriers and now >= state.opens():
                return
            del provider.hungry[state]
            if state.waiting and not (may and self._start(state, state.waiting.best())) and not state.couriers:
                self._give_up_line(state)

    def carried(self, state: SiteState) -> None:
        """A message has gone there: by now the receiver may take one connection more, and another site of its be
        waiting for that; or this one has enough mail for it."""
        state.carried_at = time.monotonic()
        if state.provider.hungry:
            self._serve_line(state.provider)
        if _is_worth_one_more(state) and not self._winding_down:
            if state.may_connect(time.monotonic()) and self._may_open(state):
                self._start(state, state.waiting.best())
            else:
                self._stand_in_line(state)

    def _may_open(self, state: SiteState) -> bool:
        """Whether this worker has a connection more for what waits there, if anything does."""
        return not state.waiting or self._tools.bag.connections.may_open(state.waiting.best())

    def _give_up_line(self, state: SiteState) -> None:
        """No connection can be had: back to the spool, which other workers look into too."""
        for claim in state.waiting.take(lambda _: True):
            self._hand_back(claim)

    def rest(self, provider: Provider) -> None:
        """The receiver asked for rest: what is not begun goes back, and connections end with the message at hand."""
        provider.hungry.clear()
        for state in self._tools.bag.sites():
            if state.provider is provider:
                self._give_up_line(state)
        for courier in self._couriers:
            if courier.provider is provider:
                courier.last()
                courier.wake()

    def call_back(self, halted: Halted) -> None:
        """What the operator has paused and is not begun goes back; transactions under way finish, but those of what is
        recalled."""
        for state in self._tools.bag.sites():
            for claim in state.waiting.take(halted.concerns):
                self._hand_back(claim)
        for courier in self._couriers:
            courier.call_back(halted)

    def wind_down(self) -> None:
        """Every courier ends with the message at hand; what is claimed from now on is handed back."""
        self._winding_down = True
        for courier in self._couriers:
            courier.last()
            courier.wake()

    async def stop(self, patience: float) -> None:
        """Hand back what no dot has gone out for; wait up to `patience` seconds for the replies to the others (I10)."""
        self.wind_down()
        waiting: list[asyncio.Task[None]] = []
        for courier, task in list(self._couriers.items()):
            if courier.awaits_reply:
                waiting.append(task)
            else:
                courier.withhold()
                task.cancel()
        for state in self._tools.bag.sites():
            while state.waiting:
                self._hand_back(state.waiting.popleft())
        if waiting:
            log.say(log.Level.INFO, f"waiting for the replies to {len(waiting)} messages that are fully sent")
            await asyncio.wait(waiting, timeout=patience)
        tasks = list(self._couriers.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _is_worth_one_more(state: SiteState) -> bool:
    """Whether that site has enough mail for one connection more."""
    return len(state.waiting) * state.provider.pace > state.couriers * WORTH_ONE_MORE


def _wake_one(couriers: Iterable[Courier]) -> bool:
    """Wake a courier that waits for something to carry; whether there was one."""
    for courier in couriers:
        if courier.idle:
            courier.wake()
            courier.idle = False
            return True
    return False
