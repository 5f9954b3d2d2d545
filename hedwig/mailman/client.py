"""HTTP to the postoffice: one batch of messages out, one verdict a message back (DESIGN §5, `POST /v1/batch`).

What it promises: `send` returns in time (connection.py), whatever the far side does, dripping included. It gives the
verdicts, or raises `NoVerdict` with the reason; it never guesses. The reason tells the link from the message: a large
one for which a living connection was too slow says nothing about the others.

Not thread-safe, but for `give_up` and `end`: one client a thread, which keeps one connection alive.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hedwig.envelope import Envelope
from hedwig.log import Matter
from hedwig.mailman.connection import Answer, Broken, Connection, allowed
from hedwig.options import PLAIN, Options
from hedwig.pulse import STUCK
from hedwig.reply import Reply, one_line
from hedwig.settings import Mailman

MOST_MESSAGES = 100  # a batch
MOST_OCTETS = 1 << 20  # a batch; a larger message travels alone
UNAUTHORISED = 401
FORBIDDEN = 403


class NoVerdict(Exception):
    """The postoffice said nothing about the messages: keep them.

    `status`: the HTTP status, 0 where there was none. `reached`: something over there had the request, or a part of it.
    `too_slow`: this one large message did not get through in time; the link is not to blame.
    """

    def __init__(self, reason: str, status: int = 0, *, reached: bool = False, too_slow: bool = False) -> None:
        super().__init__(one_line(reason))
        self.status = status
        self.reached = reached or status != 0
        self.too_slow = too_slow

    @property
    def operators_turn(self) -> bool:
        """Time won't mend it: the key is wrong (401), or not for this host's address (403), or there is none."""
        return self.status in (UNAUTHORISED, FORBIDDEN)

    @property
    def matter(self) -> Matter:
        """Its kind in the journal."""
        return Matter.KEY_REFUSED if self.status in (UNAUTHORISED, FORBIDDEN) else Matter.POSTOFFICE_DOWN

    @property
    def refused(self) -> bool:
        """The request was turned away before anything in it was looked at: none of its messages is over there."""
        return self.operators_turn or self.whole_batch

    @property
    def whole_batch(self) -> bool:
        """The request itself was refused (400, 413): its messages may fare better one by one."""
        return self.status in (400, 413)


class NoPostoffice(NoVerdict):
    """No postoffice is configured; nothing was sent."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(f"no postoffice is configured ({', '.join(missing)} missing): run `hedwig setup`")

    @property
    def operators_turn(self) -> bool:
        """It is."""
        return True

    @property
    def matter(self) -> Matter:
        """Another one than of a postoffice that is down."""
        return Matter.KEY_MISSING


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message as it travels. `accepted_at`: Unix seconds. `submitter`: see Submitter.packed."""

    queue_id: str
    envelope: Envelope
    body: bytes
    accepted_at: float
    smtputf8: bool
    options: Options = PLAIN
    message_id: str = ""
    submitter: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The postoffice's word on one message. `conflict`: its ID is taken by another message (I3);
    `retry_after`: seconds until a quota has room, 0 where nothing was said."""

    reply: Reply
    conflict: bool = False
    retry_after: int = 0


class PostofficeClient:
    """One keep-alive connection to the postoffice. `clock`: this host's Unix time, which is told with each message."""

    def __init__(self, settings: Mailman, clock: Callable[[], float] = time.time) -> None:
        self._missing = settings.missing
        self._clock = clock
        self._connection = Connection(settings, "v1/batch")

    def close(self) -> None:
        """Give the connection back. From the thread that sends."""
        self._connection.close()

    def give_up(self) -> None:
        """Nobody waits for the verdicts of the request in flight: it ends now, with NoVerdict. From any thread."""
        self._connection.give_up()

    def end(self) -> None:
        """The request in flight, and all that would follow, end with NoVerdict. From any thread."""
        self._connection.end()

    def send(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        """Hand over a batch; one Verdict a parcel, in order, or NoVerdict."""
        if self._missing:
            raise NoPostoffice(self._missing)
        now = self._clock()
        content = b"".join(piece for parcel in parcels for piece in _frame(parcel, now))
        try:
            answer = self._connection.post(content, "application/vnd.hedwig.batch")
        except Broken as broken:
            large = any(is_large(parcel) for parcel in parcels)
            too_slow = large and broken.reached and not broken.silent
            raise NoVerdict(str(broken), reached=broken.reached, too_slow=too_slow) from None
        return _verdicts(answer, parcels)


def is_large(parcel: Parcel) -> bool:
    """Whether it travels alone, and may take long for its size."""
    return len(parcel.body) > MOST_OCTETS


def patience(octets: int) -> float:
    """Seconds after which a `send` of so many octets that has not returned never will: two tries, and a wide margin."""
    return STUCK + 2 * allowed(octets)


def _frame(parcel: Parcel, now: float) -> tuple[bytes, bytes]:
    line: dict[str, object] = {
        "id": parcel.queue_id,
        "mailfrom": parcel.envelope.mailfrom,
        "rcpttos": parcel.envelope.rcpttos,
        "size": len(parcel.body),
        "accepted_at": parcel.accepted_at,
        "sent_at": now,
        "smtputf8": parcel.smtputf8,
        "message_id": parcel.message_id,
    }
    text = json.dumps(line)
    # These two are JSON already.
    for name, packed in (("options", parcel.options.packed()), ("submitter", parcel.submitter)):
        if packed:
            text = f'{text[:-1]}, "{name}": {packed}}}'
    return text.encode() + b"\n", parcel.body


def _verdicts(answer: Answer, parcels: Sequence[Parcel]) -> list[Verdict]:
    """Read a 200's JSON strictly: one entry a parcel, of the same ID; anything else is no verdict."""
    if answer.status != 200:
        raise NoVerdict(f"the postoffice answered {answer.status}: {_error_text(answer.content)}", answer.status)
    try:
        entries = json.loads(answer.content)["verdicts"]
        if [entry["id"] for entry in entries] != [parcel.queue_id for parcel in parcels]:
            raise ValueError("the verdicts are not about the messages sent")
        return [_verdict(entry) for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoVerdict(f"the postoffice's answer can't be read: {error}") from error


def _verdict(entry: dict[str, Any]) -> Verdict:
    code, status, text = entry["code"], entry["status"], entry["text"]
    if not (isinstance(code, int) and 200 <= code < 600 and isinstance(status, str) and isinstance(text, str)):
        raise ValueError("a verdict is malformed")
    again = entry.get("retry_after", 0)
    retry_after = again if isinstance(again, int) and 0 < again < 1 << 30 else 0
    return Verdict(Reply(code, one_line(status), one_line(text)), entry.get("conflict") is True, retry_after)


def _error_text(content: bytes) -> str:
    try:
        return one_line(str(json.loads(content)["error"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return one_line(content[:200].decode(errors="replace"))
