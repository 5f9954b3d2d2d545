"""Turns: streams that are to be topped up, those of the best priority first, and by turns within a priority."""

from collections.abc import Iterable
from itertools import islice

from hedwig.spool import Stream


class Turns:
    """An ordered set of streams. What is added again keeps its place; `put_last` gives it a new one."""

    def __init__(self) -> None:
        self._ranks: dict[int, dict[Stream, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, stream: Stream) -> bool:
        return stream in self._ranks.get(stream.priority, ())

    def add(self, streams: Iterable[Stream]) -> None:
        """They have their turn, after those of their priority that are there."""
        for stream in streams:
            rank = self._ranks.setdefault(stream.priority, {})
            self._count += stream not in rank
            rank[stream] = None

    def discard(self, stream: Stream) -> None:
        """It has no turn."""
        rank = self._ranks.get(stream.priority)
        if rank is not None and stream in rank:
            del rank[stream]
            self._count -= 1
            if not rank:
                del self._ranks[stream.priority]

    def put_last(self, stream: Stream) -> None:
        """Its turn comes after all others of its priority."""
        self.discard(stream)
        self.add([stream])

    def first(self, limit: int) -> list[Stream]:
        """Up to so many of each priority, in the order of their turns."""
        return [stream for priority in sorted(self._ranks) for stream in islice(self._ranks[priority], limit)]
