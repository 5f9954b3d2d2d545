"""The waitlist of a site: claims in the order in which its connections take them. Pure; it has a deque's manners.

Better priorities go first, strictly: while urgent mail keeps all connections of a site busy, its bulk waits. Within a
priority what was never tried goes before what was. That starves nothing: what waits here is bounded, both kinds are
claimed by turns (Look.due), so what was tried gathers here until it has its half of the connections too.
"""

import heapq
from collections import Counter
from collections.abc import Callable

from hedwig.spool import Claim


class Waitlist:
    """Of one site. `everywhere`: counts by priority, of all sites together."""

    def __init__(self, everywhere: Counter[int] | None = None) -> None:
        self._heap: list[tuple[int, bool, int, Claim]] = []
        self._counts: Counter[int] = Counter()  # by priority
        self._everywhere = Counter() if everywhere is None else everywhere
        self._number = 0

    def __len__(self) -> int:
        return len(self._heap)

    def before(self, priority: int) -> int:
        """How many go before the next one that comes with this priority, or about: all that are as good or better."""
        return sum(count for other, count in self._counts.items() if other <= priority)

    def append(self, claim: Claim) -> None:
        """Take it in at its place."""
        self._number += 1
        tried = any(recipient.tries for recipient in claim.recipients)
        self._push(claim.priority, tried, self._number, claim)

    def appendleft(self, claim: Claim) -> None:
        """Put back what was taken: it goes first again."""
        self._number += 1
        self._push(-1, False, -self._number, claim)

    def _push(self, priority: int, tried: bool, number: int, claim: Claim) -> None:
        heapq.heappush(self._heap, (priority, tried, number, claim))
        self._counts[claim.priority] += 1
        self._everywhere[claim.priority] += 1

    def popleft(self) -> Claim:
        """The one that goes first; IndexError where there is none."""
        claim = heapq.heappop(self._heap)[3]
        self._counts[claim.priority] -= 1
        self._everywhere[claim.priority] -= 1
        return claim

    def take(self, unwanted: Callable[[Claim], bool]) -> list[Claim]:
        """Take these out, wherever they are."""
        taken = [entry[3] for entry in self._heap if unwanted(entry[3])]
        if taken:
            self._heap = [entry for entry in self._heap if not unwanted(entry[3])]
            heapq.heapify(self._heap)
        for claim in taken:
            self._counts[claim.priority] -= 1
            self._everywhere[claim.priority] -= 1
        return taken

    def best(self) -> int:
        """The priority of the one that goes first; IndexError where there is none."""
        return self._heap[0][3].priority
