"""What was poured into a new spool is made to hang together again, and what can't go on by itself is set aside.

A letter goes on that has its row, its whole body, and recipients that are still open. A delivery whose own row is lost
is made anew for its recipients: they may be tried a little early, and nothing is lost. What else there is of a letter
becomes an Aside, for the operator: no machine tells a sender about half a letter.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from hedwig.address import AddressError
from hedwig.envelope import Envelope
from hedwig.spool import NORMAL, POSTOFFICE
from hedwig.spool.bodies import chunk_number
from hedwig.spool.ends import derive

EXPIRE = 5 * 86400.0  # seconds after its acceptance that a delivery has whose row is lost

_OPEN = "state <> 'done'"
_ORPHANS = f"""
SELECT r.delivery, m.message, m.accepted_at FROM (SELECT DISTINCT delivery FROM recipients WHERE {_OPEN}) r
JOIN messages m ON r.delivery BETWEEN m.first_delivery AND m.first_delivery + m.deliveries - 1
WHERE r.delivery NOT IN (SELECT delivery FROM deliveries)"""  # noqa: S608 (constants only, as below)
_DELIVERY = """
INSERT INTO deliveries (delivery, message, destination, state, priority, due, expires) VALUES (?, ?, ?, ?, ?, ?, ?)"""
_LETTERS = f"""
SELECT m.message, m.queue_id, m.client, m.mailfrom, m.open,
    m.size = (SELECT coalesce(sum(length(content)), 0) FROM bodies
        WHERE chunk BETWEEN m.message << 10 AND (m.message << 10) + 1023),
    (SELECT count(*) FROM deliveries d WHERE d.message = m.message
        AND EXISTS (SELECT 1 FROM recipients r WHERE r.delivery = d.delivery AND {_OPEN})),
    EXISTS (SELECT 1 FROM recipients r JOIN deliveries d USING (delivery) WHERE d.message = m.message
        GROUP BY delivery HAVING count(*) <= max(number))
FROM messages m"""  # noqa: S608
_HEADLESS = """
SELECT n.message, coalesce(s.queue_id, ''), coalesce(s.client, '')
FROM (SELECT message FROM deliveries UNION SELECT DISTINCT chunk >> 10 FROM bodies) n
LEFT JOIN seen s USING (message)
WHERE n.message NOT IN (SELECT message FROM messages) AND n.message NOT IN (SELECT message FROM leftovers)"""
_WHOM = f"SELECT r.address FROM recipients r JOIN deliveries d USING (delivery) WHERE d.message = ? AND r.{_OPEN}"  # noqa: S608
_NOBODYS = f"SELECT address FROM recipients WHERE {_OPEN} AND delivery NOT IN (SELECT delivery FROM deliveries)"  # noqa: S608
_CLEAN = f"""
DELETE FROM messages WHERE message IN (SELECT message FROM dropped);
DELETE FROM deliveries WHERE message NOT IN (SELECT message FROM messages);
DELETE FROM deliveries WHERE NOT EXISTS (
    SELECT 1 FROM recipients r WHERE r.delivery = deliveries.delivery AND {_OPEN});
DELETE FROM recipients WHERE delivery NOT IN (SELECT delivery FROM deliveries);
DELETE FROM messages WHERE message NOT IN (SELECT message FROM deliveries);
UPDATE messages SET open = (SELECT count(*) FROM deliveries d WHERE d.message = messages.message);
DELETE FROM bodies WHERE chunk >> 10 NOT IN (SELECT message FROM messages UNION SELECT message FROM leftovers);
UPDATE leftovers SET live = 0;
DROP TABLE dropped;
DROP INDEX deliveries_by_message;
UPDATE numbers SET octets = (SELECT coalesce(sum(length(content)), 0) FROM bodies),
    message = 1 + max((SELECT coalesce(max(message), 0) FROM seen), (SELECT coalesce(max(message), 0) FROM messages)),
    delivery = 1 + (SELECT coalesce(max(first_delivery + deliveries), 0) FROM messages),
    happened = max(happened, 1 + (SELECT coalesce(max(number), 0) FROM happened))
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Aside:
    """What is left of a letter that can't go on, or not with all its recipients. `message`: its number in the spool, 0
    where there is none; "" and None stand for what is lost. `goes_on`: with those recipients that are known."""

    message: int
    queue_id: str
    client: str
    mailfrom: str | None
    rcpttos: tuple[str, ...]
    why: str
    goes_on: bool = False


def restore(db: sqlite3.Connection, *, to_postoffice: bool) -> None:
    """Make deliveries anew whose row is lost and whose recipients are there. `to_postoffice`: it is mailman's spool."""
    db.execute("CREATE INDEX deliveries_by_message ON deliveries (message)")  # for the questions below, until `clean`
    for delivery, message, accepted_at in db.execute(_ORPHANS).fetchall():
        rows = db.execute("SELECT address, state, due FROM recipients WHERE delivery = ?", (delivery,)).fetchall()
        destination = POSTOFFICE if to_postoffice else _destination(rows[0][0])
        state, due = derive((state, due) for _, state, due in rows if state != "done")
        db.execute(_DELIVERY, (delivery, message, destination, state, NORMAL, due, accepted_at + EXPIRE))


def _destination(address: str) -> str:
    try:
        return next(iter(Envelope("", (address,)).by_destination()))
    except AddressError:
        return "invalid"  # so that it ends as a bounce, and not in silence


def asides(db: sqlite3.Connection) -> Iterator[Aside]:
    """Letters of which something is missing. Reads only."""
    for message, queue_id, client, mailfrom, were_open, has_all, are_open, gaps in db.execute(_LETTERS).fetchall():
        why = ""
        whole = has_all and not _is_noise(body(db, message))
        if not whole:
            why = "its body is not whole"
        elif not are_open:
            why = "nobody knows any more for whom it was"
        elif are_open < were_open or gaps:
            why = "some of its recipients are lost; it goes to the others"
        if why:
            yield Aside(message, queue_id, client, mailfrom, _whom(db, message), why, bool(whole and are_open))
    for message, queue_id, client in db.execute(_HEADLESS).fetchall():
        yield Aside(message, queue_id, client, None, _whom(db, message), "nobody knows any more who sent it")
    left = tuple(address for (address,) in db.execute(_NOBODYS))
    if left:
        yield Aside(0, "", "", None, left, "nothing is left of the letters to these recipients")


def _whom(db: sqlite3.Connection, message: int) -> tuple[str, ...]:
    return tuple(address for (address,) in db.execute(_WHOM, (message,)))


def body(db: sqlite3.Connection, message: int) -> bytes:
    """What there is of a body."""
    query = "SELECT content FROM bodies WHERE chunk BETWEEN ? AND ? ORDER BY chunk"
    return b"".join(row[0] for row in db.execute(query, (chunk_number(message, 0), chunk_number(message, 1023))))


def _is_noise(content: bytes) -> bool:
    """Whether there is what no letter of ours has (I6): so it must come from an overwritten page."""
    lines = content.count(b"\r\n")
    return b"\0" in content or content.count(b"\r") != lines or content.count(b"\n") != lines


def clean(db: sqlite3.Connection, aside: list[Aside]) -> None:
    """Delete what doesn't go on, and make the counts right."""
    db.execute("CREATE TABLE dropped (message INTEGER PRIMARY KEY)")
    dropped = [(one.message,) for one in aside if one.message and not one.goes_on]
    db.executemany("INSERT OR IGNORE INTO dropped VALUES (?)", dropped)
    for statement in _CLEAN.split(";\n"):
        db.execute(statement)
