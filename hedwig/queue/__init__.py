"""The queue (MQ): carries hints from the feeder to the workers, and nothing else (I2).

A hint says "this delivery is probably due now". It may be lost, doubled or late without harm: the spool is the truth,
and the claim in the spool decides. A hint lies in the tube of its lane; a lane is a class of receivers that must not
hold back the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

DEFAULT_LANE = "default"


class QueueDown(Exception):
    """The queue can't be reached, or broke off. Nothing is lost by it: call again later."""


@dataclass(frozen=True, slots=True)
class Hint:
    """`delivery` is the number of a row in the spool; `job` is the queue's own name for a reserved hint."""

    delivery: int
    lane: str = DEFAULT_LANE
    job: int = 0


class Queue(Protocol):
    """Not thread-safe: one Queue object a thread. Every method may raise QueueDown, and connects anew when called next.

    Every call comes back within its time-out plus 5 s even when the server hangs.
    """

    def put(self, hints: Sequence[Hint], priority: int = 1) -> None:
        """Add hints; a lower `priority` (0 or more) is handed out first, then oldest first."""

    def reserve(self, lanes: Iterable[str], limit: int, timeout: float) -> list[Hint]:
        """Take up to `limit` hints. Waits up to `timeout` seconds for the first, and not at all for the others.

        A reserved hint goes back to the queue when this connection ends, or by itself after 120 s.
        """

    def done(self, hints: Iterable[Hint]) -> None:
        """Delete reserved hints. One that has vanished meanwhile is no error."""

    def counts(self) -> dict[str, int]:
        """Hints that lie ready, by lane."""

    def instance(self) -> str:
        """The server's identity: another value than before means that it began empty."""

    def close(self) -> None:
        """Give the connection back; safe to call twice."""
