"""Listing: which recipients a Filter means, page by page, and how many they are. Reads only.

No index is there for it alone: it would cost each message on its way (one by sender, as many pages again as a message
writes without it). So the filter chooses what is walked:

- small sets (IDs, what is active, held, or for a small site) by the indexes that they have;
- else one table in its own order, up to the page's end: the recipients where it asks of those (address, reply, state),
  the messages where it asks of them (client, sender, acceptance), the deliveries where it asks of the site alone or of
  nothing. A million rows of one table take some 0.1 s, and hardly more than half of it where they are many and walked
  in two halves side by side (abreast.py); the rest is looked up for rows that fit.

A page's end is told as (message, delivery, recipient's number), so that the next begins behind it whichever way is
walked, and whatever has ended meanwhile. The order is that of acceptance, and follows from the filter alone.
"""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from hedwig.spool.abreast import Beside, middle
from hedwig.spool.operate import Act, Filter, Tally
from hedwig.spool.shown import QueuedRecipient
from hedwig.spool.words import State

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
_OF_SITE = """
SELECT delivery FROM deliveries INDEXED BY waiting WHERE token IS NULL AND state <> 'held' AND destination = :site
UNION ALL SELECT delivery FROM deliveries INDEXED BY held_sites
    WHERE state = 'held' AND token IS NULL AND destination = :site
UNION ALL SELECT delivery FROM deliveries INDEXED BY active WHERE token IS NOT NULL AND destination = :site"""
HALVED = {"recipients": ("recipients", "delivery", "r.delivery"), "messages": ("messages", "message", "m.message")}
FEW = 5000  # rows that may be looked up one by one and sorted, some 20 ms
_OF_IDS = "(SELECT DISTINCT value FROM json_each(:ids)) j CROSS JOIN messages m ON m.queue_id = j.value"
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
_FEW_DELIVERIES = f"json_each(:few) j CROSS JOIN deliveries d ON d.delivery = j.value {_R_OF_D} {_M_OF_D}"
_FEW_MESSAGES = f"json_each(:few) j CROSS JOIN messages m ON m.message = j.value {_D_OF_M} {_R_OF_D}"
_WALKS = {
    "ids": (f"{_OF_IDS} {_D_OF_M} {_R_OF_D}", _BY_DELIVERY),
    "active": (f"deliveries d INDEXED BY active {_R_OF_D} {_M_OF_D}", _BY_DELIVERY),
    "paused": (f"deliveries d INDEXED BY held {_R_OF_D} {_M_OF_D}", _BY_DELIVERY),
    "held": (f"recipients r INDEXED BY held_recipients {_D_OF_R} {_M_OF_D}", _BY_RECIPIENT),
    "recipients": (f"recipients r {_D_OF_R} {_M_OF_D}", _BY_RECIPIENT),
    "messages": (f"messages m {_D_OF_M} {_R_OF_D}", _BY_MESSAGE),
    "deliveries": (f"deliveries d {_R_OF_D} {_M_OF_D}", _BY_DELIVERY),
}
_WHOLE = tuple(_WALKS[name][0] for name in HALVED)


class Row(NamedTuple):
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
    conditions, values = _conditions(wanted)
    walk, (behind, order) = _walk(db, wanted, condition == _BUSY, values)
    if after != START:  # this test of each row costs some 20 ms in a million
        conditions = f"{behind} AND {conditions}"
    query = f"{_COLUMNS} FROM {walk} WHERE {conditions} AND {condition}{{}} ORDER BY {order} LIMIT :limit"
    places = dict(zip(("message", "delivery", "number"), after, strict=True))
    values = {**values, **places, "limit": limit + 1}
    halved = HALVED.get(_own_walk(wanted, condition == _BUSY)) if after == START else None
    if halved and walk in _WHOLE and (half := middle(db, *halved[:2])):
        rows = _in_halves(db, query, {**values, "half": half}, halved[2], limit)
    else:
        rows = [_row(row) for row in db.execute(query.format(""), values)]
    return rows[:limit], rows[limit - 1].place if len(rows) > limit else None


def _in_halves(db: sqlite3.Connection, query: str, values: dict[str, Any], column: str, limit: int) -> list[Row]:
    first, second = (query.format(f" AND {column} {than} :half") for than in ("<", ">="))
    beside = Beside(db, lambda other: [_row(row) for row in other.execute(second, values)])
    try:
        rows = [_row(row) for row in db.execute(first, values)]
        return rows if len(rows) > limit else rows + beside.answer()
    finally:
        beside.give_up()


def _count(db: sqlite3.Connection, wanted: Filter, condition: str) -> tuple[int, int]:
    conditions, values = _conditions(wanted)
    walk, _ = _walk(db, wanted, condition == _BUSY, values)
    query = f"SELECT count(*), count(DISTINCT m.message) FROM {walk} WHERE {conditions} AND {condition}"  # noqa: S608 (our words alone)
    recipients, messages = db.execute(query, values).fetchone()
    return recipients, messages


def per_sender(db: sqlite3.Connection, wanted: Filter, most: int) -> Iterator[tuple[str, str, int, int]]:
    """Client, sender, messages, and how many lots of `most` recipients they are, claimed ones too. Messages with wishes
    for reports are left to `with_wishes`."""
    inner = _letters_of(db, wanted, "m.options NOT LIKE '%\"notify\"%'")
    query = f"SELECT client, mailfrom, count(*), sum((n + {most} - 1) / {most}) FROM ({inner[0]}) GROUP BY 1, 2"  # noqa: S608 (our words alone)
    yield from db.execute(query, inner[1])


