"""How far the clocks of other hosts are from this one's: deadlines in minutes must hold though a host is minutes wrong.

Each request says when it was made, by its host's clock. What has passed since is the time that it took and the clocks'
difference, and one can't be told from the other: a request may have waited for long, in a frozen postoffice say, and
what is stale must not look fresh for that. So the least of what was seen lately counts, of small messages: a clock that
was right before looks slow when it has done so for PERIOD. But a request waits only so long: where the differences of
two requests in a row are JUMP apart, the clock was set, and all that was seen before is forgotten. So it is after a
smaller step, of SHIFT or more, where the same difference, to STEADY, is seen for SURE seconds: waiting is not so exact,
for what is read after a standstill is of every age.

What is said stays the same to the bit while the difference moves by less than STEADY: accepted_at is corrected by it
(registration.py), and messages of one host must keep their order.
"""

import threading
from dataclasses import dataclass, replace

from hedwig.postoffice.submission import Submission
from hedwig.settings import MIB

PERIOD = 60.0  # seconds
USUAL = (-2.0, 10.0)  # seconds of difference that are taken for none: a request's way, and clocks that are nearly right
JUMP = 600.0  # seconds of difference between two requests that are no waiting any more
SHIFT = 60.0  # seconds of difference that no request waits for again and again: mailman gives one up after half of it
SURE = 5.0  # seconds, and
SURE_AFTER = 3  # requests in a row
STEADY = 1.0  # seconds that the difference may move before another one is said
SMALL = 1 * MIB  # octets; what is larger takes its time


@dataclass(slots=True)
class _Seen:
    """The least difference seen in this period, and in the one before it; the last one; and what was said. `same`: a
    difference that is seen again and again, since when, and how often."""

    since: float
    least: float
    before: float
    last: float
    said: float
    same: float
    same_since: float
    times: int = 1


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
                if abs(min(seen.least, seen.before) - seen.said) > STEADY:
                    seen.said = min(seen.least, seen.before)
            difference = 0.0 if seen is None else seen.said
        least, most = USUAL
        return 0.0 if least <= difference <= most else difference


def _noted(seen: _Seen | None, difference: float, now: float) -> _Seen:
    if seen is None or abs(difference - seen.last) > JUMP:
        return _anew(difference, now)
    if abs(difference - seen.same) <= STEADY:
        seen = replace(seen, times=seen.times + 1)
        is_sure = seen.times >= SURE_AFTER and now - seen.same_since >= SURE
        if is_sure and abs(difference - min(seen.least, seen.before)) >= SHIFT:
            return _anew(difference, now)
    else:
        seen = replace(seen, same=difference, same_since=now, times=1)
    if abs(now - seen.since) > PERIOD:
        return replace(seen, since=now, least=difference, before=seen.least, last=difference)
    return replace(seen, least=min(seen.least, difference), last=difference)


def _anew(difference: float, now: float) -> _Seen:
    return _Seen(now, difference, difference, difference, difference, difference, now)
