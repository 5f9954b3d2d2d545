"""Acts: what the operator does with mail that waits, one lot in one transaction.

A lot is looked for outside the transaction (listing.py), so that no writer waits for a search; within it each of its
recipients is looked at again, and left as it is where it changed meanwhile: a worker has claimed it, say (I4). So an
act may be repeated, and broken off at any lot.

- retry: deferred recipients are due now. Hosts that a worker found unreachable are left alone for as long as it says.
- hold: recipients are held; they keep tries and due, and don't expire.
- release: they go out now, whatever held them, and have LAST_CHANCE to (stops.py).
- drop: they are done. Deliveries, messages and bodies go as they do when they are delivered (ends.py). Where senders
  are told, it is by a report of each message that is made beforehand; should one of its recipients have changed, all
  of the message is left for another try.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hedwig.spool import Event, Kind, NewMessage, RecipientResult, State, digests, stops
from hedwig.spool.dropping import LOT
from hedwig.spool.ends import Ends, derive
from hedwig.spool.history import Line, line, record
from hedwig.spool.intake import FRESH
from hedwig.spool.listing import Row
from hedwig.spool.operate import Act, Order

MOST = 400  # recipients in a lot: as many rows again are their deliveries
MOST_DROPPED = LOT  # of few messages, for with each of these go three rows more,
MOST_MESSAGES = 150
MOST_REPORTED = 50  # or nine, where its sender is told

_NOW = """
SELECT r.delivery, r.number, r.state FROM json_each(?) j
CROSS JOIN recipients r ON r.delivery = json_extract(j.value, '$[0]') AND r.number = json_extract(j.value, '$[1]')
CROSS JOIN deliveries d ON d.delivery = r.delivery WHERE d.token IS NULL"""
_NEVER_TRIED = "tries = 0 AND doubts = 0"
_CHANGE = {
    Act.RETRY: "UPDATE recipients SET due = min(due, :now) WHERE delivery = :delivery AND number = :number",
    Act.HOLD: "UPDATE recipients SET state = 'held' WHERE delivery = :delivery AND number = :number",
    Act.RELEASE: f"""
UPDATE recipients SET state = iif({_NEVER_TRIED}, 'ready', 'deferred'), due = iif({_NEVER_TRIED}, {FRESH}, :now)
WHERE delivery = :delivery AND number = :number""",  # noqa: S608 (constants only)
}
_KIND = {Act.RETRY: Kind.RETRY, Act.HOLD: Kind.HELD, Act.RELEASE: Kind.RELEASED, Act.DROP: Kind.DROPPED}
_OPEN = """
SELECT r.delivery, r.number, r.state, r.due FROM json_each(?) j CROSS JOIN recipients r
WHERE r.delivery = j.value AND r.state <> 'done'"""
_ENDING = """
SELECT d.delivery, d.message, m.open, m.size FROM json_each(?) j CROSS JOIN deliveries d CROSS JOIN messages m
WHERE d.delivery = j.value AND m.message = d.message"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A lot before its transaction. `reports`: the notifications of what is dropped, by message."""

    order: Order
    rows: Sequence[Row]
    reports: Mapping[int, NewMessage] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Rows, for the bounds of a transaction."""
        return 2 * len(self.rows) + 8 * len(self.reports)


@dataclass(frozen=True, slots=True)
class Changed:
    """What the transaction did: the recipients, queue IDs of reports, and how many more are left to a digest."""

    rows: Sequence[Row]
    reports: tuple[str, ...] = ()
    digested: int = 0


def most(order: Order) -> tuple[int, int]:
    """Of recipients, and of messages, in a lot."""
    if order.act is not Act.DROP:
        return MOST, MOST
    return MOST_DROPPED, MOST_MESSAGES if order.telling is None else MOST_REPORTED


def apply(db: sqlite3.Connection, chosen: Chosen, now: float) -> Changed:
    """Change what is still as it was chosen."""
    rows = _unchanged(db, chosen)
    if chosen.order.act is Act.DROP:
        return _drop(db, chosen, rows, now)
    places = [{"delivery": row.place[1], "number": row.place[2], "now": now} for row in rows]
    db.executemany(_CHANGE[chosen.order.act], places)
    deliveries = list(dict.fromkeys(row.place[1] for row in rows))
    stops.derive(db, deliveries, now)
    if chosen.order.act is Act.RELEASE and rows:
        stops.extend(db, deliveries, now)
        stops.nudge(db, now)
    record(db, _lines(chosen.order, rows, now))
    return Changed(rows)


def _unchanged(db: sqlite3.Connection, chosen: Chosen) -> list[Row]:
    places = json.dumps([row.place[1:] for row in chosen.rows])
    there = {(delivery, number): state for delivery, number, state in db.execute(_NOW, (places,))}
    changed = [row for row in chosen.rows if there.get(row.place[1:]) != row.state]
    left = chosen.reports.keys() & {row.place[0] for row in changed}
    return [row for row in chosen.rows if row not in changed and row.place[0] not in left]


def _lines(order: Order, rows: Iterable[Row], now: float) -> list[Line]:
    detail = f"by {order.who}: {order.reason}" if order.reason else f"by {order.who}"
    return [
        line(Event(now, _KIND[order.act], row.shown.rcptto, detail=detail), row.shown.queue_id, row.shown.client)
        for row in rows
    ]


def _drop(db: sqlite3.Connection, chosen: Chosen, rows: Sequence[Row], now: float) -> Changed:
    ends, said = Ends(db), f"dropped by {chosen.order.who}"
    gone: dict[int, set[int]] = {}
    for row in rows:
        gone.setdefault(row.place[1], set()).add(row.place[2])
    wanted = json.dumps(list(gone))
    left: dict[int, list[tuple[str, float]]] = {delivery: [] for delivery in gone}
    for delivery, number, state, due in db.execute(_OPEN, (wanted,)):
        if number not in gone[delivery]:
            left[delivery].append((state, due))
    for delivery, message, open_, size in db.execute(_ENDING, (wanted,)).fetchall():
        if left[delivery]:
            for number in gone[delivery]:
                ends.result(delivery, RecipientResult(number, State.DONE, said, counted=False))
            ends.goes_on(delivery, *derive(left[delivery]))
        else:
            ends.ends(delivery, message, open_, size)
    ends.write()
    stops.hold_back(db, list(gone), now)
    lines = _lines(chosen.order, rows, now)
    about = {row.place[0]: row.shown for row in rows}
    told = [
        (about[message].queue_id, about[message].client, report)
        for message, report in chosen.reports.items()
        if message in about
    ]
    posted = digests.post(db, told, now)
    record(db, [*lines, *posted.lines])
    if posted.deliveries:
        stops.nudge(db, now)
    return Changed(rows, posted.sent, len(posted.digested))
