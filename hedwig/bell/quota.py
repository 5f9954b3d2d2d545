"""A client met its quota: one line in the journal, and so an alert; again for the same quota after an hour.

    QuotaAlarm().hit("less.example.com", "1000 recipients an hour", frees_at)

It may be called for each message that is refused.
"""

import threading
import time
from collections.abc import Callable

from hedwig import log, moments

HUSH = 3600.0  # seconds
_MOST = 10_000


class QuotaAlarm:
    """Thread-safe. `ticks`: monotonic seconds."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], float] = {}

    def hit(self, client: str, quota: str, frees_at: float, who: str = "") -> None:
        """`quota`: in words, "100 messages an hour"; `frees_at`: Unix seconds from which it takes mail again; `who`:
        the container, where the quota is one container's."""
        key, now = (f"{client}/{who}", quota), self._ticks()
        with self._lock:
            if now < self._told.get(key, 0.0):
                return
            if len(self._told) >= _MOST:
                self._told.clear()
            self._told[key] = now + HUSH
        of = f"{who} on {client}" if who else client
        text = f"{of} has used up its quota of {quota}; more is taken from {moments.utc(frees_at)} on"
        log.event(log.Matter.QUOTA_HIT, text, log.Level.WARNING, client=client, container=who, reason=quota)
