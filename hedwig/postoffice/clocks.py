"""How far the clocks of other hosts are from this one's: deadlines in minutes must hold though a host is minutes wrong.

Each request says when it was made, by its host's clock. What has passed since is the time that it took and the clocks'
difference, and one can't be told from the other: a request may have waited for long, in a frozen postoffice say, and
what is stale must not look fresh for that. So the least of what was seen lately counts, of small messages: a clock that
was right before looks slow when it has done so for PERIOD.
"""

import threading
from dataclasses import dataclass

from hedwig.postoffice.submission import Submission
from hedwig.settings import MIB

PERIOD = 60.0  # seconds
USUAL = (-2.0, 10.0)  # seconds of difference that are taken for none: a request's way, and clocks that are nearly right
SMALL = 1 * MIB  # octets; what is larger takes its time


@dataclass(slots=True)
class _Seen:
    """The least difference seen in this period, and in the one before it."""

    since: float
    least: float
    before: float


class Clocks:
    """Of all clients. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}

    def behind(self, client: str, submission: Submission, now: float) -> float:
        """Seconds by which the clock of `client`, who sends this just now, is behind (below 0: ahead); 0 where there is
        no telling, or little."""
        with self._lock:
            seen = self._seen.get(client)
            if submission.sent_at is not None and submission.body.size <= SMALL:
                seen = self._seen[client] = _noted(seen, now - submission.sent_at, now)
        if seen is None:
            return 0.0
        least, most = USUAL
        difference = min(seen.least, seen.before)
        return 0.0 if least <= difference <= most else difference


def _noted(seen: _Seen | None, difference: float, now: float) -> _Seen:
    if seen is None:
        return _Seen(now, difference, difference)
    if abs(now - seen.since) > PERIOD:
        return _Seen(now, difference, seen.least)
    return _Seen(seen.since, min(seen.least, difference), seen.before)
