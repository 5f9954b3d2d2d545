"""The one row of `numbers`: the last numbers given out, and the octets of all bodies.

It is changed in the same transaction as the rows that it counts, so it is right after any crash. Numbers grow in the
order of commits and are never used twice, even when the rows that had them are gone.
"""

import sqlite3
import time


def take(db: sqlite3.Connection, messages: int, deliveries: int, octets: int) -> tuple[int, int]:
    """The first numbers of that many new messages and deliveries; counts `octets` in."""
    message, delivery = db.execute(
        "UPDATE numbers SET message = message + ?, delivery = delivery + ?, octets = octets + ?"
        " RETURNING message, delivery",
        (messages, deliveries, octets),
    ).fetchall()[0]
    return message - messages + 1, delivery - deliveries + 1


def count_out(db: sqlite3.Connection, octets: int) -> None:
    """These octets are gone."""
    if octets:
        db.execute("UPDATE numbers SET octets = octets - ?", (octets,))


def next_happened(db: sqlite3.Connection) -> int:
    """The number of a new row of `happened`."""
    rows = db.execute("UPDATE numbers SET happened = happened + 1 RETURNING happened").fetchall()
    return int(rows[0][0])


def unused_number() -> int:
    """A number for `happened` beyond those of any spool that was here before: one grows by less than one a ms."""
    return time.time_ns() // 1_000_000
