"""How much each host and container has sent lately: one row for each slot of time (hedwig/quota.py).

A message that is counted says so itself (NewMessage.charges); its counts are written with it, in the transaction that
makes it durable, all of a transaction together. A repeat is counted once, as it is registered once (I3). Who decides
about quotas reads them once, at its start, and counts on in memory: one postoffice has the spool.
"""

import sqlite3
from collections.abc import Iterable

from hedwig.quota import KEPT, slot_of
from hedwig.spool import NewMessage

_ADD = """
INSERT INTO usage (slot, client, container, messages, recipients) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients"""
_FORGET = """
DELETE FROM usage WHERE (slot, client, container) IN (
    SELECT slot, client, container FROM usage WHERE slot < ? LIMIT ?)"""
Used = tuple[int, str, str, int, int]  # slot, client, container ("": all of the host), messages, recipients


def count(db: sqlite3.Connection, messages: Iterable[NewMessage], now: float) -> None:
    """Add what these say of themselves."""
    slot = slot_of(now)
    sums: dict[tuple[str, str], list[int]] = {}
    for message in messages:
        for container in message.charges:
            counts = sums.setdefault((message.client, container), [0, 0])
            counts[0] += 1
            counts[1] += len(message.envelope.rcpttos)
    if sums:
        db.executemany(_ADD, [(slot, *names, *counts) for names, counts in sums.items()])


def used(db: sqlite3.Connection, now: float) -> list[Used]:
    """All that may count yet."""
    query = "SELECT slot, client, container, messages, recipients FROM usage WHERE slot >= ?"
    return db.execute(query, (slot_of(now - KEPT),)).fetchall()


def forget(db: sqlite3.Connection, now: float, step: int) -> bool:
    """Forget what counts no more; whether there is more of it."""
    return db.execute(_FORGET, (slot_of(now - KEPT), step)).rowcount == step
