"""Tells the queue of deliveries that became due here: bounces, and what was handed back.

A courtesy that saves a minute: what this can't tell (queue down) the feeder finds by itself in the spool (I2).
"""

from concurrent.futures import ThreadPoolExecutor

from hedwig import log, routing
from hedwig.queue import Hint, Queue, QueueDown
from hedwig.spool import Waiting


class Hinter:
    """One thread with one connection of its own: greenstalk's are not thread-safe."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._hand = ThreadPoolExecutor(1, thread_name_prefix="hinter")

    def hint(self, deliveries: list[Waiting]) -> None:
        """Put hints, soon; returns at once."""
        if deliveries:
            self._hand.submit(self._put, deliveries)

    def close(self) -> None:
        """Put what was asked for, and end."""
        self._hand.submit(self._queue.close)
        self._hand.shutdown()

    def _put(self, deliveries: list[Waiting]) -> None:
        by_priority: dict[int, list[Hint]] = {}
        for waiting in deliveries:
            hint = Hint(waiting.delivery, routing.lane_of(waiting.destination))
            by_priority.setdefault(waiting.priority, []).append(hint)
        try:
            for priority, hints in by_priority.items():
                self._queue.put(hints, priority)
        except QueueDown as down:
            log.say(log.Level.DEBUG, f"{len(deliveries)} hints not put: {down}")
