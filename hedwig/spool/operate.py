"""The operator's side of the spool: what `hedwig queue`, `trace`, `top` and `mail` ask of it, as an interface.

Interfaces beside Intake, Work and Look: `Operate` reads and changes what is queued, `Trace` knows what happened,
`Stopping` pauses sites and clients (stops.py says what that means), `Suppressing` has the addresses that get no mail.
Reads are short, or walk the spool once (some 0.1 s with a million deliveries). `act` changes one lot in one transaction
of at most 1,000 rows, so that mail flows between two lots; who calls goes on with `after` until it is "". Everything
that was changed has its event in the history, with who did it and why.

What a worker has claimed is *busy*: `act` never touches it. `Recalling` asks for it back (recall.py). All raise
SpoolTrouble. Times are Unix seconds.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hedwig.options import PLAIN, Options
from hedwig.spool.records import HistoryLine, QueuedRecipient, State
from hedwig.spool.suppressed import Suppression


class Act(enum.StrEnum):
    """What the operator does with recipients that wait."""

    RETRY = "retry"  # deferred ones are due at once
    HOLD = "hold"  # ready and deferred ones wait for the operator, and don't expire
    RELEASE = "release"  # held ones go out
    DROP = "drop"  # whatever waits is over; the message goes with its last recipient


@dataclass(frozen=True, slots=True)
class Filter:
    """Which recipients are meant: those to which all that is given applies; without anything, all. Case is ignored.

    `site`: the destination. `sender`, `rcpt`: an address, or "@" and a domain; "<>" is the null sender. `accepted`:
    before that time. `reply`: a part of the last reply. `state`: as it is shown, PAUSED too. `last`: see Tally; 0: all.
    """

    ids: tuple[str, ...] = ()
    site: str = ""
    client: str = ""
    sender: str = ""
    rcpt: str = ""
    state: State | None = None
    accepted: float = 0.0
    reply: str = ""
    last: int = 0


@dataclass(frozen=True, slots=True)
class Telling:
    """How senders are told of what is dropped: this host's name in it, for how many seconds it may wait itself, the
    destination that it takes, "" for that of its address, and how many reports a sender gets in an hour before the
    others go into a digest (0: no bound)."""

    reporting: str
    expire: float
    destination: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """`who` and `reason` go into the history. `telling`: for DROP; None tells no sender."""

    act: Act
    who: str
    reason: str = ""
    telling: Telling | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What an act would touch now: recipients, messages, the first few; and what is busy, the first few. `last`: the
    newest message's number. A Filter with it leaves alone what comes later: reports of the act itself, say."""

    recipients: int
    messages: int
    first: tuple[QueuedRecipient, ...]
    busy: int
    busy_first: tuple[QueuedRecipient, ...]
    last: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would be told of what a DROP means, in messages. `reports`: notifications by themselves; `digested`: those
    that a digest tells of, as their senders have had enough this hour. Nobody is told of `null`, with the null sender
    (I7), nor of `unwanted`, whose senders asked for no report of failures (RFC 3461)."""

    reports: int
    digested: int
    null: int
    unwanted: int


@dataclass(frozen=True, slots=True)
class Lot:
    """What `act` has done with one lot. `touched`: the recipients. `missed`: how many it left, for they changed while
    it looked. `reports`: queue IDs of notifications; `digested`: how many more wait for a digest. `after`: for the next
    lot; "" when there is none."""

    touched: tuple[QueuedRecipient, ...]
    missed: int = 0
    reports: tuple[str, ...] = ()
    digested: int = 0
    after: str = ""


@dataclass(frozen=True, slots=True)
class Recalled:
    """Recipients that are asked back from who has claimed them. `places` tells `left` which they are. `after`: as in
    Lot."""

    asked: tuple[QueuedRecipient, ...]
    places: tuple[tuple[int, int], ...] = ()
    after: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that is queued, whole. `recipients`: also those that are done, as long as their delivery goes on."""

    message: int
    queue_id: str
    client: str
    mailfrom: str
    size: int
    accepted_at: float
    expires_at: float
    priority: int
    smtputf8: bool
    origin: str
    recipients: tuple[QueuedRecipient, ...]
    options: Options = PLAIN
    submitter: str = ""


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One destination's backlog. `waiting`: deliveries that are nobody's; `oldest`: when the oldest was accepted, 0
    where none waits. `delivered`, `deferred`, `failed`: recipients a minute, lately. `last_error`: the newest known."""

    site: str
    waiting: int
    active: int
    held: int
    oldest: float
    delivered: float
    deferred: float
    failed: float
    last_error: str
    last_error_at: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """All sites' counts, and the largest sites. `seconds`: what "lately" was, 0 where nothing is known."""

    waiting: int
    active: int
    held: int
    delivered: float
    deferred: float
    failed: float
    seconds: float
    sites: tuple[SiteRow, ...]


