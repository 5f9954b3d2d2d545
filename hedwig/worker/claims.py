"""From hints to claims (steps 5 and 6): takes hints from the queue, finds each delivery's route, and claims in the
spool what the bag has room for.

Hints come in batches: whatever lies ready when the last batch is done. A delivery whose route DNS is slow to tell waits
aside (aside.py), so that it holds up no other. What a site has no room for stays in the spool, unclaimed: its hint is
dropped, and a pause tells the feeder when to hint it again, and from which priority on there was no room (I9). What is
past its expiry needs no route and no room. A hint is deleted only after the claim has committed; if this process dies
before, the queue hands it out again, and the claim decides (I2).
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from hedwig import log
from hedwig.options import Priority
from hedwig.queue import DEFAULT_LANE, Hint, Queue, QueueDown
from hedwig.routing import Site
from hedwig.spool import Claim, Pause, Preview, SpoolTrouble, Stream
from hedwig.spool.trouble import matter_of
from hedwig.worker.aside import TROUBLE_PAUSE, Aside, route_of
from hedwig.worker.bag import LOADED
from hedwig.worker.pauses import Pauses
from hedwig.worker.provider import Provider
from hedwig.worker.route import Route, Unroutable
from hedwig.worker.tools import Tools
from hedwig.worker.wanted import Bound, Wanted, bound_of

MOST_HINTS = 500  # a batch
RESERVE_TIME = 1.0  # seconds to wait for a hint
ROUTE_TIME = 0.02  # seconds that a batch waits for DNS before the slow ones go aside
FULL_HINTS = 50  # a batch, and
FORGET_EVERY = 60.0  # seconds
FULL_PAUSE = 0.1  # seconds between them, while the bag has room for urgent ones alone


class Carrier(Protocol):
    """Who takes the claims on."""

    def carry(self, claim: Claim, route: Route) -> None:
        """Send this to that site."""

    def conclude(self, claim: Claim, unroutable: Unroutable) -> None:
        """No host takes it: settle it so."""

    def give_up(self, claim: Claim) -> None:
        """It is past its expiry: settle it so."""

    def put_off(self, claim: Claim, why: str) -> None:
        """Something of ours went wrong with it: try again later."""


class Claimer:
    """Run `run` as a task; `stop` lets it end by itself within RESERVE_TIME. `owner` is "host/N", locked (I12)."""

    def __init__(self, tools: Tools, queue: Queue, carrier: Carrier, owner: str) -> None:
        self._spool = tools.spool
        self._queue = queue
        self._router = tools.router
        self._bag = tools.bag
        self._carrier = carrier
        self._owner = owner
        self._stop = asyncio.Event()
        self._hands = ThreadPoolExecutor(1, thread_name_prefix="queue")  # greenstalk: one connection, one thread
        self._hints: list[Hint] = []  # of the batch at hand
        self._taken = False  # whether that has been dealt with, so that its hints can go
        self._aside = Aside(self._route, lambda wanted: self._claim(wanted, []), self._tell_of)
        self._pauses = Pauses(tools.bag)
        self._opening: set[asyncio.Task[None]] = set()
        self._bag.drained = self._drained
        self._forget_at = 0.0
        self.trouble = ""  # why nothing new is taken
        self._back = log.Matter.QUEUE_BACK  # what is said when that is over
        self.beat = time.monotonic()

    def stop(self) -> None:
        """Take no more hints; deliveries that wait for DNS are left in the spool. A claim under way is not broken off:
        nobody would know of it."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    async def run(self, may_claim: Callable[[], bool]) -> None:
        """Until `stop`. While `may_claim` says no (outcomes can't be written) nothing new is taken."""
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            self.beat = time.monotonic()
            try:
                if not (room := await self._room(may_claim)):
                    continue
                previews = await loop.run_in_executor(self._hands, self._fetch, room)
                if self._stop.is_set():
                    break  # not deleted: the queue hands them to others once this connection ends
                await self._take(previews)
                self._taken = True
                if not self._aside.hindered:
                    self._tell_trouble("")
            except (QueueDown, SpoolTrouble) as trouble:
                if isinstance(trouble, QueueDown):
                    self._hints = []  # it hands them out again; after trouble with the spool they are ours to take
                self._tell_of(trouble)
                await asyncio.sleep(TROUBLE_PAUSE)
        await self._aside.stop()
        await asyncio.gather(*self._opening, return_exceptions=True)
        with contextlib.suppress(QueueDown):  # it hands them out again, and the claims decide (I2)
            await loop.run_in_executor(self._hands, self._finish)
        await loop.run_in_executor(self._hands, self._queue.close)
        self._hands.shutdown()

    async def _room(self, may_claim: Callable[[], bool]) -> int:
        """How many hints to take, after a pause where that is few, or none. Those of urgent mail come first."""
        can = may_claim()
        if can and (room := self._bag.room()):
            return min(MOST_HINTS, room)
        await asyncio.get_running_loop().run_in_executor(self._hands, self._finish)
        if not can:
            await asyncio.sleep(TROUBLE_PAUSE)
            return 0
        await asyncio.sleep(FULL_PAUSE)
        return min(FULL_HINTS, self._bag.room(Priority.URGENT))

    async def open_again(self, provider: Provider) -> None:
        """A receiver's rest has ended before its time: its destinations are paused no more. SpoolTrouble."""
        now = time.time()
        await self._end(self._pauses.ended(provider, now), now)

    async def _end(self, pauses: Sequence[Pause], now: float) -> None:
        if pauses:
            await asyncio.wrap_future(self._spool.claim([], self._owner, now, pauses, LOADED))

    def _drained(self, provider: Provider) -> None:
        """A receiver that had mail enough can do with more."""
        task = asyncio.create_task(self._take_more(provider))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _take_more(self, provider: Provider) -> None:
        now = time.time()
        with contextlib.suppress(SpoolTrouble):  # they are short: they end by themselves
            await self._end(self._pauses.drained(provider, now), now)

    def _fetch(self, limit: int) -> list[Preview]:
        """In the queue's thread, all in one turn: the last batch is done with, the next one comes, and the spool says
        what that is."""
        self._finish()
        if not self._hints:
            self._hints = self._queue.reserve([DEFAULT_LANE], limit, RESERVE_TIME)
        numbers = list(dict.fromkeys(hint.delivery for hint in self._hints))
        return self._spool.preview(numbers, time.time()) if numbers else []

    def _finish(self) -> None:
        if self._taken:
            self._taken, done, self._hints = False, self._hints, []
            if done:
                self._queue.done(done)

    def _tell_of(self, trouble: QueueDown | SpoolTrouble) -> None:
        matter = matter_of(trouble) if isinstance(trouble, SpoolTrouble) else log.Matter.QUEUE_DOWN
        self._tell_trouble(str(trouble), matter)

    def _tell_trouble(self, trouble: str, matter: log.Matter = log.Matter.QUEUE_DOWN) -> None:
        if trouble != self.trouble:
            if trouble:
                log.event(matter, f"no new deliveries are taken: {trouble}", log.Level.WARNING, reason=trouble)
                self._back = log.Matter.QUEUE_BACK if matter is log.Matter.QUEUE_DOWN else log.Matter.SPOOL_BACK
            else:
                log.event(self._back, "deliveries are taken again", log.Level.NOTICE)
        self.trouble = trouble

    async def _take(self, previews: Sequence[Preview]) -> None:
        if not previews:
            return
        now = time.time()
        gone = [preview.delivery for preview in previews if preview.expires_at <= now]
        groups: dict[Bound, list[Preview]] = {}
        by_client = self._router.ways.by_client
        companions: list[Preview] = []
        for preview in previews:
            if preview.expires_at > now and preview.hinted:
                groups.setdefault(bound_of(preview, by_client), []).append(preview)
            elif preview.hinted is False:
                companions.append(preview)
        self._router.ways.next_round()
        asked = {*groups, *(bound_of(preview, by_client) for preview in companions)}
        routes = {bound: self._route(bound) for bound in asked}
        hopeful = [routes[bound] for bound in groups if bound[0] not in self._aside]
        if hopeful:
            await asyncio.wait(hopeful, timeout=ROUTE_TIME)
        known: dict[Bound, Route | Unroutable] = {}
        pauses: list[Pause] = []
        for bound, task in routes.items():
            if task.done():
                known[bound] = route_of(bound[0], task)
            elif bound in groups:
                pauses += self._aside.put(bound, groups.pop(bound), task)
        await self._claim(Wanted(groups, known, gone, companions, by_client), pauses)

    def _route(self, bound: Bound) -> "asyncio.Future[Route | Unroutable]":
        return asyncio.ensure_future(self._router.route(*bound))

    async def _claim(self, wanted: Wanted, pauses: list[Pause]) -> None:
        """Claim what there is room for, the best priorities first, and what is past its expiry."""
        now = time.time()
        chosen = [*wanted.gone]
        sites: set[tuple[int, Site]] = set()  # messages that are claimed for a site
        promised: Counter[tuple[str, str]] = Counter()  # by receiver and source
        short: set[Bound] = set()  # where there was no room for all
        for priority, bound, previews in wanted.by_priority():
            route = wanted.routes[bound]
            room, coming = len(previews), 0
            if bound in short:
                continue
            if isinstance(route, Route):
                place = (route.site.name, route.site.source)
                capacity = self._bag.capacity(route.site, time.monotonic(), priority, route.rule)
                room = max(0, capacity - promised[place])
                promised[place] += min(room, len(previews))
                coming = promised[place]
                sites.update((preview.message, route.site) for preview in previews[:room])
            elif route.wait:  # our nameservers are gone: what would be said of the mail is no word about it (I8)
                room = 0
            chosen += [preview.delivery for preview in previews[:room]]
            if room < len(previews):
                short.add(bound)
                pauses.append(self._pauses.of(Stream(bound[0], priority), route, now, coming))
        chosen += wanted.going_along(sites)
        if not chosen and not pauses:
            return
        claims = await asyncio.wrap_future(self._spool.claim(chosen, self._owner, now, pauses, LOADED))
        self._pass_on(claims, wanted, now)
        self._pauses.said()
        if now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY
            self._pauses.forget(now)

    def _pass_on(self, claims: Iterable[Claim], wanted: Wanted, now: float) -> None:
        for claim in claims:
            try:
                route = None if claim.expires_at <= now else wanted.routes[wanted.bound(claim)]
                if route is None:
                    self._carrier.give_up(claim)
                elif isinstance(route, Route):
                    self._carrier.carry(claim, route)
                else:
                    self._carrier.conclude(claim, route)
            except Exception as error:  # noqa: BLE001  the others of the batch must not stay in nobody's hands
                text = f"put off, for it could not be dealt with: {error!r}"
                log.event(log.Matter.FAULT, text, log.Level.ERROR, queue_id=claim.queue_id, reason=repr(error))
                self._carrier.put_off(claim, repr(error))
