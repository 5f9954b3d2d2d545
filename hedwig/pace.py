"""Adaptive concurrency: how many connections a receiver gets, by how it takes mail. Pure.

As TCP's congestion window (RFC 5681) and Postfix's destination concurrency feedback do it: begin low, double while all
goes well until the first trouble, from then on grow by one a round; halve on trouble. A *round* is as many messages as
the window has connections. Trouble is what says "too much": a connection refused or timed out, a 421, a back-off. What
is said of a message or a recipient is none. A window that is not used says nothing (RFC 7661): it grows no further than
FIRST above the connections that are open.

A receiver that takes no more connections than it has says exactly how many it wants: it keeps those, and is asked for
one more after HOLD seconds.
"""

from dataclasses import dataclass

FIRST = 5.0  # connections, as Postfix's initial_destination_concurrency
LEAST = 1.0
ONCE_IN = 1.0  # seconds: connections that fail together are one trouble
HOLD = 60.0  # seconds


@dataclass(slots=True)
class Window:
    """A receiver's window. `size`: connections, a fraction on the way to the next one. `threshold`: where doubling
    ends. `held_until`: until then it does not grow. Times are of a monotonic clock."""

    size: float = FIRST
    threshold: float = float("inf")
    shrunk_at: float = float("-inf")
    held_until: float = float("-inf")

    def allows(self, most: int) -> int:
        """How many connections may be open, of `most` that are allowed at all."""
        return max(1, min(most, int(self.size)))

    def good(self, most: int, used: int, now: float) -> None:
        """A message was carried, whatever was said of it, on one of `used` connections."""
        if self.size < min(most, used + FIRST) and now >= self.held_until:
            self.size = min(float(most), self.size + (1.0 if self.size < self.threshold else 1.0 / self.size))

    def trouble(self, now: float) -> None:
        """The receiver had enough, or did not answer."""
        if now - self.shrunk_at >= ONCE_IN:
            self.shrunk_at = now
            self.size = max(LEAST, self.size / 2)
            self.threshold = self.size

    def gone(self, now: float) -> None:
        """Nobody answers there: then what seemed to be a word on the number of connections was none either."""
        self.trouble(now)
        self.held_until = float("-inf")

    def full(self, used: int, now: float) -> None:
        """The receiver has `used` connections, and refused one more."""
        self.size = self.threshold = max(LEAST, min(self.size, float(used)))
        self.held_until = now + HOLD

    def begin_anew(self, now: float) -> None:
        """After a back-off: one connection finds out."""
        self.shrunk_at = now
        self.threshold = max(LEAST, self.size / 2)
        self.size = LEAST
