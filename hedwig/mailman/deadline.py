"""A moment after which something is ended, for calls that can't be given one.

One thread for each Deadline, begun when it is first needed. Moving the moment on, as each request does, costs a lock
and most often wakes nobody: the thread looks again when the moment it knows has come.
"""

import math
import threading
import time
from collections.abc import Callable


class Deadline:
    """Calls `strike`, in its thread, when the moment has passed; that returns the next moment, `math.inf` for none.
    Thread-safe, but `strike` must not call it."""

    def __init__(self, strike: Callable[[], float]) -> None:
        self._strike = strike
        self._changed = threading.Condition()
        self._at = math.inf
        self._asleep_until = math.inf
        self._thread: threading.Thread | None = None
        self._ended = False

    def set(self, at: float = math.inf) -> None:
        """Strike at `at` on the monotonic clock, or not at all. Once this has returned no earlier moment strikes."""
        with self._changed:
            self._at = at
            if self._thread is None and at < math.inf:
                self._thread = threading.Thread(target=self._run, name="deadline", daemon=True)
                self._thread.start()
            elif at < self._asleep_until:
                self._changed.notify()

    def end(self) -> None:
        """Strike no more, and end the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._ended:
                left = self._at - time.monotonic()
                if left > 0:
                    self._asleep_until = self._at
                    self._changed.wait(left if left < math.inf else None)
                else:
                    self._at = self._strike()
