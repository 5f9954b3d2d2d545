"""What waits for one destination: how much of it, and when it is tried next. Reads only, by indexes; some 100 ms where
a million deliveries wait for it."""

import sqlite3
from dataclasses import dataclass

_WAITING = """
SELECT count(*), coalesce(sum(due <= :now), 0), coalesce(min(CASE WHEN due > :now THEN due END), 0)
FROM deliveries INDEXED BY waiting WHERE token IS NULL AND state <> 'held' AND destination = :destination"""
_ACTIVE = "SELECT count(*) FROM deliveries INDEXED BY active WHERE token IS NOT NULL AND destination = ?"
_HELD = "SELECT count(*) FROM deliveries INDEXED BY held_sites WHERE state = 'held' AND destination = ?"


@dataclass(frozen=True, slots=True)
class Waits:
    """Deliveries: `waiting`, of which `due` are due now; `later`: when the next of the others is, in Unix seconds, or
    0. `active`: in a worker's hands. `held`: by the operator, or as their client is paused."""

    waiting: int
    due: int
    later: float
    active: int
    held: int


def of(db: sqlite3.Connection, destination: str, now: float) -> Waits:
    """For this destination, at that Unix time."""
    waiting = db.execute(_WAITING, {"now": now, "destination": destination}).fetchone()
    others = (db.execute(query, (destination,)).fetchone()[0] for query in (_ACTIVE, _HELD))
    return Waits(*waiting, *others)
