"""The waitlist of a site: claims in the order in which its connections take them. Pure; it has a deque's manners.

Better priorities go first, strictly: while urgent mail keeps all connections of a site busy, its bulk waits. Within a
priority what was never tried goes before what was. That starves nothing: what waits here is bounded, both kinds are
claimed by turns (Look.due), so what was tried gathers here until it has its half of the connections too.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable

from hedwig.spool import Claim


class Waitlist:
    """Of one site. `counts`: by priority, of larger wholes that it is a part of."""

    def __init__(self, counts: Iterable[Counter[int]] = ()) -> None:
        self._heap: list[tuple[int, bool, int, Claim]] = []
        self._counts = tuple(counts)
        self._messages: Counter[int] = Counter()  # how many claims of each message
        self._number = 0

    def __len__(self) -> int:
        return len(self._heap)

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
        self._count(claim, 1)

    def _count(self, claim: Claim, more: int) -> None:
        for counts in self._counts:
            counts[claim.priority] += more
        self._messages[claim.message] += more
        if not self._messages[claim.message]:
            self._messages.pop(claim.message)  # quicker than Counter's own `del`

    def popleft(self) -> Claim:
        """The one that goes first; IndexError where there is none."""
        claim = heapq.heappop(self._heap)[3]
        self._count(claim, -1)
        return claim

    def take(self, unwanted: Callable[[Claim], bool]) -> list[Claim]:
        """Take these out, wherever they are."""
        taken = [entry[3] for entry in self._heap if unwanted(entry[3])]
        if taken:
            self._heap = [entry for entry in self._heap if not unwanted(entry[3])]
            heapq.heapify(self._heap)
        for claim in taken:
            self._count(claim, -1)
        return taken

    def companions(self, of: Claim, room: int, *, one_domain: bool) -> list[Claim]:
        """Take out other claims of the same message, with at most `room` recipients together, for the same transaction;
        with `one_domain` of the same destination only."""
        found: list[Claim] = []
        if room <= 0 or of.message not in self._messages:
            return found
        for *_, claim in sorted(self._heap, key=lambda entry: entry[:3]):
            fits = claim.message == of.message and not (one_domain and claim.destination != of.destination)
            if fits and len(claim.recipients) <= room:
                room -= len(claim.recipients)
                found.append(claim)
        wanted = {claim.delivery for claim in found}
        return self.take(lambda claim: claim.delivery in wanted) if found else found

    def best(self) -> int:
        """The priority of the one that goes first; IndexError where there is none."""
        return self._heap[0][3].priority
