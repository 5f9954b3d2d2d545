"""The spool: where messages are kept, fsynced, until the last recipient has an outcome (I1, I2, I4).

Words: a *message* is one envelope and body under a queue ID. It has one *delivery* for each destination (recipient
domain; in mailman's own spool the one destination is POSTOFFICE). A delivery has one or more *recipients*, and each of
these has its own state, due time, tries and last reply.

States: ready (never tried), active (claimed by a worker), deferred (to be tried again), held (waits for the operator),
done (has its outcome). A delivery is ready, active, deferred or held, and goes when its last recipient is done.

The interface has three sides, by who uses it: `Intake` (postoffice and mailman write), `Work` (who delivers), `Look`
(the feeder and the operator read). Calls that write come back as a Future that is done once the commit is on disk; all
that waits goes into one transaction (group commit). Times are Unix seconds.

A spool that can't write (disk full, read-only, I/O error) raises SpoolTrouble through that Future: nothing of that
call is kept then, and the caller says 4yz or 503 (I8). It recovers by itself.
"""

import enum
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from hedwig.envelope import Envelope
from hedwig.reply import Reply, Stage

POSTOFFICE = "postoffice"
NORMAL = 1


class SpoolTrouble(Exception):
    """The spool can't take or give this now; the text says why (disk full, read-only ...)."""


class State(enum.StrEnum):
    """Of a delivery or a recipient; see the module's text."""

    READY = "ready"
    ACTIVE = "active"
    DEFERRED = "deferred"
    HELD = "held"
    DONE = "done"


class Kind(enum.StrEnum):
    """What an event in the history says."""

    ACCEPTED = "accepted"
    FORWARDED = "forwarded"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    EXPIRED = "expired"
    BOUNCED = "bounced"
    IN_DOUBT = "in_doubt"
    HELD = "held"
    RETURNED = "returned"


class Body(Protocol):
    """A message's bytes: CRLF line ends, dot-stuffing undone. Too large, perhaps, to hold in memory at once."""

    @property
    def size(self) -> int:
        """Octets."""

    def pieces(self) -> Iterable[bytes]:
        """The bytes from the start, in pieces of at most 1 MiB; may be called again."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """A Body that is in memory."""

    content: bytes

    @property
    def size(self) -> int:
        """Octets."""
        return len(self.content)

    def pieces(self) -> Iterable[bytes]:
        """The bytes in pieces of 1 MiB."""
        return (self.content[start : start + (1 << 20)] for start in range(0, len(self.content), 1 << 20))


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be registered. `client` is the FQDN of the host that sent it; `origin` is the queue ID that a
    bounce is about, else "". `digest` is that of envelope.digest(). `parts`: recipients by destination."""

    queue_id: str
    client: str
    envelope: Envelope
    body: Body
    digest: bytes
    accepted_at: float
    expires_at: float
    parts: dict[str, tuple[str, ...]]
    priority: int = NORMAL
    smtputf8: bool = False
    origin: str = ""


class Intake(Protocol):
    """The writing side of acceptance."""

    def register(self, messages: Sequence[NewMessage]) -> "Future[list[Registered]]":
        """Make messages durable; one answer each, in order. Repeats and conflicts change nothing (I3)."""

    def used(self) -> int:
        """Octets of bodies that lie in the spool now (for a bound on its size)."""


