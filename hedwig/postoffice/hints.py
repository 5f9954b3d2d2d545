"""Puts hints on the queue, those of better priorities first, and keeps the windows in step with it."""

from collections.abc import Callable, Sequence

from hedwig.postoffice.window import Windows
from hedwig.queue import Hint, Queue, QueueDown
from hedwig.spool import Stream, Waiting

LOST = 60.0  # seconds after which a hint that was not taken is looked for


def stream_of(waiting: Waiting) -> Stream:
    """The stream that a delivery belongs to."""
    return Stream(waiting.destination, waiting.priority)


class Hints:
    """On one queue. Times are Unix seconds."""

    def __init__(self, queue: Queue, windows: Windows, lane_of: Callable[[str], str]) -> None:
        self.queue = queue
        self._windows = windows
        self._lane_of = lane_of

    def put(self, waiting: Sequence[Waiting], now: float) -> None:
        """Put hints for these. QueueDown: some were put, perhaps, and none counts as out; a doubled hint does no harm
        (I2)."""
        by_priority: dict[int, list[Waiting]] = {}
        for one in waiting:
            by_priority.setdefault(one.priority, []).append(one)
        for priority in sorted(by_priority):
            group = by_priority[priority]
            try:
                self.queue.put([Hint(one.delivery, self._lane_of(one.destination)) for one in group], priority)
            except QueueDown:
                for stream in {stream_of(one) for one in waiting}:
                    self._windows.forget(stream)
                raise
            by_destination: dict[str, list[int]] = {}
            for one in group:
                by_destination.setdefault(one.destination, []).append(one.delivery)
            for destination, deliveries in by_destination.items():
                self._windows.hinted(Stream(destination, priority), deliveries, now)

    def put_lost(self, before: float, now: float) -> None:
        """Put again what was put before that time, unless the queue's counts say that it is all still there."""
        stale = self._windows.stale(before)
        if not stale:
            return
        ready, out = self.queue.counts(), self._windows.lanes()
        for stream, deliveries in stale.items():
            lane = self._lane_of(stream.destination)
            if ready.get(lane, 0) < out[lane]:
                self.queue.put([Hint(delivery, lane) for delivery in deliveries], stream.priority)
            self._windows.hinted(stream, deliveries, now)
