"""Deliveries whose destination DNS is slow to tell: they wait aside, so that they hold up no other, and are claimed
once the answer is here. How many may wait is bounded, of one destination and in all; what is more is paused for a
moment. The hints of what waits here are deleted, so nobody else would soon try it: while the spool is in trouble the
claim is tried again and again, each time by the route that then holds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hedwig import log
from hedwig.reply import Stage
from hedwig.smtp import Said
from hedwig.spool import Pause, Preview, SpoolTrouble
from hedwig.worker.route import Route, Unroutable
from hedwig.worker.wanted import Bound, Wanted, alone

MOST_ASIDE = 20  # deliveries of one destination that wait for DNS
MOST_LOOKUPS = 1000  # destinations that are waited for so, or about
LOOKUP_PAUSE = 2.0
TROUBLE_PAUSE = 1.0


class Aside:
    """Of one worker. `find` starts the look-up of a route, `claim` claims by one that was found, and `tell` hears what
    keeps it from that."""

    def __init__(
        self,
        find: Callable[[Bound], "asyncio.Future[Route | Unroutable]"],
        claim: Callable[[Wanted], Awaitable[None]],
        tell: Callable[[SpoolTrouble], None],
    ) -> None:
        self._find = find
        self._claim = claim
        self._tell = tell
        self._waiting: dict[str, int] = {}  # deliveries by destination
        self._tasks: set[asyncio.Task[None]] = set()
        self._hindered = 0  # tasks that the spool's trouble keeps
        self._stop = asyncio.Event()

    def __contains__(self, destination: str) -> bool:
        """Whether DNS is slow to tell this one."""
        return destination in self._waiting

    @property
    def hindered(self) -> bool:
        """Whether something here could not be claimed yet, for the spool is in trouble."""
        return self._hindered > 0

    def put(
        self, bound: Bound, previews: Sequence[Preview], found: "asyncio.Future[Route | Unroutable]"
    ) -> list[Pause]:
        """A task goes on with some of these, once `found` is there; for the others, the pause to write."""
        destination = bound[0]
        waiting = self._waiting.get(destination, 0)
        taken = list(previews[: max(0, MOST_ASIDE - waiting)]) if len(self._tasks) < MOST_LOOKUPS else []
        if taken:
            self._waiting[destination] = waiting + len(taken)
            task = asyncio.create_task(self._go_on(bound, taken, found))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            found.add_done_callback(_heard)
        if len(taken) == len(previews):
            return []
        now = time.time()
        return [Pause(destination, now, now + LOOKUP_PAUSE, f"looking up the MX of {destination}")]

    async def stop(self) -> None:
        """What still waits is left in the spool. A claim under way is not broken off: nobody would know of it."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _go_on(self, bound: Bound, previews: list[Preview], found: "asyncio.Future[Route | Unroutable]") -> None:
        stopped = asyncio.ensure_future(self._stop.wait())
        hindered = False
        try:
            while True:
                either: set[asyncio.Future[Any]] = {found, stopped}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if self._stop.is_set():
                    found.add_done_callback(_heard)
                    return
                try:
                    await self._claim(alone(bound, previews, route_of(bound[0], found)))
                except SpoolTrouble as trouble:
                    self._hindered += not hindered
                    hindered = True
                    self._tell(trouble)
                else:
                    return
                await asyncio.wait({stopped}, timeout=TROUBLE_PAUSE)
                found = self._find(bound)
        finally:
            stopped.cancel()
            self._hindered -= hindered
            left = self._waiting.get(bound[0], 0) - len(previews)
            if left > 0:
                self._waiting[bound[0]] = left
            else:
                self._waiting.pop(bound[0], None)


def _heard(found: "asyncio.Future[Route | Unroutable]") -> None:
    """Nobody waits for this answer: the resolver remembers it, and what went wrong is said when it is asked again."""
    if not found.cancelled():
        found.exception()


def route_of(destination: str, found: "asyncio.Future[Route | Unroutable]") -> Route | Unroutable:
    """What the look-up gave; where it broke, that is our fault, and a deferral (I8)."""
    error = found.exception()
    if error is None:
        return found.result()
    text = f"the route of {destination} could not be found: {error!r}"
    log.event(log.Matter.FAULT, text, log.Level.ERROR, reason=repr(error))
    return Unroutable(destination, Said(Stage.LOCAL, None, f"the route could not be found: {error!r}"))