class Outcome(enum.StrEnum):
    """What `register` made of a message."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # the same (client, queue ID, digest) was accepted before: the first acceptance stands
    CONFLICT = "conflict"  # the same (client, queue ID) with another digest: not accepted


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery as the feeder sees it. `due`: since when, in Unix seconds."""

    delivery: int
    destination: str
    priority: int = NORMAL
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer to one NewMessage. `deliveries` is empty unless it was ACCEPTED."""

    outcome: Outcome
    deliveries: tuple[Waiting, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a claimed delivery: `number` counts within the delivery. `tries`: attempts so far."""

    number: int
    address: str
    tries: int
    due: float
    last_reply: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this owner alone may now send. Only recipients without outcome, and due, are in it.

    `content` is the body, or None where it is larger than the claimer's `load_up_to`: then `Work.body` gives it.
    """

    delivery: int
    token: int
    message: int
    queue_id: str
    client: str
    mailfrom: str
    destination: str
    recipients: tuple[Recipient, ...]
    size: int
    smtputf8: bool
    accepted_at: float
    expires_at: float
    warned: bool
    origin: str
    content: bytes | None


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """What became of one recipient. state: DONE (delivered, or failed for good), DEFERRED (with `due`) or HELD.

    `counted`: whether this attempt counts as one of the recipient's tries (a 421 that was about us does not).
    """

    number: int
    state: State
    reply: str
    due: float = 0.0
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a message's history. `rcptto` "" means the whole delivery. `detail` is text for the operator."""

    at: float
    kind: Kind
    rcptto: str = ""
    stage: Stage | None = None
    reply: Reply | None = None
    host: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one claim. `results` has an entry for each recipient that was tried; the others stay as they were.

    A recipient left out, or a Settlement without results, is handed back: state and due as before the claim. `bounces`
    are registered in the same transaction.
    """

    delivery: int
    token: int
    results: tuple[RecipientResult, ...] = ()
    events: tuple[Event, ...] = ()
    bounces: tuple[NewMessage, ...] = ()
    warned: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """`held_token` is False where the claim was no longer ours: then nothing of the settlement was written."""

    held_token: bool
    bounces: tuple[Waiting, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """A worker's word to the feeder: don't hint `destination` before `until`. `since`: hints older than this that
    were not claimed have been dropped by the worker and must be put anew afterwards. `reason` is for the operator."""

    destination: str
    since: float
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a worker must know of a hinted delivery before it claims it. Only deliveries that are due appear."""

    delivery: int
    destination: str
    size: int
    expires_at: float


class Work(Protocol):
    """The side of who delivers. `owner` is "host/N"; the caller holds that owner's lock (I12).

    A delivery past its expiry counts as due, with all its recipients that wait: it must end in time.
    """

    def preview(self, deliveries: Sequence[int], now: float) -> list[Preview]:
        """Those of `deliveries` that are due and nobody's. Reads only."""

    def claim(
        self, deliveries: Sequence[int], owner: str, now: float, pauses: Sequence[Pause] = (), load_up_to: int = 1 << 20
    ) -> "Future[list[Claim]]":
        """Claim those that are still due and nobody's; publish `pauses` in the same transaction (replaces this owner's
        earlier pause of the destination; an `until` in the past lifts it)."""

    def body(self, message: int) -> Iterable[bytes]:
        """The body in pieces of at most 1 MiB. Opens no lasting transaction (none is open during SMTP)."""

    def settle(self, settlements: Sequence[Settlement]) -> "Future[list[Settled]]":
        """Outcomes, bounces and history in one transaction, each WHERE token = its claim's."""

    def owners(self) -> list[str]:
        """All owners that hold claims now. Their locks tell which of them are dead."""

    def free(
        self, owner: str, doubtful: Callable[[int, int], bool], now: float, retry_after: float
    ) -> "Future[list[Waiting]]":
        """Free all claims of a dead owner whose lock the caller holds; returns them, so that they can be hinted.

        Where `doubtful(delivery, token)` (a dot mark, I5) the recipients become deferred to now + `retry_after` with
        one more try, and an IN_DOUBT event is written; else they are handed back.
        """


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """For the operator's list."""

    queue_id: str
    client: str
    mailfrom: str
    rcptto: str
    destination: str
    state: State
    tries: int
    accepted_at: float
    due: float
    last_reply: str
    size: int


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """An Event as it was written, of whichever delivery of the message."""

    at: float
    queue_id: str
    client: str
    kind: Kind
    rcptto: str
    text: str


class Look(Protocol):
    """The reading side: the feeder's (the first five) and the operator's. Writes nothing."""

    def destinations(self, now: float, newly_due_since: float | None) -> set[str]:
        """Destinations with something due. With `newly_due_since`: only those with a deferred delivery that became due
        since then (cheap: it reads no others); else all."""

    def due(self, destination: str, now: float, limit: int) -> list[Waiting]:
        """Deliveries to `destination` that are due and nobody's: by priority, then by due time."""

    def expired(self, now: float, limit: int) -> list[Waiting]:
        """Deliveries past their expiry that nobody has claimed, but held ones; they are hinted whatever is paused."""

    def pauses(self, now: float) -> list[Pause]:
        """What workers have published and has not run out."""

    def still_waiting(self, deliveries: Sequence[int], now: float) -> set[int]:
        """Those of `deliveries` that are nobody's and due, or expired: by this the feeder knows which hints worked."""

    def queued(self, queue_id: str = "", limit: int = 1000, after: int = 0) -> tuple[list[QueuedRecipient], int]:
        """Recipients without outcome, oldest message first, and the value for the next page's `after` (0: no more)."""

    def history(self, queue_id: str) -> list[HistoryLine]:
        """What is known of a message, oldest first, for 30 days after it happened."""
