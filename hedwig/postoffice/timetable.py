"""When the feeder does what: named chores with their next times, and the clocks they go by."""

import time
from collections.abc import Callable
from dataclasses import dataclass

_NOW = float("-inf")


@dataclass(frozen=True, slots=True)
class Clocks:
    """Unix time, which may be set, and a monotonic one; both in seconds."""

    unix: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class Timetable:
    """Chores by name; each is due at once to begin with. `jumped` tells when Unix time was set."""

    def __init__(self, clocks: Clocks, *chores: str) -> None:
        self._clocks = clocks
        self._next = dict.fromkeys(chores, _NOW)
        self._offset = clocks.unix() - clocks.monotonic()

    def is_due(self, chore: str, every: float) -> bool:
        """Whether it is time for it; the next time is then `every` seconds from now."""
        now = self._clocks.monotonic()
        if now < self._next[chore]:
            return False
        self._next[chore] = now + every
        return True

    def at_once(self, *chores: str) -> None:
        """They are due now."""
        self._next.update(dict.fromkeys(chores, _NOW))

    def after(self, chore: str, seconds: float) -> None:
        """It is due so many seconds from now."""
        self._next[chore] = self._clocks.monotonic() + seconds

    def not_after(self, chore: str, when: float) -> None:
        """It is due at `when` (monotonic) or before."""
        self._next[chore] = min(self._next[chore], when)

    def wait(self) -> float:
        """Seconds until the next one is due; 0 where one is."""
        return max(0.0, min(self._next.values()) - self._clocks.monotonic())

    def jumped(self) -> float:
        """By how many seconds Unix time has gone another way than the monotonic clock since this was last asked."""
        offset = self._clocks.unix() - self._clocks.monotonic()
        jumped, self._offset = offset - self._offset, offset
        return jumped
