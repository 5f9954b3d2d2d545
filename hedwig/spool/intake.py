"""Acceptance: messages become rows, and their bodies lie beside them, in one transaction (I1).

A repeat is known by `seen`, which is filled by INSERT OR IGNORE: on the hot path that is the check and the record in
one (I3). A call whose bodies are larger than one transaction may be goes the long way (LongIntake): its bodies are
written ahead in steps, and then all its messages at once, so a call is kept whole or not at all.

A destination with very many recipients has several deliveries (`cut`): who claims one reads all of its recipients and
sends to some, so with a hundred thousand in one the work would grow with their square. POSTOFFICE has always one:
mailman hands a message on whole, or it would have two under one queue ID (I3).
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from hedwig.moments import utc
from hedwig.options import submitter_of
from hedwig.spool import POSTOFFICE, Kind, NewMessage, Outcome, Registered, SpoolTrouble, Waiting, bodies, stops, usage
from hedwig.spool.history import Line, Named, plain, record
from hedwig.spool.job import Job
from hedwig.spool.numbers import take
from hedwig.spool.reasons import IN_DOUBT
from hedwig.spool.supersede import Arrivals, has_key
from hedwig.spool.trouble import fail
from hedwig.spool.writer import MAX_OCTETS, Writer

FRESH = 0.0  # `due` of what was never tried: no clock, neither a sender's nor ours, can hold it back
MAX_RECIPIENTS = 1 << 20  # of one delivery: Look.queued packs a recipient's number into 20 bits
MOST_TOGETHER = 500  # recipients of one delivery, but POSTOFFICE's

_SEEN = "INSERT OR IGNORE INTO seen (message, client, queue_id, digest, accepted_at) VALUES (?, ?, ?, ?, ?)"
_SEEN_OF = """
SELECT s.queue_id, s.digest FROM json_each(?) j CROSS JOIN seen s WHERE s.client = ? AND s.queue_id = j.value"""
_MESSAGE = (
    "INSERT INTO messages (message, queue_id, client, mailfrom, size, accepted_at, smtputf8, origin, first_delivery,"
    " deliveries, open, options, submitter) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DELIVERY = (
    "INSERT INTO deliveries (delivery, message, destination, state, priority, due, expires)"
    " VALUES (?, ?, ?, 'ready', ?, ?, ?)"
)
_RECIPIENT = "INSERT INTO recipients (delivery, number, address, due) VALUES (?, ?, ?, ?)"
_TRIED = "UPDATE recipients SET last_reply = ?, doubts = ? WHERE delivery = ?"


def check(messages: Sequence[NewMessage]) -> None:
    """A message to nobody would never end: ValueError."""
    for message in messages:
        if not message.parts or not all(0 < len(part) < MAX_RECIPIENTS for part in message.parts.values()):
            raise ValueError(f"message {message.queue_id} has a destination without recipients, or too many")


def cut(message: NewMessage) -> list[tuple[str, tuple[str, ...]]]:
    """The message's deliveries: destination and recipients of each."""
    return [
        (destination, part[start : start + step])
        for destination, part in message.parts.items()
        for step in [len(part) if destination == POSTOFFICE else MOST_TOGETHER]
        for start in range(0, len(part), step)
    ]


def rows_of(messages: Sequence[NewMessage]) -> int:
    """How many rows they become, for the bounds of a transaction."""
    return sum(
        4 + sum(1 + (4 if has_key(message) else 1) * len(part) for part in message.parts.values())
        for message in messages
    )


def register(db: sqlite3.Connection, messages: Sequence[NewMessage], now: float) -> list[Registered]:
    """Write messages with their bodies."""
    first, delivery = take(db, len(messages), sum(len(cut(message)) for message in messages), 0)
    numbered = list(enumerate(messages, first))
    answers = _register(db, numbered, delivery, now)
    new = [pair for pair, answer in zip(numbered, answers, strict=True) if answer.deliveries]
    bodies.insert(db, (row for number, message in new for row in bodies.small(number, message.body)))
    take(db, 0, 0, sum(message.body.size for _, message in new))
    return answers


