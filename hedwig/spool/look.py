"""Looking: what the feeder and the operator read. Short reads on readers of their own; nothing is ever written.

Each query is bounded by what it returns, not by what waits: with a million deliveries in 500 destinations the feeder's
are index seeks. `streams` hops from one (destination, priority) to the next, and the first row of each has the least
due time of it.
"""

import json
import sqlite3
from collections.abc import Sequence
from itertools import chain, islice, zip_longest

from hedwig.spool import Pause, QueuedRecipient, State, Stream, Waiting
from hedwig.spool.intake import FRESH

_WAITS = "token IS NULL AND state <> 'held'"
_STREAMS = f"""
WITH RECURSIVE head (destination, priority, due) AS (
    SELECT * FROM (SELECT destination, priority, due FROM deliveries INDEXED BY waiting WHERE {_WAITS}
        ORDER BY destination, priority, due LIMIT 1)
    UNION ALL
    SELECT n.destination, n.priority, n.due FROM head h CROSS JOIN deliveries n WHERE n.delivery = coalesce(
        (SELECT delivery FROM deliveries INDEXED BY waiting WHERE {_WAITS}
        AND destination = h.destination AND priority > h.priority ORDER BY priority, due LIMIT 1),
        (SELECT delivery FROM deliveries INDEXED BY waiting WHERE {_WAITS}
        AND destination > h.destination ORDER BY destination, priority, due LIMIT 1)))
SELECT destination, priority FROM head WHERE due <= ?"""  # noqa: S608 (constants only)
_NEWLY_DUE = """
SELECT DISTINCT destination, priority FROM deliveries INDEXED BY deferred
WHERE token IS NULL AND state = 'deferred' AND due >= ? AND due <= ?"""
_NEXT_PRIORITY = f"""
SELECT priority FROM deliveries INDEXED BY waiting WHERE {_WAITS} AND destination = ? AND priority > ?
ORDER BY priority LIMIT 1"""  # noqa: S608 (constants only)
_DUE = f"""
SELECT delivery, destination, priority, due FROM deliveries INDEXED BY waiting
WHERE {_WAITS} AND destination = ? AND priority = ? AND due > ? AND due <= ? ORDER BY due, delivery LIMIT ?"""  # noqa: S608 (constants only)
_EXPIRED = """
SELECT delivery, destination, priority, due FROM deliveries INDEXED BY expiring
WHERE state <> 'held' AND expires <= ? AND token IS NULL ORDER BY expires LIMIT ?"""
_PAUSES = """
SELECT destination, since, until, reason, priority FROM pauses WHERE until > ?1
UNION ALL SELECT name, since, until, reason, 0 FROM stops WHERE kind = 'site' AND until > ?1 ORDER BY 1, 3"""
_STILL_WAITING = f"""
SELECT d.delivery FROM json_each(?) j CROSS JOIN deliveries d
WHERE d.delivery = j.value AND {_WAITS} AND (due <= ? OR expires <= ?)"""  # noqa: S608 (constants only)
_COLUMNS = """
SELECT m.queue_id, m.client, m.mailfrom, r.address, d.destination,
    CASE WHEN d.token IS NOT NULL AND r.state <> 'held' AND (r.due <= d.claimed_at OR d.expires <= d.claimed_at)
        THEN 'active' ELSE r.state END,
    r.tries, m.accepted_at, CASE r.state WHEN 'ready' THEN m.accepted_at ELSE r.due END,
    r.last_reply, m.size, r.doubts, r.delivery, r.number"""
_AFTER = "(r.delivery, r.number) > (?, ?) AND r.state <> 'done' ORDER BY r.delivery, r.number LIMIT ?"
_QUEUED = f"""
{_COLUMNS} FROM recipients r CROSS JOIN deliveries d ON d.delivery = r.delivery
CROSS JOIN messages m ON m.message = d.message WHERE {_AFTER}"""
_QUEUED_ONE = f"""
{_COLUMNS} FROM messages m CROSS JOIN recipients r
    ON r.delivery BETWEEN m.first_delivery AND m.first_delivery + m.deliveries - 1
CROSS JOIN deliveries d ON d.delivery = r.delivery WHERE m.queue_id = ? AND {_AFTER}"""
_SHIFT = 20  # of a page's `after`: delivery * 2**20 + recipient