class Operate(Protocol):
    """The operator looks for mail and acts on it."""

    def listed(self, wanted: Filter, limit: int, after: str = "") -> tuple[list[QueuedRecipient], str]:
        """Recipients without outcome, oldest message first, and the next page's `after`, "" at the end. It is good for
        the same filter."""

    def tally(self, wanted: Filter, act: Act, few: int = 5) -> Tally:
        """What `act` would touch."""

    def forecast(self, wanted: Filter, telling: Telling) -> Forecast:
        """Whom DROP would tell."""

    def act(self, order: Order, wanted: Filter, after: str = "") -> Lot:
        """Do it to the next lot, and wait until it is on disk."""

    def letters(self, queue_id: str) -> list[Letter]:
        """Queued messages of that ID; several where clients chose the same."""

    def body(self, message: int) -> Iterable[bytes]:
        """A queued message as it will go out, in pieces of at most 1 MiB."""

    def backlog(self, limit: int, now: float) -> Backlog:
        """Where what waits should go: the `limit` sites with most."""


class Recalling(Protocol):
    """The operator holds or drops what is busy: it is done as it comes back, now or later, whoever asks."""

    def recall(self, order: Order, wanted: Filter, after: str = "") -> Recalled:
        """Ask the next lot of it back, for HOLD or DROP."""

    def left(self, places: Sequence[tuple[int, int]]) -> int:
        """Go on with what came back; how many of these did not yet."""


class Trace(Protocol):
    """What has happened, also to what is done, for 30 days."""

    def named(self, word: str, limit: int) -> list[str]:
        """Queue IDs of messages known by an address (sender's or recipient's) or a Message-ID, newest first."""

    def histories(self, queue_ids: Sequence[str]) -> dict[str, list[HistoryLine]]:
        """The events of each, oldest first."""


class StopKind(enum.StrEnum):
    """What is paused."""

    SITE = "site"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Stop:
    """A pause by the operator. `until` is stops.FOREVER where it has no end."""

    kind: StopKind
    name: str
    since: float
    until: float
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pausing:
    """The order to pause. `until`, `reason`: None keeps what was said before, where it is paused already; else it has
    no end, and no reason."""

    kind: StopKind
    name: str
    at: float
    who: str
    until: float | None = None
    reason: str | None = None


class Stopping(Protocol):
    """The operator pauses sites and clients. A pause is in force once the call returns, but a client's mail that
    waits already is held, and set free, in steps: who calls goes on with `advance`; the daemons do, too."""

    def stops(self, now: float) -> list[Stop]:
        """What is paused."""

    def pause(self, order: Pausing) -> Stop:
        """Pause, or change a pause's end and reason; what is in force now."""

    def resume(self, kind: StopKind, name: str) -> bool:
        """End a pause; whether there was one."""

    def advance(self, name: str) -> tuple[int, int]:
        """A step; how far client `name` has come (passed, of): equal when it is through."""

    def clients(self) -> set[str]:
        """From whom mail came in the last 30 days."""

    def sites(self) -> set[str]:
        """To which destinations something waits, or went lately: as far back as a second of looking takes one."""


class Suppressing(Protocol):
    """Addresses that get no mail (suppress.py), as `suppressed.folded` makes them."""

    def suppressed(self, part: str, after: str, limit: int) -> list[Suppression]:
        """Those in force that have `part` in them, by address, behind `after`."""

    def suppress(self, wanted: Sequence[Suppression]) -> None:
        """Add them, in place of what is there."""

    def unsuppress(self, addresses: Sequence[str]) -> list[str]:
        """Take them off the list; those that were on it."""
