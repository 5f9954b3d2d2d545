"""Reports are limited by sender and hour, so that a flood becomes one digest. None is lost: what is not sent by itself
is counted, in the transaction of the outcome that it is about, and told when the hour is over.

In each hour of the clock a sender (of one client) gets so many reports of each kind by themselves (Report.most). Of the
others `reports` counts letters and recipients, and `digested` keeps queue ID, recipient and reason of the first LISTED.
`send` makes one digest of them for each sender, registers it and deletes the counts, all in one transaction: whoever of
several processes comes first does it, and a crash leaves either the counts or the digest.

An hour that is not the present one is over, also where the clock was set back.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from hedwig.dsn import Action
from hedwig.dsn.digest import HOUR, LISTED, Count, Told
from hedwig.spool import Kind, NewMessage, Outcome, Report, Waiting
from hedwig.spool.history import Line, plain, record
from hedwig.spool.intake import register
from hedwig.spool.job import Job

ROWS = 1000  # of one transaction, or so: 9 digests of LISTED recipients, 100 of few
_REGISTERED = 6  # rows that a digest becomes
_FORGET = 500  # senders that are looked at

_ALONE = "SELECT alone FROM reports WHERE hour = ? AND client = ? AND sender = ? AND action = ?"
_SENT = """
INSERT INTO reports (hour, client, sender, action, alone, letters, recipients) VALUES (?, ?, ?, ?, 1, 0, 0)
ON CONFLICT DO UPDATE SET alone = alone + 1"""
_COUNTED = """
UPDATE reports SET letters = letters + 1, recipients = recipients + ?
WHERE hour = ? AND client = ? AND sender = ? AND action = ?"""
_LISTED = "SELECT count(*) FROM digested WHERE hour = ? AND client = ? AND sender = ?"
_LIST = """
INSERT INTO digested (hour, client, sender, number, action, queue_id, rcptto, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_EARLIER = """
SELECT hour, client, sender, max(letters) FROM reports WHERE hour < ? GROUP BY hour, client, sender LIMIT ?"""
_LATER = """
SELECT hour, client, sender, max(letters) FROM reports WHERE hour > ? GROUP BY hour, client, sender LIMIT ?"""
_COUNTS = """
SELECT action, letters, recipients, alone FROM reports
WHERE hour = ? AND client = ? AND sender = ? AND letters > 0 ORDER BY action DESC"""
_TOLD = """
SELECT action, queue_id, rcptto, reason FROM digested WHERE hour = ? AND client = ? AND sender = ? ORDER BY number"""
_DELETE = (
    "DELETE FROM reports WHERE hour = ? AND client = ? AND sender = ?",
    "DELETE FROM digested WHERE hour = ? AND client = ? AND sender = ?",
)

_Key = tuple[int, str, str]  # hour, client, sender


@dataclass(frozen=True, slots=True)
class Flood:
    """What a digest is to tell. `since`: when the hour began, Unix seconds; `alone`: how many reports of a kind went
    out before; `listed`: the first LISTED recipients of all that `counts` counts."""

    client: str
    sender: str
    since: float
    alone: int
    counts: tuple[Count, ...]
    listed: tuple[Told, ...]


Compose = Callable[[Flood, float], NewMessage | None]  # the digest's message, now; None where there can be none


class Putting(Protocol):
    """The part of a spool that this needs."""

    def put(self, job: Job) -> "Future[Any]":
        """Have this written with the next transaction."""


@dataclass(frozen=True, slots=True)
class SendRequest:
    """What `send_digests` was asked."""

    compose: Compose
    now: float


@dataclass(frozen=True, slots=True)
class Sent:
    """Digests that are registered: their deliveries, and (queue ID, recipient) of each. `more`: ask again."""

    deliveries: tuple[Waiting, ...] = ()
    digests: tuple[tuple[str, str], ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of reports: their deliveries, the queue IDs of those that are messages now and of those that wait for
    a digest, and the lines of the history about all."""

    deliveries: tuple[Waiting, ...]
    sent: tuple[str, ...]
    digested: tuple[str, ...]
    lines: tuple[Line, ...]


def post(db: sqlite3.Connection, told: Sequence[tuple[str, str, NewMessage]], now: float) -> Posted:
    """Register reports through the door that all messages take, or count them where their sender has had enough.

    `told`: queue ID and client of the message that each is about, and the report itself.
    """
    going = []
    digested = []
    lines = []
    for queue_id, client, report in told:
        if _admit(db, report, now):
            going.append((queue_id, client, report))
        else:
            digested.append(report.queue_id)
            lines.append(plain(now, Kind.BOUNCED, queue_id, client, _put_off(report, now)))
    deliveries: list[Waiting] = []
    sent = []
    answers = register(db, [report for _, _, report in going], now) if going else []
    for (queue_id, client, report), answer in zip(going, answers, strict=True):
        if answer.outcome is Outcome.ACCEPTED:
            deliveries += answer.deliveries
            sent.append(report.queue_id)
            what = f"{report.action} report" if isinstance(report, Report) else "report"
            detail = f"{what} {report.queue_id} to {', '.join(report.envelope.rcpttos)}"
            lines.append(plain(now, Kind.BOUNCED, queue_id, client, detail))
    return Posted(tuple(deliveries), tuple(sent), tuple(digested), tuple(lines))


def alone(db: sqlite3.Connection, action: Action, now: float) -> dict[tuple[str, str], int]:
    """How many reports of this kind senders (with their client) have had by themselves in this hour."""
    query = "SELECT client, sender, alone FROM reports WHERE hour = ? AND action = ?"
    return {(client, sender): number for client, sender, number in db.execute(query, (int(now // HOUR), action.value))}


def _admit(db: sqlite3.Connection, message: NewMessage, now: float) -> bool:
    """Whether a report may go out by itself; counts it either way. What is no report, or has no bound, may."""
    if not isinstance(message, Report) or not message.most:
        return True
    sender = message.envelope.rcpttos[0]
    key: _Key = (int(now // HOUR), message.client, sender)
    found = db.execute(_ALONE, (*key, message.action)).fetchone()
    if found is None or found[0] < message.most:
        db.execute(_SENT, (*key, message.action))
        return True
    db.execute(_COUNTED, (len(message.about), *key, message.action))
    ((listed,),) = db.execute(_LISTED, key).fetchall()
    rows = enumerate(message.about[: max(0, LISTED - listed)], listed)
    db.executemany(
        _LIST, [(*key, number, message.action, message.origin, rcptto, reason) for number, (rcptto, reason) in rows]
    )
    return False


def _put_off(report: NewMessage, now: float) -> str:
    """The words of the history for a report that was not admitted."""
    minutes = int(HOUR - now % HOUR) // 60 + 1
    to = ", ".join(report.envelope.rcpttos)
    return f"no report of its own: {to} has had as many as go out in an hour; told in a digest within {minutes}m"


def send_digests(spool: Putting, compose: Compose, now: float) -> "Future[Sent]":
    """Send some digests whose hour is over at `now` (Unix seconds): as many as ROWS allow."""
    return spool.put(Job(_send_all, [SendRequest(compose, now)], rows=ROWS, finish=lambda _, results: results[0]))


def _send_all(db: sqlite3.Connection, requests: Sequence[SendRequest]) -> list[Sent]:
    return [_send(db, request) for request in requests]


def _send(db: sqlite3.Connection, request: SendRequest) -> Sent:
    over = (int(request.now // HOUR), _FORGET)
    rows = db.execute(_EARLIER, over).fetchall() or db.execute(_LATER, over).fetchall()
    lines: list[Line] = []
    messages: list[NewMessage] = []
    done, before = 0, db.total_changes
    for hour, client, sender, letters in rows:
        if db.total_changes - before + _REGISTERED * len(messages) > ROWS - LISTED:
            break
        if letters:
            flood = _flood(db, (hour, client, sender))
            message = request.compose(flood, request.now)
            messages += [message] if message else []
            lines += _lines(flood, message, request.now)
        for statement in _DELETE:
            db.execute(statement, (hour, client, sender))
        done += 1
    waiting: list[Waiting] = []
    for answer in register(db, messages, request.now) if messages else ():
        if answer.outcome is Outcome.ACCEPTED:
            waiting += answer.deliveries
    record(db, lines)
    more = done < len(rows) or len(rows) == _FORGET
    return Sent(tuple(waiting), tuple((each.queue_id, each.envelope.rcpttos[0]) for each in messages), more)


def _flood(db: sqlite3.Connection, key: _Key) -> Flood:
    hour, client, sender = key
    rows = db.execute(_COUNTS, key).fetchall()
    counts = tuple(Count(Action(action), letters, recipients) for action, letters, recipients, _ in rows)
    listed = tuple(Told(Action(action), *told) for action, *told in db.execute(_TOLD, key))
    return Flood(client, sender, float(hour * HOUR), max(row[3] for row in rows), counts, listed)


def _lines(flood: Flood, digest: NewMessage | None, now: float) -> Iterator[Line]:
    """In the history of each letter that the digest names."""
    detail = f"in digest {digest.queue_id} to {flood.sender}" if digest else f"{flood.sender} could not be told"
    for queue_id in dict.fromkeys(told.queue_id for told in flood.listed):
        yield plain(now, Kind.BOUNCED, queue_id, flood.client, detail)