def _register(
    db: sqlite3.Connection, numbered: Sequence[tuple[int, NewMessage]], delivery: int, now: float
) -> list[Registered]:
    """Write messages under these numbers, without their bodies; deliveries are numbered from `delivery` on."""
    known = _known(db, numbered, now)
    arriving = [pair for pair in numbered if has_key(pair[1]) and pair[0] not in known]
    arrivals = Arrivals(db, arriving, now) if arriving else None
    rows: list[tuple[Any, ...]] = []
    deliveries: list[tuple[Any, ...]] = []
    recipients: list[tuple[Any, ...]] = []
    tried: list[tuple[Any, ...]] = []
    lines: list[Line] = []
    named: list[Named] = []
    answers = []
    for number, message in numbered:
        if number in known:
            answers.append(known[number])
            continue
        waiting = []
        for destination, part in cut(message) if arrivals is None else arrivals.trim(number, cut(message)):
            if arrivals is not None:
                arrivals.place(number, delivery, part)
            deliveries.append((delivery, number, destination, message.priority, FRESH, message.expires_at))
            recipients.extend([(delivery, index, address, FRESH) for index, address in enumerate(part)])
            if message.tried:
                tried.append((message.tried, int(message.in_doubt), delivery))
            waiting.append(Waiting(delivery, destination, message.priority))
            delivery += 1
        if waiting:
            rows.append(_row(number, message, waiting))
        lines += _lines(message, now)
        named.append(
            (now, message.queue_id, [message.message_id, message.envelope.mailfrom, *message.envelope.rcpttos])
        )
        answers.append(Registered(Outcome.ACCEPTED, tuple(waiting)))
    db.executemany(_MESSAGE, rows)
    db.executemany(_DELIVERY, deliveries)
    db.executemany(_RECIPIENT, recipients)
    if tried:
        db.executemany(_TRIED, tried)
    usage.count(db, (message for number, message in numbered if number not in known and message.charges), now)
    stops.hold_back(db, (row[0] for row in deliveries), now)
    if arrivals is not None:
        answers = _superseding(arrivals, numbered, answers, lines)
    record(db, lines, named)
    return answers


def _superseding(
    arrivals: Arrivals, numbered: Sequence[tuple[int, NewMessage]], answers: Sequence[Registered], lines: list[Line]
) -> list[Registered]:
    """End what is superseded; the answers that tell of it."""
    told, more = arrivals.write()
    lines += more
    pairs = zip(numbered, answers, strict=True)
    return [replace(answer, superseded=tuple(told.get(number, ()))) for (number, _), answer in pairs]


def _row(number: int, message: NewMessage, waiting: Sequence[Waiting]) -> tuple[Any, ...]:
    return (
        number,
        message.queue_id,
        message.client,
        message.envelope.mailfrom,
        message.body.size,
        message.accepted_at,
        message.smtputf8,
        message.origin,
        waiting[0].delivery,
        len(waiting),
        len(waiting),
        message.options.packed(),
        message.submitter,
    )


def _lines(message: NewMessage, now: float) -> list[Line]:
    lines = [plain(now, Kind.ACCEPTED, message.queue_id, message.client, _accepted(message))]
    if message.tried:
        words = f"{IN_DOUBT}; {message.tried}" if message.in_doubt else message.tried
        lines.append(plain(now, Kind.DEFERRED, message.queue_id, message.client, words))
    return lines


def _accepted(message: NewMessage) -> str:
    count = sum(len(part) for part in message.parts.values())
    recipients = "1 recipient" if count == 1 else f"{count} recipients"
    by = f", by {submitter_of(message.submitter)}" if message.submitter else ""
    asked = f", {words}" if (words := str(message.options)) else ""
    about = f", a report about {message.origin}" if message.origin else ""
    taken = f"; {_taken(message)}" if message.taken_at else ""
    return f"from <{message.envelope.mailfrom}>, {recipients}, {message.body.size} octets{about}{by}{asked}{taken}"


def _taken(message: NewMessage) -> str:
    waited = f"{message.waited:.0f}" if message.waited >= 10 else f"{message.waited:.1f}"
    return f"taken by mailman at {utc(message.taken_at)}; waited {waited} s there"


def _known(db: sqlite3.Connection, numbered: Sequence[tuple[int, NewMessage]], now: float) -> dict[int, Registered]:
    """Remember these as accepted; the answers for those that were seen before, in this very call too."""
    rows = [(number, message.client, message.queue_id, message.digest, now) for number, message in numbered]
    if db.executemany(_SEEN, rows).rowcount == len(rows):
        return {}
    known = {}
    for number, message in numbered:
        earlier, digest = db.execute(
            "SELECT message, digest FROM seen WHERE client = ? AND queue_id = ?", (message.client, message.queue_id)
        ).fetchone()
        if earlier != number:
            known[number] = Registered(Outcome.REPEATED if digest == message.digest else Outcome.CONFLICT)
    return known


def seen(db: sqlite3.Connection, client: str, queue_ids: Sequence[str]) -> dict[str, bytes]:
    """Which of these IDs messages of this client were accepted under, and their digests (I3). Reads only."""
    return dict(db.execute(_SEEN_OF, (json.dumps(list(queue_ids)), client)))