def streams(db: sqlite3.Connection, now: float, newly_due_since: float | None) -> set[Stream]:
    """See Look."""
    if newly_due_since is None:
        return {Stream(*row) for row in db.execute(_STREAMS, (now,))}
    return {Stream(*row) for row in db.execute(_NEWLY_DUE, (newly_due_since, now))}


def due(db: sqlite3.Connection, destination: str, now: float, limit: int, priority: int | None = None) -> list[Waiting]:
    """See Look. Seeks for each priority in use, so that what isn't due of one is not walked over for the next."""
    if priority is not None:
        return _due(db, Stream(destination, priority), now, limit)
    found: list[Waiting] = []
    last = -(1 << 63)
    while len(found) < limit and (row := db.execute(_NEXT_PRIORITY, (destination, last)).fetchone()):
        (last,) = row
        found += _due(db, Stream(destination, last), now, limit - len(found))
    return found


def _due(db: sqlite3.Connection, stream: Stream, now: float, limit: int) -> list[Waiting]:
    fresh = db.execute(_DUE, (*stream, -1.0, FRESH, limit)).fetchall()
    tried = db.execute(_DUE, (*stream, FRESH, now, limit)).fetchall()
    by_turns = chain.from_iterable(zip_longest(fresh, tried))
    return [Waiting(*row) for row in islice(filter(None, by_turns), limit)]


def expired(db: sqlite3.Connection, now: float, limit: int) -> list[Waiting]:
    """See Look."""
    return [Waiting(*row) for row in db.execute(_EXPIRED, (now, limit))]


def pauses(db: sqlite3.Connection, now: float) -> list[Pause]:
    """See Look."""
    return [Pause(*row) for row in db.execute(_PAUSES, (now,))]


def still_waiting(db: sqlite3.Connection, deliveries: Sequence[int], now: float) -> set[int]:
    """See Look."""
    return {delivery for (delivery,) in db.execute(_STILL_WAITING, (json.dumps(list(deliveries)), now, now))}


def owners(db: sqlite3.Connection) -> list[str]:
    """See Work."""
    query = "SELECT DISTINCT owner FROM deliveries INDEXED BY active WHERE token IS NOT NULL ORDER BY owner"
    return [owner for (owner,) in db.execute(query)]


def depth(db: sqlite3.Connection) -> int:
    """See Look. The smallest index is walked: some 40 ms with a million."""
    return int(db.execute("SELECT count(*) FROM deliveries WHERE state <> 'held'").fetchone()[0])


def queued(db: sqlite3.Connection, queue_id: str, limit: int, after: int) -> tuple[list[QueuedRecipient], int]:
    """See Look. Deliveries are numbered in the order of acceptance."""
    start = (after >> _SHIFT, (after & ((1 << _SHIFT) - 1)) if after else -1)
    if queue_id:
        rows = db.execute(_QUEUED_ONE, (queue_id, *start, limit + 1)).fetchall()
    else:
        rows = db.execute(_QUEUED, (*start, limit + 1)).fetchall()
    page = [QueuedRecipient(*[*row[:5], State(row[5]), *row[6:12]]) for row in rows[:limit]]
    more = (rows[limit - 1][12] << _SHIFT) | rows[limit - 1][13] if len(rows) > limit else 0
    return page, more


def used(db: sqlite3.Connection) -> int:
    """See Intake."""
    return int(db.execute("SELECT octets FROM numbers").fetchone()[0])


def happened(db: sqlite3.Connection, queue_id: str) -> list[tuple[int, str]]:
    """Rows of history that no day's file has yet and that may tell of this message. Few: what the last second wrote."""
    return db.execute("SELECT number, lines FROM happened WHERE instr(lines, ?)", (queue_id,)).fetchall()
