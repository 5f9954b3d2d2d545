"""Windows: how many hints may be out, for each stream and lane. Pure rules; the feeder does the work.

A *stream* is what goes to one destination in one priority. A hint is *out* from when it was put on the queue until its
delivery is found to be no longer waiting in the spool. A destination's window is what its deliveries have lately taken
in SECONDS seconds, at least LEAST; a lane's likewise, at least LANE_LEAST. So a tarpit with 50,000 letters has 100
hints ahead of a fresh one, and a fast receiver never runs dry (I9). Hints for fresh mail look at the destination's
window only, up to LANE_MOST a lane, which bounds memory.

In the windows of a stream count its own hints and those of better priorities, which are taken before; not those of
worse ones. So an urgent letter finds room where bulk has filled the window, and goes out on top of it; and while better
ones fill a destination's window, no worse ones are added. Of a lane better ones have SHARE at the most: what is urgent
to broken receivers must not keep the hints of others away (I9). With three priorities three windows may be out.

Rates rise at once and fall slowly, so that a window doubles from one look to the next.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from hedwig.queue import DEFAULT_LANE
from hedwig.spool import Stream

SECONDS = 2.0
LEAST = 100
LANE_LEAST = 1000
LANE_MOST = 20_000
SHARE = 9 / 10  # of a lane that is taken by better priorities, for those that come after them
_FALL = 2.0  # seconds in which a rate that has become smaller falls to 1/e of the difference
_NEGLIGIBLE = 0.5  # a second; a destination with no hints out and a smaller rate is forgotten
_NONE: Mapping[int, float] = {}


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
        self._out: dict[str, dict[int, dict[int, float]]] = {}  # destination: priority: delivery: since when
        self._paces: dict[str, _Pace] = {}
        self._lane_out: dict[str, dict[int, int]] = {}  # lane: how many of each priority
        self._lane_paces: dict[str, _Pace] = {}

    def __len__(self) -> int:
        return sum(self.lanes().values())

    def size(self, destination: str) -> int:
        """The destination's window."""
        pace = self._paces.get(destination)
        return max(LEAST, math.ceil(SECONDS * pace.rate)) if pace else LEAST

    def out(self, stream: Stream) -> Mapping[int, float]:
        """Its deliveries that are hinted, with the time of the hint."""
        return self._out.get(stream.destination, {}).get(stream.priority, _NONE)

    def room(self, stream: Stream) -> int:
        """How many more hints it may have."""
        return max(0, self.size(stream.destination) - self._before(stream))

    def low(self, stream: Stream) -> bool:
        """Whether half of the window or more is free."""
        return 2 * self._before(stream) <= self.size(stream.destination)

    def _before(self, stream: Stream) -> int:
        """How many hints of the destination are taken before a new one of this stream."""
        count = 0
        if out := self._out.get(stream.destination):
            for priority, hints in out.items():
                if priority <= stream.priority:
                    count += len(hints)
        return count

    def lane_size(self, lane: str) -> int:
        """The lane's window."""
        pace = self._lane_paces.get(lane)
        return max(LANE_LEAST, math.ceil(SECONDS * pace.rate)) if pace else LANE_LEAST

    def lane_room(self, stream: Stream) -> int:
        """How many more hints the stream's lane may have of it, when windows are topped up."""
        lane = self._lane_of(stream.destination)
        size = self.lane_size(lane)
        better = self._lane_before(lane, stream.priority)
        own = self._lane_out.get(lane, {}).get(stream.priority, 0)
        return max(0, size - own - min(better, int(size * SHARE)))

    def _lane_before(self, lane: str, priority: int) -> int:
        """How many hints of the lane are of better priorities."""
        better = 0
        if out := self._lane_out.get(lane):
            for other, count in out.items():
                if other < priority:
                    better += count
        return better

    def fresh_room(self, stream: Stream) -> int:
        """How many hints it may have at once for deliveries that were just registered."""
        lane = self._lane_of(stream.destination)
        return self.room(stream) if self._lane_before(lane, stream.priority + 1) < LANE_MOST else 0

    def full_lanes(self) -> list[str]:
        """Lanes without room for just anything."""
        return [lane for lane, count in self.lanes().items() if count >= self.lane_size(lane)]

    def hinted(self, stream: Stream, deliveries: Iterable[int], now: float) -> None:
        """These hints are out since `now` (again, perhaps)."""
        destination, priority = stream
        out = self._out.setdefault(destination, {}).setdefault(priority, {})
        before = len(out)
        out.update(dict.fromkeys(deliveries, now))
        self._count(destination, priority, len(out) - before)

    def _count(self, destination: str, priority: int, more: int) -> None:
        counts = self._lane_out.setdefault(self._lane_of(destination), {})
        counts[priority] = counts.get(priority, 0) + more

    def every(self) -> list[int]:
        """All deliveries that are hinted."""
        return [delivery for out in self._out.values() for hints in out.values() for delivery in hints]

    def taken(self, waiting: set[int], seconds: float) -> int:
        """Of all that is out only `waiting` still waits, `seconds` after the last time: count and rates follow."""
        lanes: Counter[str] = Counter()
        for destination in [*self._paces.keys() | self._out.keys()]:
            count = 0
            for priority, hints in self._out.get(destination, {}).items():
                gone = [delivery for delivery in hints if delivery not in waiting]
                for delivery in gone:
                    del hints[delivery]
                if gone:
                    self._count(destination, priority, -len(gone))
                    count += len(gone)
            lanes[self._lane_of(destination)] += count
            self._saw(destination, count, seconds)
        for lane, count in lanes.items():
            self._lane_paces.setdefault(lane, _Pace()).saw(count, seconds)
        return lanes.total()

    def _saw(self, destination: str, gone: int, seconds: float) -> None:
        pace = self._paces.get(destination)
        if pace is None:
            pace = self._paces[destination] = _Pace()
        pace.saw(gone, seconds)
        if not any(self._out.get(destination, {}).values()):
            self._out.pop(destination, None)
            if pace.rate < _NEGLIGIBLE:
                del self._paces[destination]

    def stale(self, before: float) -> dict[Stream, list[int]]:
        """Hints put before that time, by stream."""
        found = {
            Stream(destination, priority): [delivery for delivery, put in hints.items() if put < before]
            for destination, out in self._out.items()
            for priority, hints in out.items()
        }
        return {stream: deliveries for stream, deliveries in found.items() if deliveries}

    def lanes(self) -> dict[str, int]:
        """How many hints are out, by lane."""
        return {lane: sum(counts.values()) for lane, counts in self._lane_out.items()}

    def forget(self, stream: Stream) -> None:
        """Its hints are out no more (they were dropped)."""
        hints = self._out.get(stream.destination, {}).pop(stream.priority, None)
        if hints:
            self._count(*stream, -len(hints))

    def forget_all(self) -> None:
        """The queue began anew, or the clock was set: no hint is out. Rates stay."""
        self._out.clear()
        self._lane_out.clear()
