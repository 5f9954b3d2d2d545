"""Which destinations workers have paused, and which pauses are news. Pure: it is told what the spool knows.

A pause may be shorter than the time between two looks. It still says that the hints put before it were dropped, so it
is asked for until SEEN_FOR seconds after its end, and reported once.
"""

from collections.abc import Iterable

from hedwig.spool import Pause

SEEN_FOR = 5.0


class Pausing:
    """`paused`: destinations not to be hinted now."""

    def __init__(self) -> None:
        self.paused: set[str] = set()
        self._seen: set[tuple[str, float]] = set()  # destination, since

    def changed(self, known: Iterable[Pause], now: float) -> set[str]:
        """Destinations whose hints are to be forgotten: newly paused, newly free, or paused in between.

        `known`: the pauses that end after `now` - SEEN_FOR.
        """
        pauses = list(known)
        paused = {pause.destination for pause in pauses if pause.until > now}
        news = {pause.destination for pause in pauses if (pause.destination, pause.since) not in self._seen}
        changed = (paused ^ self.paused) | news
        self._seen = {(pause.destination, pause.since) for pause in pauses}
        self.paused = paused
        return changed
