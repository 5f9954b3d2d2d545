"""The alarm behind all deadlines of one connection (RFC 5321 §4.5.3.2), on the event loop's clock.

A session sets a deadline for each reply, a dozen a message, and hardly one ever passes. So a deadline is a number, and
the loop has at most one timer for it, which is not touched as long as deadlines only move away.
"""

import asyncio
import math
from collections.abc import Callable


class Watch:
    """One deadline, moved often at little cost: the timer is set anew only when it rings too early or would ring too
    late."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due: float) -> None:
        """Ring at `due` on the loop's clock, unless it is moved before; math.inf: never."""
        self._due = due
        if due == math.inf or (self._timer is not None and self._timer.when() <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._ring)

    def stop(self) -> None:
        """Never ring again."""
        self._due = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._loop.time() >= self._due:
            self._expired()
        else:
            self.set(self._due)
