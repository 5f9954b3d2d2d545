"""Superseding: a newer message takes the place of an older one of the same client with the same key, for each recipient
that both have. What is only in the older one goes on.

- Newer is what was accepted later where it was first taken (accepted_at: mailman's time, and not that of its arrival
  here, so that a backlog never replaces newer mail). Where the times are equal the greater queue ID is newer.
- Addresses are the same when their local parts are, to the letter, and their domains but for case (address.py).
- What waits, or is held, ends at once: done, with a line in its history that names the successor, and without a DSN.
  So does what is in doubt (I5): once a newer one is there nobody has to decide whether it is repeated.
- What a worker has claimed can't be taken away: the successor is noted beside the recipient (a *mark*), which ends when
  it comes back without outcome (settle.py, claim.py). The worker looks for it before MAIL and before the final dot, and
  sends no more (worker/last_look.py); past its dot a message has the outcome that it gets.
- An older message that arrives after the newer one is accepted, and the recipients that both have end in that moment.

`keyed` has one row for each client, key and address: of the newest message known. So a recipient costs a seek, however
many messages with its key wait, and a batch without keys costs nothing. A row is forgotten MEMORY seconds after its
message was registered, or later, once that is out of the spool: until then its host may have an older one on the way.
Not much later, for where a host's clock was set back its new mail looks older than it is.

mailman's own spool leaves all this to the postoffice, which sees them in their order.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hedwig.address import Address
from hedwig.spool import POSTOFFICE, Event, Kind, NewMessage, RecipientResult, State, Superseded
from hedwig.spool.ends import Ends, derive
from hedwig.spool.history import Line, line

MEMORY = 3600.0  # seconds

Parts = list[tuple[str, tuple[str, ...]]]  # a message's deliveries: destination and recipients of each
Wanted = Mapping[int, Mapping[int, str]]  # delivery: {recipient: the queue ID of its successor}
Gone = tuple[str, Superseded]  # client, and what ended
_Name = tuple[str, str, str]  # client, key, and the address as it is compared

_NEWEST = "SELECT accepted_at, queue_id, delivery, number FROM keyed WHERE client = ? AND key = ? AND address = ?"
_KEEP = (
    "INSERT OR REPLACE INTO keyed (client, key, address, accepted_at, queue_id, delivery, number, forget_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_DELIVERIES = """
SELECT d.delivery, d.token, d.state, d.due, d.message, m.queue_id, m.client, m.size, m.open
FROM json_each(?) j CROSS JOIN deliveries d CROSS JOIN messages m
WHERE d.delivery = j.value AND m.message = d.message"""
_OPEN = """
SELECT r.delivery, r.number, r.address, r.state, r.due FROM json_each(?) j CROSS JOIN recipients r
WHERE r.delivery = j.value AND r.state <> 'done'"""
_MARKED = """
SELECT r.delivery, r.number, r.successor FROM json_each(?) j CROSS JOIN recipients r
WHERE r.delivery = j.value AND r.state <> 'done' AND r.successor <> ''"""
_MARK = "UPDATE recipients SET successor = ? WHERE delivery = ? AND number = ? AND state <> 'done'"
_TO_FORGET = """
SELECT k.client, k.key, k.address, EXISTS (SELECT 1 FROM deliveries d WHERE d.delivery = k.delivery)
FROM keyed k INDEXED BY keyed_to_forget WHERE k.forget_at <= ? ORDER BY k.forget_at LIMIT ?"""
_FORGET = "DELETE FROM keyed WHERE client = ? AND key = ? AND address = ?"
_PUT_OFF = "UPDATE keyed SET forget_at = ? WHERE client = ? AND key = ? AND address = ?"


def has_key(message: NewMessage) -> bool:
    """Whether the message may supersede others, or be superseded."""
    return bool(message.options.supersede) and POSTOFFICE not in message.parts


def result_of(gone: tuple[int, Superseded]) -> RecipientResult:
    """What becomes of a recipient (its number, and by what it was superseded)."""
    number, superseded = gone
    return RecipientResult(number, State.DONE, _words(superseded), counted=False)


def line_of(gone: Superseded, client: str, now: float) -> Line:
    """The history's line about it."""
    return line(Event(now, Kind.SUPERSEDED, gone.rcptto, detail=_words(gone)), gone.queue_id, client)


def _words(gone: Superseded) -> str:
    return f"by {gone.by}, a newer message with the same key"


@dataclass(slots=True)
class _Newest:
    """The newest message of a name. `message`: its number where it comes with this transaction; `delivery` and `number`
    then are known once it has been placed. `over`: the recipient in the spool whose place it takes."""

    age: tuple[float, str]
    delivery: int = 0
    number: int = 0
    message: int | None = None
    rcptto: str = ""
    over: tuple[int, int] | None = None


