"""Recalls: the operator holds or drops what a worker has claimed just then, which acts.py leaves alone.

A claim can't be taken away (I12). So the order is noted beside it, for each recipient, with the claim's token. Workers
look for such notes each second, and hand back whatever has no final dot out (worker/dispatch.py). Wherever the claim
ends without outcome for such a recipient, handed back or deferred, in doubt or by its worker's death, it is held in the
same transaction (`over`). With HOLD that is all. With DROP the note goes on without token, and `step` drops what is
held, a few messages a transaction: whoever comes first does it, the operator's command or a daemon, so that none needs
to wait for a receiver that takes its ten minutes.

Past its dot a message has the outcome that it gets. A note counts for the claim whose token it has, and is gone with
it; who releases what is held before `step` comes to it has taken it back.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from hedwig.spool import Event, Halted, Kind, State, acts, dropping, listing, stops
from hedwig.spool.history import Line, line
from hedwig.spool.listing import Row
from hedwig.spool.operate import Act, Order, Telling

LOT = 10  # messages that a step drops: reports are made within its transaction
NOTES = 100  # that a step looks at

_NOTE = """
INSERT OR REPLACE INTO recalled (delivery, number, token, ordered)
SELECT r.delivery, r.number, d.token, ? FROM json_each(?) j
CROSS JOIN recipients r ON r.delivery = json_extract(j.value, '$[0]') AND r.number = json_extract(j.value, '$[1]')
CROSS JOIN deliveries d ON d.delivery = r.delivery WHERE d.token IS NOT NULL AND r.state <> 'done'
RETURNING delivery, number"""
_OF_OWNER = """
SELECT DISTINCT c.delivery FROM recalled c CROSS JOIN deliveries d
WHERE d.delivery = c.delivery AND d.token = c.token AND d.owner = ?"""
_OVER = """
SELECT c.delivery, c.number, c.token, c.ordered, r.address, r.state, m.queue_id, m.client
FROM json_each(?) j CROSS JOIN recalled c CROSS JOIN recipients r CROSS JOIN deliveries d CROSS JOIN messages m
WHERE c.delivery = j.value AND c.token IS NOT NULL AND r.delivery = c.delivery AND r.number = c.number
AND r.state <> 'done' AND d.delivery = c.delivery AND m.message = d.message"""
_FORGET = "DELETE FROM recalled WHERE token IS NOT NULL AND delivery IN (SELECT value FROM json_each(?))"
_HOLD = "UPDATE recipients SET state = 'held' WHERE delivery = ? AND number = ?"
_KEEP = "INSERT OR REPLACE INTO recalled (delivery, number, token, ordered) VALUES (?, ?, NULL, ?)"
_STALE = """
DELETE FROM recalled WHERE token IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM deliveries d WHERE d.delivery = recalled.delivery AND d.token = recalled.token)"""
_TO_DROP = """
SELECT c.delivery, c.number, c.ordered, d.message FROM recalled c LEFT JOIN deliveries d ON d.delivery = c.delivery
WHERE c.token IS NULL AND d.token IS NULL ORDER BY c.ordered, c.delivery, c.number LIMIT ?"""
_DONE_WITH = "DELETE FROM recalled WHERE delivery = ? AND number = ?"
_LEFT = """
SELECT count(c.token), count(*) - count(c.token) FROM json_each(?) j CROSS JOIN recalled c
WHERE c.delivery = json_extract(j.value, '$[0]') AND c.number = json_extract(j.value, '$[1]')"""


def note(db: sqlite3.Connection, rows: Sequence[Row], order: Order) -> list[Row]:
    """Note the order beside the claims of these recipients; those that are claimed still. HOLD wants nothing of what is
    held already."""
    wanted = [row for row in rows if order.act is not Act.HOLD or row.state != State.HELD]
    noted = set(db.execute(_NOTE, (_packed(order), json.dumps([row.place[1:] for row in wanted]))))
    return [row for row in wanted if row.place[1:] in noted]


def halted(db: sqlite3.Connection, owner: str, now: float) -> Halted:
    """See Work. Some 10 µs where there is nothing."""
    recalled = frozenset(delivery for (delivery,) in db.execute(_OF_OWNER, (owner,)))
    return Halted(frozenset(stops.sites(db, now)), frozenset(stops.clients(db, now)), recalled)


def over(
    db: sqlite3.Connection, claims: Mapping[int, int], now: float
) -> tuple[dict[int, tuple[str, ...]], list[Line]]:
    """These claims (delivery: token) have ended just now, and are written. Hold what was recalled and has no outcome:
    its addresses by delivery, and the lines about it."""
    if not claims or not db.execute("SELECT 1 FROM recalled LIMIT 1").fetchall():
        return {}, []
    deliveries = json.dumps(list(claims))
    rows = [row for row in db.execute(_OVER, (deliveries,)).fetchall() if row[2] == claims[row[0]]]
    db.execute(_FORGET, (deliveries,))
    held: dict[int, tuple[str, ...]] = {}
    lines = []
    for delivery, number, _, ordered, address, state, queue_id, client in rows:
        order = _unpacked(ordered)
        if state != State.HELD:
            db.execute(_HOLD, (delivery, number))
            held[delivery] = (*held.get(delivery, ()), address)
            lines.append(line(Event(now, Kind.HELD, address, detail=_words(order)), queue_id, client))
        if order.act is Act.DROP:
            db.execute(_KEEP, (delivery, number, ordered))
    if held:
        stops.derive(db, list(held), now)
    return held, lines


def step(db: sqlite3.Connection, now: float) -> bool:
    """Drop some of what came back to be dropped; whether there is more."""
    notes = db.execute(_TO_DROP, (NOTES,)).fetchall()
    if not notes:
        return False
    ordered = notes[0][2]
    messages = list(dict.fromkeys(message for _, _, one, message in notes if one == ordered))[:LOT]
    lot = {(delivery, number) for delivery, number, one, message in notes if one == ordered and message in messages}
    rows = [
        row
        for message in messages
        if message is not None
        for row in listing.whole(db, message)
        if row.place[1:] in lot and row.state == State.HELD
    ]
    order = _unpacked(ordered)
    reports = dropping.reports(db, rows, order.telling, now) if order.telling else {}
    acts.apply(db, acts.Chosen(order, rows, reports), now)
    db.executemany(_DONE_WITH, list(lot))
    return len(lot) < len(notes) or len(notes) == NOTES


def sweep(db: sqlite3.Connection) -> None:
    """Forget notes whose claim is no more: code that knows nothing of them has ended it."""
    db.execute(_STALE)


def left(db: sqlite3.Connection, places: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """How many of these (delivery, recipient's number) are claimed still, and how many are back and to be dropped."""
    claimed, back = db.execute(_LEFT, (json.dumps(places),)).fetchone()
    return claimed, back


def _words(order: Order) -> str:
    dropped = "to be dropped, " if order.act is Act.DROP else ""
    return f"{dropped}by {order.who}: {order.reason}" if order.reason else f"{dropped}by {order.who}"


def _packed(order: Order) -> str:
    telling = order.telling._asdict() if order.telling else None
    return json.dumps({**order._asdict(), "telling": telling}, sort_keys=True)


def _unpacked(text: str) -> Order:
    fields: dict[str, Any] = json.loads(text)
    telling = Telling(**fields["telling"]) if fields["telling"] else None
    return Order(Act(fields["act"]), fields["who"], fields["reason"], telling)
