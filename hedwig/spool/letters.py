"""Queued messages, whole, by their queue ID: for the operator. Reads only."""

import sqlite3

from hedwig.options import PLAIN, Options, unpacked
from hedwig.spool import listing
from hedwig.spool.operate import Letter

_LETTERS = """
SELECT message, queue_id, client, mailfrom, size, accepted_at, smtputf8, origin, options, submitter, first_delivery,
    deliveries FROM messages WHERE queue_id = ? ORDER BY message"""
_EXPIRY = "SELECT max(expires), min(priority) FROM deliveries WHERE delivery BETWEEN ? AND ?"


def found(db: sqlite3.Connection, queue_id: str) -> list[Letter]:
    """All of that ID; several where clients chose the same."""
    letters = []
    for row in db.execute(_LETTERS, (queue_id,)).fetchall():
        message, _, client, mailfrom, size, accepted_at, smtputf8, origin, options, submitter, first, count = row
        expires, priority = db.execute(_EXPIRY, (first, first + count - 1)).fetchone()
        recipients = tuple(one.shown for one in listing.whole(db, message))
        values = (message, queue_id, client, mailfrom, size, accepted_at, expires or 0.0, priority or 0)
        letters.append(Letter(*values, bool(smtputf8), origin, recipients, _options(options), submitter))
    return letters


def _options(text: str) -> Options:
    try:
        return unpacked(text)
    except ValueError:  # of a newer release
        return PLAIN