class Arrivals:
    """The messages with keys of one `register`, by the numbers that they get. First `trim` and `place` each, then
    `write`."""

    def __init__(self, db: sqlite3.Connection, arriving: Sequence[tuple[int, NewMessage]], now: float) -> None:
        self._db = db
        self._now = now
        self._arriving = {number: message for number, message in arriving if has_key(message)}
        self._newest: dict[_Name, _Newest] = {}
        self._late: dict[int, dict[str, str]] = {}  # message: {recipient: the queue ID that is newer}
        for number, message in self._arriving.items():
            for part in message.parts.values():
                for rcptto in part:
                    self._compare(number, message, rcptto)

    def _compare(self, number: int, message: NewMessage, rcptto: str) -> None:
        name = _name(message, rcptto)
        age = (message.accepted_at, message.queue_id)
        known = self._newest.get(name) or self._known(name)
        if known is None:
            self._newest[name] = _Newest(age, message=number, rcptto=rcptto)
        elif known.message == number:
            return  # named twice
        elif known.age > age:
            self._newest[name] = known
            self._late.setdefault(number, {})[rcptto] = known.age[1]
        elif known.message is None:
            self._newest[name] = _Newest(age, message=number, rcptto=rcptto, over=(known.delivery, known.number))
        else:
            self._newest[name] = _Newest(age, message=number, rcptto=rcptto, over=known.over)
            self._late.setdefault(known.message, {})[known.rcptto] = age[1]

    def _known(self, name: _Name) -> _Newest | None:
        row = self._db.execute(_NEWEST, name).fetchone()
        return None if row is None else _Newest((row[0], row[1]), row[2], row[3])

    def trim(self, number: int, parts: Parts) -> Parts:
        """The deliveries without the recipients that are superseded at arrival; perhaps none are left."""
        late = self._late.get(number)
        if late is None:
            return parts
        trimmed = ((destination, tuple(each for each in part if each not in late)) for destination, part in parts)
        return [(destination, part) for destination, part in trimmed if part]

    def place(self, number: int, delivery: int, part: Sequence[str]) -> None:
        """The message has this delivery, to these."""
        message = self._arriving.get(number)
        if message is not None:
            for position, rcptto in enumerate(part):
                newest = self._newest[_name(message, rcptto)]
                newest.delivery, newest.number = delivery, position

    def write(self) -> tuple[dict[int, list[Superseded]], list[Line]]:
        """End what is superseded. By message: what it supersedes, and what of itself was superseded at arrival."""
        told: dict[int, list[Superseded]] = {number: [] for number in self._arriving}
        lines: list[Line] = []
        for number, late in self._late.items():
            message = self._arriving[number]
            told[number] = [Superseded(message.queue_id, rcptto, by) for rcptto, by in late.items()]
            lines += [line_of(each, message.client, self._now) for each in told[number]]
        ours = {name: newest for name, newest in self._newest.items() if newest.message is not None}
        wanted: dict[int, dict[int, str]] = {}
        for newest in ours.values():
            if newest.over is not None:
                wanted.setdefault(newest.over[0], {})[newest.over[1]] = newest.age[1]
        numbers = {(message.client, message.queue_id): number for number, message in self._arriving.items()}
        gone, more = end(self._db, wanted, self._now)
        for client, each in gone:
            told[numbers[client, each.by]].append(each)
        forget_at = self._now + MEMORY
        rows = [(*name, *new.age, new.delivery, new.number, forget_at) for name, new in ours.items()]
        self._db.executemany(_KEEP, rows)
        return told, lines + more


def _name(message: NewMessage, rcptto: str) -> _Name:
    address = Address.parse(rcptto)
    return message.client, message.options.supersede, f"{address.local}@{address.destination}"


def end(db: sqlite3.Connection, wanted: Wanted, now: float) -> tuple[list[Gone], list[Line]]:
    """End these recipients, as far as they are open, or mark them where their delivery is claimed; what ended."""
    if not wanted:
        return [], []
    deliveries = json.dumps(list(wanted))
    rows = db.execute(_DELIVERIES, (deliveries,)).fetchall()
    recipients: dict[int, dict[int, tuple[str, str, float]]] = {row[0]: {} for row in rows}
    for delivery, number, address, state, due in db.execute(_OPEN, (deliveries,)):
        recipients[delivery][number] = (address, state, due)
    ends = Ends(db)
    gone: list[Gone] = []
    lines: list[Line] = []
    for delivery, token, state, due, message, queue_id, client, size, left in rows:
        if token is not None:
            db.executemany(_MARK, [(by, delivery, number) for number, by in wanted[delivery].items()])
            continue
        waiting = recipients[delivery]
        here = {
            number: Superseded(queue_id, waiting.pop(number)[0], by)
            for number, by in wanted[delivery].items()
            if number in waiting
        }
        if waiting and here:
            for each in here.items():
                ends.result(delivery, result_of(each))
            held = state == State.HELD  # a delivery that is held stays so, whatever its recipients say
            left_over = (one[1:] for one in waiting.values())
            ends.goes_on(delivery, *((state, due) if held else derive(left_over)))
        elif here:
            ends.ends(delivery, message, left, size)
        gone += [(client, each) for each in here.values()]
        lines += [line_of(each, client, now) for each in here.values()]
    ends.write()
    return gone, lines


def marked(db: sqlite3.Connection, delivery: int) -> set[int]:
    """See Work."""
    return {number for _, number, _ in db.execute(_MARKED, (json.dumps([delivery]),))}


def end_marked(db: sqlite3.Connection, deliveries: Sequence[int], now: float) -> tuple[list[Gone], list[Line]]:
    """End what was superseded while these deliveries were claimed; they are nobody's now."""
    wanted: dict[int, dict[int, str]] = {}
    for delivery, number, successor in db.execute(_MARKED, (json.dumps(list(deliveries)),)):
        wanted.setdefault(delivery, {})[number] = successor
    return end(db, wanted, now)


def forget(db: sqlite3.Connection, now: float, limit: int) -> bool:
    """Forget names whose time is over, but for those whose message still waits; whether there may be more."""
    rows = db.execute(_TO_FORGET, (now, limit)).fetchall()
    db.executemany(_FORGET, [row[:3] for row in rows if not row[3]])
    db.executemany(_PUT_OFF, [(now + MEMORY, *row[:3]) for row in rows if row[3]])
    return len(rows) == limit
