"""Keeps a peer that is refused in a loop from filling the journal: honest entries would drown, or be dropped.

The first LINES refusals of a peer in a minute have their line; the others are counted, and the count is told with the
peer's first refusal after that minute. A peer is an address, or whatever else repeats itself. Not thread-safe.
"""

from dataclasses import dataclass

LINES = 20
MINUTE = 60.0
PEERS = 1000  # that are remembered; then all are forgotten


@dataclass(slots=True)
class _Minute:
    began: float
    seen: int = 0


class Quiet:
    """`now` is passed in, in seconds."""

    def __init__(self, lines: int = LINES) -> None:
        self._lines = lines
        self._peers: dict[str, _Minute] = {}

    def may_speak(self, peer: str, now: float) -> tuple[bool, int]:
        """Whether this refusal has a line, and how many of the peer's have had none since the last one that had."""
        minute = self._peers.get(peer)
        if minute is not None and 0 <= now - minute.began < MINUTE:
            minute.seen += 1
            return minute.seen <= self._lines, 0
        if len(self._peers) >= PEERS:
            self._peers.clear()
        self._peers[peer] = _Minute(now, 1)
        return True, max(0, minute.seen - self._lines) if minute is not None else 0
