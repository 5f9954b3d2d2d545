"""Pauses: what a worker says to the feeder of destinations that it takes no mail for now, and until when (I9). Pure.

A destination whose receiver rests is paused for REST_MOST seconds at a time; `lasts` says when the rest ends. When it
ends earlier, because the operator says so, the pauses end, too. So do those of a receiver that has mail enough for now,
once half of that is carried: by its pace alone connections would run dry, or hints be dropped in vain. An end names the
pause that it ends, so that none which was said meanwhile goes with it.
"""

import time
from collections import defaultdict

from hedwig.routing import Site
from hedwig.spool import Pause, Stream
from hedwig.spool.stops import paused_because
from hedwig.worker.bag import Bag
from hedwig.worker.provider import Provider
from hedwig.worker.route import Route, Unroutable

PROBE_PAUSE = 0.5  # seconds, while one connection finds out whether a site is back
REST_MOST = 60.0
CROWDED_PAUSE = 1.0

Told = defaultdict[tuple[str, str], dict[str, Pause]]  # of a receiver, by name and source: what was said last


class Pauses:
    """Of one worker. `now` is in Unix seconds."""

    def __init__(self, bag: Bag) -> None:
        self._bag = bag
        self._resting: Told = defaultdict(dict)
        self._busy: Told = defaultdict(dict)
        self._enough: list[Provider] = []  # what was said of these is not in the spool yet

    def of(self, stream: Stream, route: Route | Unroutable, now: float, coming: int = 0) -> Pause:
        """What to say of a stream of which not all could be claimed; `coming`: how many for that receiver are."""
        destination, priority = stream
        if isinstance(route, Unroutable):
            return Pause(destination, now, now + route.wait, route.said.detail)
        state = self._bag.of(route.site)
        moment = time.monotonic()
        rest = state.provider.opens() - moment
        if rest > 0:
            return self._rest(route.site, destination, now, rest, state.provider.why(moment))
        cools = state.not_before - moment
        if state.failures:
            return Pause(destination, now, now + max(cools, PROBE_PAUSE), state.reason)
        if cools > 0:
            pause = self._rest(route.site, destination, now, cools, state.reason)
            return pause._replace(lasts=now + max(cools, state.lasts - moment))
        if not state.couriers and not self._bag.connections.may_open(priority):
            why = "all connections of this worker are in use"
            return Pause(destination, now, now + CROWDED_PAUSE, why, priority)
        if not self._bag.room(priority):
            return Pause(destination, now, now + CROWDED_PAUSE, "this worker has as much mail as it may", priority)
        pause = Pause(destination, now, now + state.provider.busy_for(coming), "all its connections are busy", priority)
        self._busy[state.provider.name, state.provider.source][destination] = pause
        self._enough.append(state.provider)
        return pause

    def said(self) -> None:
        """They are in the spool, and what was claimed with them is in the bag: half of that is for each to wait for."""
        for provider in self._enough:
            provider.low = provider.waiting.total() // 2
        self._enough.clear()

    def _rest(self, site: Site, destination: str, now: float, seconds: float, why: str) -> Pause:
        lasts = (
            0.0 if why == paused_because(site.name) else now + seconds
        )  # that pause stands in the spool, with its end
        pause = Pause(destination, now, now + min(max(seconds, PROBE_PAUSE), REST_MOST), why, lasts=lasts)
        self._resting[site.name, site.source][destination] = pause
        return pause

    def ended(self, provider: Provider, now: float) -> list[Pause]:
        """The ends of those that were said because this receiver rests."""
        return _ends(self._resting, provider, now)

    def drained(self, provider: Provider, now: float) -> list[Pause]:
        """The ends of those that were said because it had enough."""
        return _ends(self._busy, provider, now)

    def forget(self, now: float) -> None:
        """Those that are over by themselves."""
        for told in (self._resting, self._busy):
            for key, pauses in list(told.items()):
                told[key] = {destination: pause for destination, pause in pauses.items() if pause.until > now}
                if not told[key]:
                    del told[key]


def _ends(told: Told, provider: Provider, now: float) -> list[Pause]:
    pauses = told.pop((provider.name, provider.source), {})
    return [pause._replace(until=now, reason="") for pause in pauses.values() if pause.until > now]
