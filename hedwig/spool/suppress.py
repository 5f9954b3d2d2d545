"""Suppressed addresses: those that a receiver said don't exist, or that an operator has named. They get no mail.

Rows are written in the transaction of the outcome that led to them (settle.py), or by the operator. Who claims finds
them marked, and asks no receiver about them: a look-up by key for the recipients of one batch of claims, and one that
finds an empty table where there are none. What is over is forgotten by chores.

An operator's word stands: a receiver's reply changes nothing of it but what would end sooner.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace

from hedwig.spool.records import Recipient
from hedwig.spool.suppressed import Suppression, folded

_COLUMNS = "address, since, until, who, reason"
_ADD = f"""
INSERT INTO suppressions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (address) DO UPDATE SET until = excluded.until, who = excluded.who, reason = excluded.reason
WHERE excluded.until > until"""  # noqa: S608 (constants only, as below)
_SET = f"INSERT OR REPLACE INTO suppressions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
_THERE = "SELECT EXISTS (SELECT 1 FROM suppressions)"
_FOUND = f"""
SELECT {_COLUMNS} FROM json_each(?) j CROSS JOIN suppressions s WHERE s.address = j.value AND s.until > ?"""  # noqa: S608
_LIST = f"""
SELECT {_COLUMNS} FROM suppressions WHERE until > ? AND address > ? AND (? = '' OR instr(address, ?) > 0)
ORDER BY address LIMIT ?"""  # noqa: S608
_FORGET = """
DELETE FROM suppressions WHERE address IN (SELECT address FROM suppressions WHERE until <= ? ORDER BY until LIMIT ?)"""


def add(db: sqlite3.Connection, suppressions: Iterable[Suppression]) -> None:
    """Note what receivers said. What ends later anyhow stays as it is."""
    for one in suppressions:
        db.execute(_ADD, (one.address, one.since, one.until, one.who, one.reason))


def put(db: sqlite3.Connection, suppressions: Iterable[Suppression]) -> None:
    """Note what the operator wants, in place of what is there."""
    for one in suppressions:
        db.execute(_SET, (one.address, one.since, one.until, one.who, one.reason))


def mark(
    db: sqlite3.Connection, destinations: Mapping[int, str], recipients: dict[int, list[Recipient]], now: float
) -> None:
    """Mark those of claimed deliveries whose addresses get no mail; `destinations` and `recipients` by delivery."""
    if not db.execute(_THERE).fetchone()[0]:
        return
    names = {
        (delivery, each.number): folded(each.address, destinations[delivery])
        for delivery, members in recipients.items()
        for each in members
    }
    found = {row[0]: Suppression(*row) for row in db.execute(_FOUND, (json.dumps(list({*names.values()})), now))}
    if not found:
        return
    for delivery, members in recipients.items():
        recipients[delivery] = [replace(each, suppressed=found.get(names[delivery, each.number])) for each in members]


def listed(db: sqlite3.Connection, part: str, after: str, limit: int, now: float) -> list[Suppression]:
    """Those in force whose address has `part` in it, by address, behind `after`."""
    return [Suppression(*row) for row in db.execute(_LIST, (now, after, part, part, limit))]


def found(db: sqlite3.Connection, addresses: Iterable[str], now: float) -> list[Suppression]:
    """Those in force of these addresses (as `folded` makes them)."""
    return [Suppression(*row) for row in db.execute(_FOUND, (json.dumps(list(addresses)), now))]


def remove(db: sqlite3.Connection, address: str) -> bool:
    """Let an address have mail again; whether it had none."""
    return db.execute("DELETE FROM suppressions WHERE address = ?", (address,)).rowcount > 0


def forget(db: sqlite3.Connection, now: float, limit: int) -> bool:
    """Delete what is over, `limit` at a time; whether there is more."""
    return db.execute(_FORGET, (now, limit)).rowcount == limit
