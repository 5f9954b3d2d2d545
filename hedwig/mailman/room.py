"""Whether a message still fits into mailman's own spool: `spool_limit`.

The spool is asked at most once in a while, in a thread, for a disk may be slow; in between what is added is counted. A
refusal is never given before it was asked again: the backlog may have made room.
"""

import asyncio
import time
from collections.abc import Callable

from hedwig.spool import Intake

FRESH = 0.5  # seconds


class Room:
    """For one event loop. `clock` is monotonic."""

    def __init__(self, spool: Intake, clock: Callable[[], float] = time.monotonic) -> None:
        self._spool = spool
        self._clock = clock
        self._used = 0
        self._asked_at = float("-inf")

    async def take(self, octets: int, limit: int) -> bool:
        """Whether `octets` more are within `limit`; then they count. SpoolTrouble where the spool can't be read."""
        if self._clock() - self._asked_at > FRESH or self._used + octets > limit:
            self._used = await asyncio.get_running_loop().run_in_executor(None, self._spool.used)
            self._asked_at = self._clock()
        if self._used + octets > limit:
            return False
        self._used += octets
        return True
