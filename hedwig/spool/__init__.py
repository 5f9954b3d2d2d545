"""The spool: where messages are kept, fsynced, until the last recipient has an outcome (I1, I2, I4).

Words: a *message* is one envelope and body under a queue ID. It has one *delivery* for each destination (recipient
domain), or several where that has very many recipients; in mailman's own spool the one destination is POSTOFFICE, and
the delivery to it has all. A delivery has one or more *recipients*, and each of these has its own state, due time,
tries and last reply.

States: ready (never tried), active (claimed by a worker), deferred (to be tried again), held (waits for the operator),
done (has its outcome). A delivery is ready, active, deferred or held, and goes when its last recipient is done. What
was never tried is due, whatever a clock says or once said; its `due` is 0.

The interface has three sides, by who uses it: `Intake` (postoffice and mailman write), `Work` (who delivers), `Look`
(the feeder and the operator read). Calls that write come back as a Future that is done once the commit is on disk; all
that waits goes into one transaction (group commit). Times are Unix seconds.

A spool that can't write (disk full, read-only, I/O error) raises SpoolTrouble through that Future: nothing of that
call is kept then, and the caller says 4yz or 503 (I8). It recovers by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from hedwig.spool.shown import HistoryLine, QueuedRecipient
from hedwig.spool.streams import NORMAL, Pause, Preview, Stream, Waiting
from hedwig.spool.words import POSTOFFICE, Kind, SpoolFull, SpoolTrouble, State

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hedwig.spool.freed import Doubt, Freed
    from hedwig.spool.halted import Halted
    from hedwig.spool.records import (
        Body,
        Bytes,
        Claim,
        Event,
        NewMessage,
        Outcome,
        Recipient,
        RecipientResult,
        Registered,
        Report,
        Settled,
        Settlement,
        Superseded,
    )

__all__ = [
    "NORMAL",
    "POSTOFFICE",
    "Body",
    "Bytes",
    "Claim",
    "Doubt",
    "Event",
    "Freed",
    "Halted",
    "HistoryLine",
    "Intake",
    "Kind",
    "Look",
    "NewMessage",
    "Outcome",
    "Pause",
    "Preview",
    "QueuedRecipient",
    "Recipient",
    "RecipientResult",
    "Registered",
    "Report",
    "Settled",
    "Settlement",
    "SpoolFull",
    "SpoolTrouble",
    "State",
    "Stream",
    "Superseded",
    "Waiting",
    "Work",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Records are loaded when the first of them is asked for (PEP 562): they take some 20 ms, and the operator's
        commands, which begin anew each time, need none to look."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from hedwig.spool import freed, halted, records

        homes = {"Doubt": freed, "Freed": freed, "Halted": halted}
        return getattr(homes.get(name, records), name)


class Intake(Protocol):
    """The writing side of acceptance."""

    def register(self, messages: Sequence[NewMessage], *, here: bool = False) -> Future[list[Registered]]:
        """Make messages durable; one answer each, in order. Repeats and conflicts change nothing (I3). `here`: the
        calling thread will wait, and may do the work itself; an event loop's must not say so."""

    def used(self) -> int:
        """Octets of bodies that lie in the spool now (for a bound on its size)."""

    def seen(self, client: str, queue_ids: Sequence[str]) -> dict[str, bytes]:
        """Those of these IDs that are taken, and the digest of the message that has each: `register` would answer
        REPEATED or CONFLICT. Who would refuse a message, or charge for it, asks first (I3)."""

    def sent(self, now: float) -> list[tuple[int, str, str, int, int]]:
        """What counts for quotas yet: slot (hedwig/quota.py), client, container, messages, recipients."""


class Work(Protocol):
    """The side of who delivers. `owner` is "host/N"; the caller holds that owner's lock (I12).

    A delivery past its expiry counts as due, with all its recipients that wait: it must end in time.
    """

    def preview(self, deliveries: Sequence[int], now: float) -> list[Preview]:
        """Those of `deliveries` that are due and nobody's. Reads only."""

    def claim(
        self, deliveries: Sequence[int], owner: str, now: float, pauses: Sequence[Pause] = (), load_up_to: int = 1 << 20
    ) -> Future[list[Claim]]:
        """Claim those that are still due and nobody's; publish `pauses` in the same transaction (replaces this owner's
        earlier pause of the destination; an `until` in the past lifts it)."""

    def body(self, message: int) -> Iterable[bytes]:
        """The body in pieces of at most 1 MiB. Opens no lasting transaction (none is open during SMTP)."""

    def settle(self, settlements: Sequence[Settlement]) -> Future[list[Settled]]:
        """Outcomes, bounces and history in one transaction, each WHERE token = its claim's."""

    def marked(self, delivery: int) -> set[int]:
        """Recipients of a claimed delivery that a newer message has superseded meanwhile (supersede.py). Reads only."""

    def halted(self, owner: str, now: float) -> Halted:
        """What the operator has paused, and what of this owner's claims is wanted back. Reads only."""

    def owners(self) -> list[str]:
        """All owners that hold claims now. Their locks tell which of them are dead."""

    def free(
        self, owner: str, doubtful: Callable[[int, int], bool | Doubt], now: float, retry_after: float
    ) -> Future[list[Freed]]:
        """Free all claims of a dead owner whose lock the caller holds; returns them, so that they can be hinted.

        Where `doubtful(delivery, token)` knows of a dot mark (I5) the recipients that it is about have one doubt more
        and become deferred to now + `retry_after`, or held, as their client's policy says, and an IN_DOUBT event is
        written; else they are handed back. See free.py.
        """


class Look(Protocol):
    """The reading side: the feeder's (the first five) and the operator's. Writes nothing."""

    def streams(self, now: float, newly_due_since: float | None) -> set[Stream]:
        """Destinations and priorities with something due. With `newly_due_since`: only those with a deferred delivery
        that became due since then (cheap: it reads no others); else all."""

    def due(self, destination: str, now: float, limit: int, priority: int | None = None) -> list[Waiting]:
        """Deliveries to `destination` that are due and nobody's: by priority, and then by turns one that was never
        tried (in the order of acceptance) and one that was (by due time), so that neither kind starves the other.
        With `priority`: only those of this one."""

    def expired(self, now: float, limit: int) -> list[Waiting]:
        """Deliveries past their expiry that nobody has claimed, but held ones; they are hinted whatever is paused."""

    def pauses(self, now: float) -> list[Pause]:
        """Pauses that end after `now`, for which a time up to a minute ago is allowed."""

    def still_waiting(self, deliveries: Sequence[int], now: float) -> set[int]:
        """Those of `deliveries` that are nobody's and due, or expired: by this the feeder knows which hints worked."""

    def depth(self) -> int:
        """How many deliveries wait or are under way; what is held is not counted."""

    def queued(self, queue_id: str = "", limit: int = 1000, after: int = 0) -> tuple[list[QueuedRecipient], int]:
        """Recipients without outcome, oldest message first, and the value for the next page's `after` (0: no more)."""

    def history(self, queue_id: str) -> list[HistoryLine]:
        """What is known of a message, oldest first, for 30 days after it happened."""
