"""What workers have paused, and which pauses are news. Pure: it is told what the spool knows.

A pause is of a destination, from a priority on: what is better than that goes on. A pause may be shorter than the time
between two looks. It still says that the hints put before it were dropped, so it is asked for until SEEN_FOR seconds
after its end, and reported once; after a look that was late (the process stood still, the spool could not be read), as
far back as the look before.
"""

import math
from collections.abc import Iterable

from hedwig.spool import Pause, Stream

SEEN_FOR = 5.0
SHORT = 2.5  # seconds: a worker's pause that ends by then may end at any moment


class Pausing:
    """Which streams are not to be hinted now."""

    def __init__(self) -> None:
        self._from: dict[str, int] = {}  # destination: the best priority that is paused
        self._seen: set[tuple[str, float]] = set()  # destination, since
        self._looked = math.inf
        self.short = False  # one of those that hold is short

    def is_paused(self, stream: Stream) -> bool:
        """Whether it is one of them."""
        first = self._from.get(stream.destination)
        return first is not None and stream.priority >= first

    def asked_from(self, now: float) -> float:
        """Pauses that end after this time are to be known."""
        return min(self._looked, now) - SEEN_FOR

    def changed(self, known: Iterable[Pause], now: float) -> dict[str, int]:
        """Destinations of which hints are to be forgotten, and from which priority on: newly paused, newly free, or
        paused in between.

        `known`: the pauses that end after `asked_from(now)`.
        """
        self._looked = now
        pauses = list(known)
        paused: dict[str, int] = {}
        changed: dict[str, int] = {}
        self.short = any(now < pause.until <= now + SHORT for pause in pauses)
        for pause in pauses:
            if pause.until > now:
                _best(paused, pause.destination, pause.priority)
            if (pause.destination, pause.since) not in self._seen:
                _best(changed, pause.destination, pause.priority)
        for destination in paused.keys() | self._from.keys():
            before, after = self._from.get(destination), paused.get(destination)
            if before != after:
                _best(changed, destination, min(each for each in (before, after) if each is not None))
        self._seen = {(pause.destination, pause.since) for pause in pauses}
        self._from = paused
        return changed


def _best(of: dict[str, int], destination: str, priority: int) -> None:
    of[destination] = min(priority, of.get(destination, priority))
