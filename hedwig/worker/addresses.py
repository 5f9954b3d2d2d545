"""Connections by the address that they lead to, whatever names and receivers stand before it. Pure.

Many domains may share one host. Where it has as many connections as it may, none is kept idle there for a while: each
makes room for the next domain's mail with its last letter.
"""

from collections import Counter

CROWDED = 5.0  # seconds after one was turned away


class Addresses:
    """Of one worker. `now` is of a monotonic clock."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._crowded: dict[str, float] = {}

    def __len__(self) -> int:
        """How many addresses there are connections to."""
        return len(self._open)

    def enter(self, address: str, most: int, now: float) -> bool:
        """Count in one more, unless there are `most`."""
        if self._open[address] >= most:
            self._crowded[address] = now + CROWDED
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """There is one less."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def is_crowded(self, address: str, now: float) -> bool:
        """Whether others want to go there and lately could not."""
        until = self._crowded.get(address)
        if until is None:
            return False
        if now >= until:
            del self._crowded[address]
            return False
        return True
