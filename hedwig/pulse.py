"""Signs of life: whether a thread that works on its own still moves.

A thread says `busy(seconds)` before it begins something that must have ended by then, and `idle()` before it waits for
work without a bound. Whoever looks asks `stuck`: the time is over, or the thread has died. That is what the watchdog is
petted by (supervisor.py), so the bounds are wide: a disk that stalls for a minute is no reason to end a process that
waits for replies to its dots; a thread that never comes back is.

Without locks: one thread writes, others read single values.
"""

import math
import threading
import time
from collections.abc import Callable

STUCK = 120.0  # seconds; the bound for what usually takes milliseconds


class Pulse:
    """The life of one thread, `name` for the log. `of` makes it end with that thread."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._until = math.inf
        self._thread: threading.Thread | None = None
        self._ended = False

    def of(self, thread: threading.Thread) -> "Pulse":
        """The thread that it belongs to: if it dies before `end`, that counts as stuck."""
        self._thread = thread
        return self

    def busy(self, seconds: float = STUCK) -> None:
        """What I do now has ended within `seconds`."""
        self._until = self._clock() + seconds

    def idle(self) -> None:
        """I wait for work."""
        self._until = math.inf

    def end(self) -> None:
        """I end, as I should."""
        self._ended = True

    @property
    def stuck(self) -> bool:
        """Whether it should have moved, and has not."""
        if self._ended:
            return False
        dead = self._thread is not None and self._thread.ident is not None and not self._thread.is_alive()
        return dead or self._clock() > self._until