def with_wishes(db: sqlite3.Connection, wanted: Filter) -> Iterator[tuple[str, str, str, list[str]]]:
    """Client, sender, options and recipients of the other messages."""
    inner = _letters_of(db, wanted, "m.options LIKE '%\"notify\"%'", ", m.options, json_group_array(r.address)")
    for client, mailfrom, _, options, addresses in db.execute(*inner):
        yield client, mailfrom, options, json.loads(addresses)


def _letters_of(
    db: sqlite3.Connection, wanted: Filter, condition: str, columns: str = ""
) -> tuple[str, dict[str, Any]]:
    conditions, values = _conditions(wanted)
    walk, _ = _walk(db, wanted, False, values)
    query = (
        f"SELECT m.client AS client, m.mailfrom AS mailfrom, count(*) AS n{columns} FROM {walk}"  # noqa: S608
        f" WHERE {conditions} AND {condition} GROUP BY m.message"
    )
    return query, values


def _row(row: tuple[Any, ...]) -> Row:
    queue_id, client, mailfrom, rcptto, destination, state, tries, accepted_at, due, reply, size, doubts = row[:12]
    shown = QueuedRecipient(
        queue_id, client, mailfrom, rcptto, destination, State(state), tries, accepted_at, due, reply, size, doubts
    )
    return Row(shown, (row[12], row[13], row[14]), row[15])


def _walk(db: sqlite3.Connection, wanted: Filter, busy: bool, values: dict[str, Any]) -> tuple[str, tuple[str, str]]:
    """What is walked, and the order: that of the filter's own walk, also where a few rows are walked instead, which are
    put to the query's `values`."""
    own = _own_walk(wanted, busy)
    walk, order = _WALKS[own]
    if own in ("ids", "active"):
        return walk, order
    if _site(wanted) and _are_few(db, _OF_SITE, values):
        return _FEW_DELIVERIES, order
    if own == "recipients" and (wanted.client or wanted.sender or wanted.accepted):
        its = _parts(wanted._replace(site="", rcpt="", reply="", state=None), values)
        if _are_few(db, f"SELECT m.message FROM messages m WHERE {' AND '.join(its)}", values):  # noqa: S608 (our words alone)
            return _FEW_MESSAGES, order
    return walk, order


def _are_few(db: sqlite3.Connection, query: str, values: dict[str, Any]) -> bool:
    """Whether the query gives few numbers; these are put to the values."""
    found = [number for (number,) in db.execute(f"{query} LIMIT {FEW + 1}", values)]
    values["few"] = json.dumps(found)
    return len(found) <= FEW


def _own_walk(wanted: Filter, busy: bool) -> str:
    if wanted.ids:
        return "ids"
    if busy or wanted.state is State.ACTIVE:
        return "active"
    if wanted.state in (State.HELD, State.PAUSED):
        return wanted.state.value
    if wanted.reply or (wanted.rcpt and not wanted.rcpt.startswith("@")):
        return "recipients"
    if wanted.client or wanted.sender or wanted.accepted:
        return "messages"
    return "recipients" if wanted.state else "deliveries"


def _site(wanted: Filter) -> str:
    """The destination of all that fits, or "" where the filter doesn't tell."""
    if wanted.site or wanted.rcpt.startswith("@"):
        return (wanted.site or wanted.rcpt[1:]).lower()
    domain = wanted.rcpt.rpartition("@")[2]  # as it was written: that of others is another one (address.py)
    return domain.lower() if domain.isascii() and not domain.startswith("[") else ""


def _conditions(wanted: Filter) -> tuple[str, dict[str, Any]]:
    """All that a row must be, the filter's own words first: they say no soonest."""
    values: dict[str, Any] = {}
    return " AND ".join([*_parts(wanted, values), "r.state <> 'done'"]), values


def _parts(wanted: Filter, values: dict[str, Any]) -> Iterator[str]:
    if wanted.ids:
        values["ids"] = json.dumps([queue_id.upper() for queue_id in wanted.ids])
    if site := _site(wanted):
        values["site"] = site
        yield "+d.destination = :site"
    if wanted.site and wanted.rcpt.startswith("@"):
        values["domain"] = wanted.rcpt[1:].lower()
        yield "+d.destination = :domain"
    if wanted.client:
        values["client"] = wanted.client
        yield "m.client = :client COLLATE NOCASE"
    if wanted.sender.startswith("@"):
        values["sender"] = f"%{_literal(wanted.sender)}"
        yield f"m.mailfrom LIKE :sender{_escape(values['sender'])}"
    elif wanted.sender:
        values["sender"] = "" if wanted.sender == "<>" else wanted.sender
        yield "m.mailfrom = :sender COLLATE NOCASE"
    if wanted.rcpt and not wanted.rcpt.startswith("@"):
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
        yield f"r.last_reply LIKE :reply{_escape(values['reply'])}"
    if wanted.state:
        yield {State.ACTIVE: f"{_BUSY} AND ", State.HELD: "", State.PAUSED: "d.state = 'held' AND "}.get(
            wanted.state, ""
        ) + f"({_SHOWN[wanted.state]})"


def _literal(text: str) -> str:
    """For LIKE, which knows no case and takes half the time of comparing ends."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _escape(pattern: str) -> str:
    """It costs a tenth of the time where it is named."""
    return " ESCAPE '!'" if "!" in pattern else ""


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
