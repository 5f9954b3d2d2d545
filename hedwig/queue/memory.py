"""The queue in memory: for unit tests, with beanstalkd's manners.

A Broker is the server; `Broker.open` gives a Queue on it, as a connection would be. Reserved hints go back when their
Queue is closed or after 120 s. `restart` empties it as a killed server would be; `down` makes every call say QueueDown.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hedwig.queue import Hint, QueueDown

HINT_TTR = 120.0


@dataclass(order=True, slots=True)
class _Job:
    priority: int
    number: int
    delivery: int = field(compare=False)
    lane: str = field(compare=False)


class Broker:
    """What several Queue objects share. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.down = False
        self._clock = clock
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._ready: dict[str, list[_Job]] = {}
        self._reserved: dict[int, tuple[_Job, MemoryQueue, float]] = {}
        self._generation = 1

    def open(self) -> "MemoryQueue":
        """A new Queue on this broker."""
        return MemoryQueue(self)

    def restart(self) -> None:
        """Forget all hints and take another identity."""
        with self._changed:
            self._ready.clear()
            self._reserved.clear()
            self._generation += 1

    def _check(self) -> None:
        if self.down:
            raise QueueDown("the queue in memory was told to be down")
        now = self._clock()
        for job, _, _until in [held for held in self._reserved.values() if held[2] <= now]:
            del self._reserved[job.number]
            heapq.heappush(self._ready.setdefault(job.lane, []), job)


class MemoryQueue:
    """A Queue on a Broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def put(self, hints: Sequence[Hint], priority: int = 1) -> None:
        """Add hints."""
        broker = self._broker
        with broker._changed:
            broker._check()
            for hint in hints:
                job = _Job(priority, next(broker._numbers), hint.delivery, hint.lane)
                heapq.heappush(broker._ready.setdefault(hint.lane, []), job)
            broker._changed.notify_all()

    def reserve(self, lanes: Iterable[str], limit: int, timeout: float) -> list[Hint]:
        """Take up to `limit` hints; waits for the first."""
        broker = self._broker
        wanted = set(lanes)
        if not wanted:
            raise ValueError("reserve needs a lane")
        until = time.monotonic() + timeout
        with broker._changed:
            while True:
                broker._check()
                taken = self._take(wanted, limit)
                left = until - time.monotonic()
                if taken or left <= 0:
                    return taken
                broker._changed.wait(left)

    def _take(self, lanes: set[str], limit: int) -> list[Hint]:
        broker = self._broker
        taken: list[Hint] = []
        while len(taken) < limit:
            heaps = [heap for lane, heap in broker._ready.items() if lane in lanes and heap]
            if not heaps:
                break
            job = heapq.heappop(min(heaps, key=lambda heap: heap[0]))
            broker._reserved[job.number] = (job, self, broker._clock() + HINT_TTR)
            taken.append(Hint(job.delivery, job.lane, job.number))
        return taken

    def done(self, hints: Iterable[Hint]) -> None:
        """Delete hints that this Queue has reserved."""
        broker = self._broker
        with broker._changed:
            broker._check()
            for hint in hints:
                held = broker._reserved.get(hint.job)
                if held is not None and held[1] is self:
                    del broker._reserved[hint.job]

    def counts(self) -> dict[str, int]:
        """Hints that lie ready, by lane."""
        with self._broker._changed:
            self._broker._check()
            return {lane: len(heap) for lane, heap in self._broker._ready.items() if heap}

    def instance(self) -> str:
        """Another value after each `restart`."""
        with self._broker._changed:
            self._broker._check()
            return f"memory-{self._broker._generation}"

    def close(self) -> None:
        """Give reserved hints back."""
        broker = self._broker
        with broker._changed:
            for number, (job, holder, _) in list(broker._reserved.items()):
                if holder is self:
                    del broker._reserved[number]
                    heapq.heappush(broker._ready.setdefault(job.lane, []), job)
            broker._changed.notify_all()
