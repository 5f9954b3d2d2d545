"""Listing: which recipients a Filter means, page by page, and how many they are. Reads only.

There are no indexes for it: they would cost each message on its way, and a walk over a million rows takes SQLite some
60 ms. So the filter chooses what is walked: the messages where it asks of them (client, sender, acceptance), the
recipients where it asks of those (address, reply), else the deliveries; small sets (IDs, what is active or held) are
walked by the indexes that they have. The rest is looked up for rows that fit.

A page's end is told as (message, delivery, recipient's number), so that the next begins behind it whichever way is
walked, and whatever has ended meanwhile. The order is that of acceptance.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hedwig.spool.operate import Act, Filter, Tally
from hedwig.spool.records import QueuedRecipient, State

Place = tuple[int, int, int]  # message, delivery, recipient's number
START: Place = (-1, -1, -1)

_ACTIVE = "d.token IS NOT NULL AND r.state <> 'held' AND (r.due <= d.claimed_at OR d.expires <= d.claimed_at)"
_PAUSED = "d.state = 'held' AND r.state IN ('ready', 'deferred')"
_COLUMNS = f"""
SELECT m.queue_id, m.client, m.mailfrom, r.address, d.destination,
    CASE WHEN {_ACTIVE} THEN 'active' WHEN {_PAUSED} THEN 'paused' ELSE r.state END,
    r.tries, m.accepted_at, CASE r.state WHEN 'ready' THEN m.accepted_at ELSE r.due END, r.last_reply, m.size,
    r.doubts, m.message, d.delivery, r.number, r.state"""
_SHOWN = {
    State.ACTIVE: _ACTIVE,
    State.PAUSED: _PAUSED,
    State.HELD: "r.state = 'held'",
    State.DONE: "0",
    State.READY: f"r.state = 'ready' AND d.state <> 'held' AND NOT ({_ACTIVE})",
    State.DEFERRED: f"r.state = 'deferred' AND d.state <> 'held' AND NOT ({_ACTIVE})",
}
_ELIGIBLE = {
    Act.RETRY: "r.state = 'deferred' AND d.token IS NULL",
    Act.HOLD: "r.state IN ('ready', 'deferred') AND d.token IS NULL",
    Act.RELEASE: "r.state = 'held' AND d.token IS NULL",
    Act.DROP: "d.token IS NULL",
}
_BUSY = "d.token IS NOT NULL"
_D_OF_M = "CROSS JOIN deliveries d ON d.delivery BETWEEN m.first_delivery AND m.first_delivery + m.deliveries - 1"
_M_OF_D = "CROSS JOIN messages m ON m.message = d.message"
_R_OF_D = "CROSS JOIN recipients r ON r.delivery = d.delivery"
_D_OF_R = "CROSS JOIN deliveries d ON d.delivery = r.delivery"
_BY_DELIVERY = ("(d.delivery, r.number) > (:delivery, :number)", "d.delivery, r.number")
_BY_MESSAGE = (
    "m.message >= :message AND (m.message, d.delivery, r.number) > (:message, :delivery, :number)",
    "m.message, d.delivery, r.number",
)
_BY_RECIPIENT = ("(r.delivery, r.number) > (:delivery, :number)", "r.delivery, r.number")


@dataclass(frozen=True, slots=True)
class Row:
    """A recipient as it is shown, where it lies, and its own state (shown may be active or paused)."""

    shown: QueuedRecipient
    place: Place
    state: str


def page(db: sqlite3.Connection, wanted: Filter, limit: int, after: Place = START) -> tuple[list[Row], Place | None]:
    """Up to `limit` recipients without outcome behind `after`; where the next page begins, or None."""
    return _page(db, wanted, "1", limit, after)


def eligible(
    db: sqlite3.Connection, wanted: Filter, act: Act, limit: int, after: Place = START
) -> tuple[list[Row], Place | None]:
    """Likewise those that `act` may touch."""
    return _page(db, wanted, _ELIGIBLE[act], limit, after)


def busy(db: sqlite3.Connection, wanted: Filter, limit: int, after: Place = START) -> tuple[list[Row], Place | None]:
    """Likewise those that somebody has claimed."""
    return _page(db, wanted, _BUSY, limit, after)


def tally(db: sqlite3.Connection, wanted: Filter, act: Act, few: int) -> Tally:
    """See Operate."""
    (last,) = db.execute("SELECT message FROM numbers").fetchone()
    recipients, messages = _count(db, wanted, _ELIGIBLE[act])
    first, _ = eligible(db, wanted, act, few)
    busy, _ = _count(db, wanted, _BUSY)
    busy_first, _ = _page(db, wanted, _BUSY, few, START)
    shown = tuple(row.shown for row in first), tuple(row.shown for row in busy_first)
    return Tally(recipients, messages, shown[0], busy, shown[1], last)


def token(place: Place | None) -> str:
    """A place as `after` has it."""
    return "" if place is None else ".".join(map(str, place))


def place_of(text: str) -> Place:
    """What `token` gave. ValueError for anything else."""
    if not text:
        return START
    message, delivery, number = (int(part) for part in text.split("."))
    if not all(0 <= part < 1 << 63 for part in (message, delivery, number)):
        raise ValueError(text)
    return message, delivery, number


def _page(
    db: sqlite3.Connection, wanted: Filter, condition: str, limit: int, after: Place
) -> tuple[list[Row], Place | None]:
    walk, (behind, order) = _walk(wanted, condition == _BUSY)
    conditions, values = _conditions(wanted)
    query = (
        f"{_COLUMNS} FROM {walk} WHERE {behind} AND r.state <> 'done' AND {condition}{conditions}"
        f" ORDER BY {order} LIMIT :limit"
    )
    places = dict(zip(("message", "delivery", "number"), after, strict=True))
    rows = [_row(row) for row in db.execute(query, {**values, **places, "limit": limit + 1})]
    return rows[:limit], rows[limit - 1].place if len(rows) > limit else None


def _count(db: sqlite3.Connection, wanted: Filter, condition: str) -> tuple[int, int]:
    walk, _ = _walk(wanted, condition == _BUSY)
    conditions, values = _conditions(wanted)
    query = (
        f"SELECT count(*), count(DISTINCT m.message) FROM {walk} WHERE r.state <> 'done' AND {condition}{conditions}"  # noqa: S608 (our words alone)
    )
    recipients, messages = db.execute(query, values).fetchone()
    return recipients, messages


def per_sender(db: sqlite3.Connection, wanted: Filter, most: int) -> Iterator[tuple[str, str, int, int]]:
    """Client, sender, messages, and how many lots of `most` recipients they are, claimed ones too. Messages with wishes
    for reports are left to `with_wishes`."""
    inner = _letters_of(wanted, "m.options NOT LIKE '%\"notify\"%'")
    query = f"SELECT client, mailfrom, count(*), sum((n + {most} - 1) / {most}) FROM ({inner[0]}) GROUP BY 1, 2"  # noqa: S608 (our words alone)
    yield from db.execute(query, inner[1])


def with_wishes(db: sqlite3.Connection, wanted: Filter) -> Iterator[tuple[str, str, str, list[str]]]:
    """Client, sender, options and recipients of the other messages."""
    inner = _letters_of(wanted, "m.options LIKE '%\"notify\"%'", ", m.options, json_group_array(r.address)")
    for client, mailfrom, _, options, addresses in db.execute(*inner):
        yield client, mailfrom, options, json.loads(addresses)


def _letters_of(wanted: Filter, condition: str, columns: str = "") -> tuple[str, dict[str, Any]]:
    walk, _ = _walk(wanted, False)
    conditions, values = _conditions(wanted)
    query = (
        f"SELECT m.client AS client, m.mailfrom AS mailfrom, count(*) AS n{columns} FROM {walk}"  # noqa: S608
        f" WHERE r.state <> 'done' AND {condition}{conditions} GROUP BY m.message"
    )
    return query, values


def _row(row: tuple[Any, ...]) -> Row:
    queue_id, client, mailfrom, rcptto, destination, state, tries, accepted_at, due, reply, size, doubts = row[:12]
    shown = QueuedRecipient(
        queue_id, client, mailfrom, rcptto, destination, State(state), tries, accepted_at, due, reply, size, doubts
    )
    return Row(shown, (row[12], row[13], row[14]), row[15])


def _walk(wanted: Filter, busy: bool) -> tuple[str, tuple[str, str]]:
    """What is walked, and the order that it gives."""
    if wanted.ids:
        named = "(SELECT DISTINCT value FROM json_each(:ids)) j CROSS JOIN messages m ON m.queue_id = j.value"
        return f"{named} {_D_OF_M} {_R_OF_D}", _BY_DELIVERY
    if busy or wanted.state is State.ACTIVE:
        return f"deliveries d INDEXED BY active {_M_OF_D} {_R_OF_D}", _BY_DELIVERY
    if wanted.state is State.HELD:
        return f"recipients r INDEXED BY held_recipients {_D_OF_R} {_M_OF_D}", _BY_RECIPIENT
    if wanted.state is State.PAUSED:
        return f"deliveries d INDEXED BY held {_M_OF_D} {_R_OF_D}", _BY_DELIVERY
    if wanted.reply or (wanted.rcpt and not wanted.rcpt.startswith("@")):
        return f"recipients r {_D_OF_R} {_M_OF_D}", _BY_RECIPIENT
    if not wanted.site and (wanted.client or wanted.sender or wanted.accepted):
        return f"messages m {_D_OF_M} {_R_OF_D}", _BY_MESSAGE
    return f"deliveries d {_M_OF_D} {_R_OF_D}", _BY_DELIVERY


def _conditions(wanted: Filter) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {}
    parts = list(_parts(wanted, values))
    return "".join(f" AND {part}" for part in parts), values


def _parts(wanted: Filter, values: dict[str, Any]) -> Iterator[str]:
    if wanted.ids:
        values["ids"] = json.dumps([queue_id.upper() for queue_id in wanted.ids])
    if wanted.site:
        values["site"] = wanted.site
        yield "d.destination = :site COLLATE NOCASE"
    if wanted.client:
        values["client"] = wanted.client
        yield "m.client = :client COLLATE NOCASE"
    if wanted.sender.startswith("@"):
        values["sender"] = f"%{_literal(wanted.sender)}"
        yield "m.mailfrom LIKE :sender ESCAPE '!'"
    elif wanted.sender:
        values["sender"] = "" if wanted.sender == "<>" else wanted.sender
        yield "m.mailfrom = :sender COLLATE NOCASE"
    if wanted.rcpt.startswith("@"):
        values["domain"] = wanted.rcpt[1:]
        yield "d.destination = :domain COLLATE NOCASE"
    elif wanted.rcpt:
        values["rcpt"] = wanted.rcpt
        yield "r.address = :rcpt COLLATE NOCASE"
    if wanted.accepted:
        values["accepted"] = wanted.accepted
        yield "m.accepted_at < :accepted"
    if wanted.last:
        values["last"] = wanted.last
        yield "m.message <= :last"
    if wanted.reply:
        values["reply"] = f"%{_literal(wanted.reply)}%"
        yield "r.last_reply LIKE :reply ESCAPE '!'"
    if wanted.state:
        yield {State.ACTIVE: f"{_BUSY} AND ", State.HELD: "", State.PAUSED: "d.state = 'held' AND "}.get(
            wanted.state, ""
        ) + f"({_SHOWN[wanted.state]})"


def _literal(text: str) -> str:
    """For LIKE, which knows no case and takes half the time of comparing ends."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def cut(rows: list[Row], more: Place | None, messages: int) -> tuple[list[Row], Place | None]:
    """A page with at most so many messages; and where others follow it, without the last one's beginning."""
    seen: dict[int, int] = {}  # message: its first row
    for index, row in enumerate(rows):
        seen.setdefault(row.place[0], index)
    starts = list(seen.values())
    end = starts[messages] if len(starts) > messages else starts[-1] if more and len(starts) > 1 else len(rows)
    return rows[:end], more if end == len(rows) else rows[end - 1].place


def whole(db: sqlite3.Connection, message: int) -> list[Row]:
    """All recipients of a message whose deliveries are not over, done ones too."""
    query = f"{_COLUMNS} FROM messages m {_D_OF_M} {_R_OF_D} WHERE m.message = ? ORDER BY d.delivery, r.number"
    return [_row(row) for row in db.execute(query, (message,))]
