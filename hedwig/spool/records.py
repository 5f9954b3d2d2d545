"""The spool's records: what is handed in, claimed and settled. Values without behaviour; the words are those of
hedwig/spool/__init__.py. Times are Unix seconds. What is read back for the operator lies in shown.py.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from hedwig.envelope import Envelope
from hedwig.options import PLAIN, Options
from hedwig.reply import Reply, Stage
from hedwig.spool.streams import NORMAL, Waiting
from hedwig.spool.suppressed import Suppression
from hedwig.spool.words import Kind, State


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
    bounce is about, else "". `digest` is that of envelope.digest(). `parts`: recipients by destination. `message_id`:
    of the header, with its brackets. `submitter`: see options.Submitter.packed. `tried`: of one that was offered
    before it came here, what was said, or why nothing was; "" else. `in_doubt`: it may have been taken then (I5).
    `taken_at`: when mailman took it, by our clock; `waited`: seconds that it was there; both 0: it came directly.
    `charges`: under which names its client's quotas count it (usage.py): "" for the host, and a container's."""

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
    options: Options = PLAIN
    message_id: str = ""
    submitter: str = ""
    tried: str = ""
    in_doubt: bool = False
    taken_at: float = 0.0
    waited: float = 0.0
    charges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report(NewMessage):
    """A message that tells a sender what became of theirs. `action`: a word of dsn.Action. `about`: recipient and
    reason of each that it tells of. `most`: how many with this action a sender gets in an hour; those past it go into
    a digest (digests.py). 0: no bound."""

    action: str = ""
    about: tuple[tuple[str, str], ...] = ()
    most: int = 0


class Outcome(enum.StrEnum):
    """What `register` made of a message."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # the same (client, queue ID, digest) was accepted before: the first acceptance stands
    CONFLICT = "conflict"  # the same (client, queue ID) with another digest: not accepted


@dataclass(frozen=True, slots=True)
class Superseded:
    """A recipient of the message `queue_id` that gets a newer one in its place, whose queue ID is `by`."""

    queue_id: str
    rcptto: str
    by: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer to one NewMessage. `deliveries` is empty unless it was ACCEPTED. `superseded`: what it ended of older
    messages with its key, or of itself, where a newer one was here already."""

    outcome: Outcome
    deliveries: tuple[Waiting, ...] = ()
    superseded: tuple[Superseded, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a claimed delivery: `number` counts within the delivery. `tries`: attempts so far; `doubts`: how
    many of them ended in doubt (I5). `fault_since`: since when a fault of ours keeps it, 0: none does. `suppressed`:
    why its address gets no mail."""

    number: int
    address: str
    tries: int
    due: float
    last_reply: str
    doubts: int = 0
    fault_since: float = 0.0
    suppressed: Suppression | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this owner alone may now send. Only recipients without outcome, and due, are in it.
    `extended`: it has been given more time than its age allows, and `expires_at` alone says how much.

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
    priority: int = NORMAL
    options: Options = PLAIN
    submitter: str = ""
    extended: bool = False


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """What became of one recipient. state: DONE (delivered, or failed for good), DEFERRED (with `due`) or HELD.

    `counted`: whether this attempt counts as one of the recipient's tries (a 421 that was about us does not).
    `in_doubt`: whether it counts as one of its doubts. `fault_since`: as in Recipient.
    """

    number: int
    state: State
    reply: str
    due: float = 0.0
    counted: bool = True
    in_doubt: bool = False
    fault_since: float = 0.0


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
    are registered in the same transaction, and the addresses of `suppress` get no mail from then on.
    """

    delivery: int
    token: int
    results: tuple[RecipientResult, ...] = ()
    events: tuple[Event, ...] = ()
    bounces: tuple[NewMessage, ...] = ()
    warned: bool = False
    suppress: tuple[Suppression, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """`held_token` is False where the claim was no longer ours: then nothing of the settlement was written.
    `superseded`: recipients that don't go on, whatever the settlement says, as a newer message came meanwhile.
    `digested`: queue IDs of reports that did not become messages, since their sender has had enough this hour.
    `held`: recipients without outcome that the operator has recalled meanwhile."""

    held_token: bool
    bounces: tuple[Waiting, ...] = ()
    superseded: tuple[Superseded, ...] = ()
    digested: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
