"""Brings claims to couriers, starts couriers where a site may have another connection, and ends them (I9, I10)."""

import asyncio
import time
from collections.abc import Iterable
from functools import partial

from hedwig import log
from hedwig.routing import Site
from hedwig.spool import Claim
from hedwig.worker.bag import SiteState
from hedwig.worker.courier import Courier, Tools
from hedwig.worker.delivery import Attempt, conclude, given_up
from hedwig.worker.route import Route, Unroutable
from hedwig.worker.settle import Ending, handed_back

MOST_CONNECTIONS = 1000  # of one worker, to all sites


class Dispatch:
    """The Carrier of a worker. Belongs to the event loop."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._couriers: dict[Courier, asyncio.Task[None]] = {}
        self._of_site: dict[Site, set[Courier]] = {}

    @property
    def connections(self) -> int:
        """Couriers at work, each with a connection or about to have one."""
        return len(self._couriers)

    def carry(self, claim: Claim, route: Route) -> None:
        """Put it into the bag, and see to it that somebody takes it."""
        state = self._tools.bag.put(route.site, claim)
        crew = self._of_site.setdefault(route.site, set())
        for courier in crew:
            if courier.idle:
                courier.wake()
                courier.idle = False
                return
        if len(crew) < state.connections_allowed() and (not crew or len(self._couriers) < MOST_CONNECTIONS):
            self._start(state, route)

    def conclude(self, claim: Claim, unroutable: Unroutable) -> None:
        """No host to ask: the verdict comes from DNS."""
        self._tools.bag.hold(claim)
        attempts = {recipient.number: Attempt(unroutable.said) for recipient in claim.recipients}
        conclusion = conclude(claim, attempts, self._tools.rules, time.time(), self._tools.original(claim))
        self._tools.settler.add(Ending(claim, conclusion, partial(self._tools.bag.settled, claim)))

    def give_up(self, claim: Claim) -> None:
        """Past its expiry."""
        self._tools.bag.hold(claim)
        conclusion = given_up(claim, self._tools.rules, time.time(), self._tools.original(claim))
        self._tools.settler.add(Ending(claim, conclusion, partial(self._tools.bag.settled, claim)))

    def _start(self, state: SiteState, route: Route) -> None:
        courier = Courier(self._tools, state, route)
        state.couriers += 1
        task = asyncio.create_task(courier.run())
        self._couriers[courier] = task
        self._of_site[route.site].add(courier)
        task.add_done_callback(lambda ended: self._ended(courier, state, route, ended))

    def _ended(self, courier: Courier, state: SiteState, route: Route, task: "asyncio.Task[None]") -> None:
        state.couriers -= 1
        del self._couriers[courier]
        crew = self._of_site[route.site]
        crew.discard(courier)
        if not crew:
            del self._of_site[route.site]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.say(log.Level.ERROR, f"{route.site.key}: a delivery broke off: {error!r}")
        if state.waiting and not task.cancelled() and not crew:
            self._of_site.setdefault(route.site, set())
            self._start(state, route)  # something came while the last courier was on its way out

    async def stop(self, patience: float) -> None:
        """Hand back what no dot has gone out for; wait up to `patience` seconds for the replies to the others (I10)."""
        waiting: list[asyncio.Task[None]] = []
        for courier, task in list(self._couriers.items()):
            if courier.awaits_reply:
                courier.last()
                waiting.append(task)
            else:
                task.cancel()
        for state in self._tools.bag.sites():
            self._return(state.waiting)
            state.waiting.clear()
        if waiting:
            log.say(log.Level.INFO, f"waiting for the replies to {len(waiting)} messages that are fully sent")
            await asyncio.wait(waiting, timeout=patience)
        tasks = list(self._couriers.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _return(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self._tools.settler.add(handed_back(claim, partial(self._tools.bag.settled, claim)))
