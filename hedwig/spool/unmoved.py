"""What happened, and lies in no day's file yet (history.py): it is read from the spool itself. Reads only."""

import json
import sqlite3
from collections.abc import Sequence

from hedwig.spool.history import Line, folded

_HAPPENED = "SELECT number, lines FROM happened WHERE EXISTS (SELECT 1 FROM json_each(?) j WHERE instr(lines, j.value))"
_NEWEST = "SELECT number, lines FROM happened ORDER BY number DESC LIMIT ?"
_NAMES = "SELECT names FROM names WHERE instr(lower(names), ?) ORDER BY number DESC"


def happened(db: sqlite3.Connection, queue_ids: Sequence[str]) -> list[tuple[int, str]]:
    """Rows with lines of these messages, and perhaps of others."""
    return db.execute(_HAPPENED, (json.dumps(list(queue_ids)),)).fetchall()


def newest(db: sqlite3.Connection, limit: int) -> list[Line]:
    """The lines of that many rows, the newest last."""
    rows = db.execute(_NEWEST, (limit,)).fetchall()[::-1]
    return [tuple(line) for _, text in rows for line in json.loads(text)]


def named(db: sqlite3.Connection, name: str) -> list[str]:
    """Queue IDs of messages known by this name, as `folded` makes it."""
    # The rows have names as they were written: what may be written in several ways is compared here alone.
    part = json.dumps(name)[1:-1] if name.isascii() and "xn--" not in name else ""
    rows = [json.loads(names) for (names,) in db.execute(_NAMES, (part,))]
    return [queue_id for row in rows for _, queue_id, words in row if name in map(folded, words)]
