"""Chores: small steps of housekeeping, in the writer's transactions (every ten seconds, and while there is more).

- sweep bodies that nobody needs (bodies.py), a chunk a step;
- forget acceptances after 30 days (I3), a thousand a step;
- forget which message was the newest with its key (supersede.py), a thousand a step;
- forget how TLS went, of days that nobody reports any more (tls_results.py), a thousand a step;
- forget addresses that were suppressed for a time (suppress.py), a thousand a step;
- forget MTA-STS policies that are over, and broken TLS that may be whole again (tls_memory.py), a thousand a step;
- forget what hosts and containers have sent more than a day ago (usage.py), a thousand a step;
- drop pauses that ran out a minute ago;
- hold what waits of a client that the operator has paused, and free it afterwards (stops.py), a few hundred a step;
- drop what came back from a worker to be dropped (recall.py), ten messages a step;
- give pages back to the file system when a quarter of the file and more than 64 MiB lie empty, 1 MiB a step.

Each process does them; what one has done, the next finds done.
"""

import sqlite3

from hedwig.spool import recall, stops, suppress, tls_memory, tls_results, usage
from hedwig.spool.bodies import sweep
from hedwig.spool.supersede import forget

REMEMBER = 30 * 86400.0
STEP = 1000  # rows
MOST = stops.MOST  # rows that a step changes here and there, about
PAUSE_KEPT = 60.0  # seconds after its end: the feeder must learn of the shortest too
_EMPTY_PAGES = 16384
_VACUUM_PAGES = 256


def step(db: sqlite3.Connection, path: str, now: float) -> bool:
    """One step of each; whether there is more to do at once."""
    more = [
        sweep(db, path),
        _forget_seen(db, now - REMEMBER),
        forget(db, now, STEP),
        suppress.forget(db, now, STEP),
        tls_results.forget(db, now, STEP),
        tls_memory.forget(db, now, STEP),
        usage.forget(db, now, STEP),
        stops.step(db, now),
        _shrink(db),
        recall.step(db, now),
    ]
    recall.sweep(db)
    db.execute("DELETE FROM pauses WHERE until <= ?", (now - PAUSE_KEPT,))
    return any(more)


def _forget_seen(db: sqlite3.Connection, before: float) -> bool:
    """Rows lie in the order of acceptance: look at the oldest only."""
    first = db.execute("SELECT accepted_at FROM seen ORDER BY message LIMIT 1").fetchall()
    if not first or first[0][0] >= before:
        return False
    query = "DELETE FROM seen WHERE message IN (SELECT message FROM seen ORDER BY message LIMIT ?) AND accepted_at < ?"
    return db.execute(query, (STEP, before)).rowcount == STEP


def _shrink(db: sqlite3.Connection) -> bool:
    empty, pages = (db.execute(f"PRAGMA {name}").fetchall()[0][0] for name in ("freelist_count", "page_count"))
    if empty < _EMPTY_PAGES or empty * 4 < pages:
        return False
    for _ in range(_VACUUM_PAGES):
        # One page each, whatever number it is given: it steps by rows without columns, and Python stops at the first.
        db.execute("PRAGMA incremental_vacuum(1)")
    return True
