"""Windows: how many hints may be out, for each destination and lane. Pure rules; the feeder does the work.

A hint is *out* from when it was put on the queue until its delivery is found to be no longer waiting in the spool.
A destination's window is what its deliveries have lately taken in SECONDS seconds, at least LEAST; a lane's likewise,
at least LANE_LEAST. So a tarpit with 50,000 letters has 100 hints ahead of a fresh one, and a fast receiver never runs
dry (I9). Hints for fresh mail look at the destination's window only, up to LANE_MOST a lane, which bounds memory.

Rates rise at once and fall slowly, so that a window doubles from one look to the next.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable

from hedwig.queue import DEFAULT_LANE

SECONDS = 2.0
LEAST = 100
LANE_LEAST = 1000
LANE_MOST = 20_000
_FALL = 2.0  # seconds in which a rate that has become smaller falls to 1/e of the difference
_NEGLIGIBLE = 0.5  # a second; a destination with no hints out and a smaller rate is forgotten


def one_lane(_destination: str) -> str:
    """Every destination in the default lane."""
    return DEFAULT_LANE


class _Pace:
    """How fast hints are taken: a rate a second, rising at once, falling slowly."""

    __slots__ = ("rate",)

    def __init__(self) -> None:
        self.rate = 0.0

    def saw(self, taken: int, seconds: float) -> None:
        seen = taken / seconds
        weight = 0.5 if seen > self.rate else 1 - math.exp(-seconds / _FALL)
        self.rate += weight * (seen - self.rate)


class Windows:
    """All hints that are out. Times are Unix seconds."""

    def __init__(self, lane_of: Callable[[str], str]) -> None:
        self._lane_of = lane_of
        self._out: dict[str, dict[int, float]] = {}
        self._paces: dict[str, _Pace] = {}
        self._lane_out: dict[str, int] = {}
        self._lane_paces: dict[str, _Pace] = {}

    def __len__(self) -> int:
        return sum(self._lane_out.values())

    def size(self, destination: str) -> int:
        """The destination's window."""
        pace = self._paces.get(destination)
        return max(LEAST, math.ceil(SECONDS * pace.rate)) if pace else LEAST

    def out(self, destination: str) -> dict[int, float]:
        """Its deliveries that are hinted, with the time of the hint. Not to be changed."""
        return self._out.get(destination, {})

    def room(self, destination: str) -> int:
        """How many more hints it may have."""
        return max(0, self.size(destination) - len(self.out(destination)))

    def low(self, destination: str) -> bool:
        """Whether half of the window or more is free."""
        return 2 * len(self.out(destination)) <= self.size(destination)

    def lane_size(self, lane: str) -> int:
        """The lane's window."""
        pace = self._lane_paces.get(lane)
        return max(LANE_LEAST, math.ceil(SECONDS * pace.rate)) if pace else LANE_LEAST

    def lane_room(self, destination: str) -> int:
        """How many more hints the destination's lane may have, when windows are topped up."""
        lane = self._lane_of(destination)
        return max(0, self.lane_size(lane) - self._lane_out.get(lane, 0))

    def fresh_room(self, destination: str) -> bool:
        """Whether a delivery that was just registered may be hinted at once."""
        lane = self._lane_of(destination)
        return self._lane_out.get(lane, 0) < LANE_MOST and self.room(destination) > 0

    def full_lanes(self) -> list[str]:
        """Lanes without room."""
        return [lane for lane, count in self._lane_out.items() if count >= self.lane_size(lane)]

    def hinted(self, destination: str, deliveries: Iterable[int], now: float) -> None:
        """These hints are out since `now` (again, perhaps)."""
        out = self._out.setdefault(destination, {})
        before = len(out)
        out.update(dict.fromkeys(deliveries, now))
        lane = self._lane_of(destination)
        self._lane_out[lane] = self._lane_out.get(lane, 0) + len(out) - before

    def every(self) -> list[int]:
        """All deliveries that are hinted."""
        return [delivery for out in self._out.values() for delivery in out]

    def taken(self, waiting: set[int], seconds: float) -> int:
        """Of all that is out only `waiting` still waits, `seconds` after the last time: count and rates follow."""
        lanes: Counter[str] = Counter()
        for destination in [*self._paces.keys() | self._out.keys()]:
            out = self._out.get(destination, {})
            gone = [delivery for delivery in out if delivery not in waiting]
            for delivery in gone:
                del out[delivery]
            lanes[self._lane_of(destination)] += len(gone)
            self._saw(destination, len(gone), seconds)
        for lane, count in lanes.items():
            self._lane_out[lane] = self._lane_out.get(lane, 0) - count
            self._lane_paces.setdefault(lane, _Pace()).saw(count, seconds)
        return lanes.total()

    def _saw(self, destination: str, gone: int, seconds: float) -> None:
        pace = self._paces.get(destination)
        if pace is None:
            pace = self._paces[destination] = _Pace()
        pace.saw(gone, seconds)
        if not self._out.get(destination):
            self._out.pop(destination, None)
            if pace.rate < _NEGLIGIBLE:
                del self._paces[destination]

    def stale(self, before: float) -> dict[str, list[int]]:
        """Hints put before that time, by destination."""
        found = {
            destination: [delivery for delivery, put in out.items() if put < before]
            for destination, out in self._out.items()
        }
        return {destination: deliveries for destination, deliveries in found.items() if deliveries}

    def lanes(self) -> dict[str, int]:
        """How many hints are out, by lane."""
        return dict(self._lane_out)

    def forget(self, destination: str) -> None:
        """Its hints are out no more (they were dropped)."""
        out = self._out.pop(destination, {})
        if out:
            self._lane_out[self._lane_of(destination)] -= len(out)

    def forget_all(self) -> None:
        """The queue began anew: no hint is out. Rates stay."""
        self._out.clear()
        self._lane_out.clear()

    def shift(self, seconds: float) -> None:
        """The clock was set by so many seconds."""
        for out in self._out.values():
            for delivery in out:
                out[delivery] += seconds