class LongIntake:
    """One `register` call with more than 1 MiB of bodies: steps through the writer, then `future` is done.

    A thread of its own reads the bodies: one that is slow to read must never hold the turn (I9). Its numbers are its
    own only once their transaction is on disk: those of one that was rolled back are given to others.
    """

    def __init__(self, path: str, writer: Writer, messages: Sequence[NewMessage], clock: Callable[[], float]) -> None:
        self.future: Future[list[Registered]] = Future()
        self._path = path
        self._writer = writer
        self._messages = messages
        self._clock = clock
        self._live = bodies.Live(path)
        self._numbers = range(0)  # of the messages; empty until they are ours
        self._repeats: frozenset[int] = frozenset()  # positions: their bodies need not be written again

    def start(self) -> "Future[list[Registered]]":
        """Begin; returns at once."""
        self.future.set_running_or_notify_cancel()
        threading.Thread(target=self._run, name="spool-long-intake", daemon=True).start()
        return self.future

    def _run(self) -> None:
        try:
            [(self._numbers, self._repeats)] = self._writer.put(Job(self._begin, [None])).result()
            for lot in self._chunks():
                octets = sum(len(content) for _, content in lot)
                self._writer.put(Job(_write_lots, [lot], octets)).result()
            [answers] = self._writer.put(Job(self._end, [None], rows=rows_of(self._messages))).result()
        except Exception as error:  # noqa: BLE001 (an unreadable body, a full disk: the caller must hear)
            # What was written is rubbish. If it can't even be marked so, the lost sign of life tells whoever sweeps.
            self._writer.put(Job(_mark_rubbish, self._numbers))
            fail(self.future, error, self._path)
        else:
            self.future.set_result(answers)
        finally:
            self._live.end()

    def _begin(self, db: sqlite3.Connection, _entries: list[Any]) -> list[tuple[range, frozenset[int]]]:
        self._live.show()
        first, _ = take(db, len(self._messages), 0, 0)
        numbers = range(first, first + len(self._messages))
        db.executemany("INSERT INTO leftovers (message, live) VALUES (?, 1)", [(number,) for number in numbers])
        query = "SELECT 1 FROM seen WHERE client = ? AND queue_id = ?"
        names = enumerate((message.client, message.queue_id) for message in self._messages)
        return [(numbers, frozenset(position for position, name in names if db.execute(query, name).fetchall()))]

    def _chunks(self) -> Iterator[list[tuple[int, bytes]]]:
        """Lots of chunks, each at most 1 MiB."""
        lot: list[tuple[int, bytes]] = []
        octets = 0
        for position, (number, message) in enumerate(zip(self._numbers, self._messages, strict=True)):
            if position in self._repeats:
                continue
            for row in bodies.small(number, message.body):
                if lot and octets + len(row[1]) > MAX_OCTETS:
                    yield lot
                    lot, octets = [], 0
                lot.append(row)
                octets += len(row[1])
        yield lot

    def _end(self, db: sqlite3.Connection, _entries: list[Any]) -> list[list[Registered]]:
        """All bodies are there: write the messages. What was seen before leaves its body as rubbish."""
        numbered = list(zip(self._numbers, self._messages, strict=True))
        _, delivery = take(db, 0, sum(len(cut(message)) for message in self._messages), 0)
        answers = _register(db, numbered, delivery, self._clock())
        for position, ((number, message), answer) in enumerate(zip(numbered, answers, strict=True)):
            if answer.deliveries:
                if position in self._repeats:
                    raise SpoolTrouble("an earlier acceptance was forgotten just now (it is 30 days old): send again")
                _keep(db, number, message.body.size)
            else:
                db.execute("UPDATE leftovers SET live = 0 WHERE message = ?", (number,))
        return [answers]


def _keep(db: sqlite3.Connection, number: int, size: int) -> None:
    """A body that was written ahead is no leftover from here on. SpoolTrouble where some of it is gone (I1)."""
    ours = db.execute("DELETE FROM leftovers WHERE message = ? AND live = 1", (number,)).rowcount == 1
    if not ours or bodies.octets(db, number) != size:
        raise SpoolTrouble("a large body was swept away before its message was written: send it again")


def _write_lots(db: sqlite3.Connection, lots: list[list[tuple[int, bytes]]]) -> list[None]:
    rows = [row for lot in lots for row in lot]
    bodies.insert(db, rows)
    take(db, 0, 0, sum(len(content) for _, content in rows))
    return [None] * len(lots)


def _mark_rubbish(db: sqlite3.Connection, messages: list[int]) -> list[None]:
    db.executemany("UPDATE leftovers SET live = 0 WHERE message = ?", [(message,) for message in messages])
    return [None] * len(messages)
