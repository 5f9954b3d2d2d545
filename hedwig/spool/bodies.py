"""Bodies: how they lie in the spool, and how large ones go in and out without holding anyone back (I9).

A body is a row for each chunk of at most 1 MiB. What is larger than one transaction may be (1 MiB) is written ahead,
a chunk a transaction, before its message's row; other jobs go in between. Until then `leftovers` has a row with
live = 1 for it, and its process holds a shared flock on `PATH.large`. Whoever gets that lock exclusively knows that no
such process is alive, so what is still marked live was left by a dead one and is rubbish: live = 0. Rubbish is deleted
a chunk a transaction too; the same way goes a large body whose last delivery has ended.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from hedwig.spool import SpoolTrouble
from hedwig.spool.turn import open_lock

if TYPE_CHECKING:
    from hedwig.spool import Body

CHUNK = 1 << 20
Lend = Callable[[], AbstractContextManager[sqlite3.Connection]]
_SHIFT = 10
_INSERT = "INSERT INTO bodies (chunk, content) VALUES (?, ?)"


def chunk_number(message: int, position: int) -> int:
    """The number of one chunk. A body has at most 1,024."""
    return (message << _SHIFT) | position


def chunks(body: "Body") -> Iterator[bytes]:
    """The body's bytes in chunks of at most 1 MiB, as few as its pieces allow. ValueError if `size` is not true."""
    waiting: list[bytes] = []
    length = total = count = 0
    for piece in body.pieces():
        if waiting and length + len(piece) > CHUNK:
            yield b"".join(waiting)
            waiting, length, count = [], 0, count + 1
        waiting.append(piece)
        length += len(piece)
        total += len(piece)
    if total != body.size or count >= 1 << _SHIFT:
        raise ValueError(f"a body of {total} octets in {count + 1} chunks said that it has {body.size} octets")
    yield b"".join(waiting)


def small(message: int, body: "Body") -> Iterator[tuple[int, bytes]]:
    """Rows for a body that goes in with its message."""
    return ((chunk_number(message, position), chunk) for position, chunk in enumerate(chunks(body)))


def insert(db: sqlite3.Connection, rows: Iterable[tuple[int, bytes]]) -> None:
    """Write chunks. Who calls counts their octets (numbers.py)."""
    db.executemany(_INSERT, rows)


def delete(db: sqlite3.Connection, ended: Sequence[tuple[int, int]]) -> int:
    """Delete the bodies of these (message, size); the octets that are gone now. Large ones are left to `sweep`."""
    db.execute(
        "DELETE FROM bodies WHERE chunk IN (SELECT value << 10 FROM json_each(?))",
        (json.dumps([message for message, size in ended if size <= CHUNK]),),
    )
    if large := [(message,) for message, size in ended if size > CHUNK]:
        db.executemany("INSERT INTO leftovers (message, live) VALUES (?, 0)", large)
    return sum(size for _, size in ended if size <= CHUNK)


def load(db: sqlite3.Connection, messages: Sequence[int]) -> dict[int, bytes]:
    """Whole bodies by message. Reads only."""
    found: dict[int, list[bytes]] = {}
    for chunk, content in db.execute(
        "SELECT b.chunk, b.content FROM json_each(?) j CROSS JOIN bodies b"
        " ON b.chunk BETWEEN j.value << 10 AND (j.value << 10) + 1023 ORDER BY b.chunk",
        (json.dumps(messages),),
    ):
        found.setdefault(chunk >> _SHIFT, []).append(content)
    return {message: b"".join(parts) for message, parts in found.items()}


def read(db: sqlite3.Connection, message: int, position: int) -> bytes | None:
    """One chunk, or None past the last."""
    row = db.execute("SELECT content FROM bodies WHERE chunk = ?", (chunk_number(message, position),)).fetchone()
    return None if row is None else row[0]


def octets(db: sqlite3.Connection, message: int) -> int:
    """How much of a body is there. Reads the lengths alone."""
    query = "SELECT coalesce(sum(length(content)), 0) FROM bodies WHERE chunk BETWEEN ? AND ?"
    return int(db.execute(query, (chunk_number(message, 0), chunk_number(message, 1023))).fetchone()[0])


class Live:
    """The sign of life beside a large body that is being written: a shared lock on `PATH.large`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def show(self) -> None:
        """Take the lock; may be called again. Waits only while another process marks what dead ones left."""
        if self._descriptor is None:
            self._descriptor = open_lock(f"{self._path}.large", self._path)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def end(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def sweep(db: sqlite3.Connection, path: str) -> bool:
    """Delete one chunk of rubbish; whether there is more. Inside a transaction, that is: within the turn."""
    rows = db.execute("SELECT message, live FROM leftovers ORDER BY live LIMIT 1").fetchall()
    if not rows:
        return False
    message, live = rows[0]
    if live:
        return _mark_dead(db, path)
    last = db.execute(
        "SELECT chunk, length(content) FROM bodies WHERE chunk BETWEEN ? AND ? ORDER BY chunk DESC LIMIT 1",
        (chunk_number(message, 0), chunk_number(message, 1023)),
    ).fetchone()
    if last is None:
        db.execute("DELETE FROM leftovers WHERE message = ?", (message,))
    else:
        db.execute("DELETE FROM bodies WHERE chunk = ?", (last[0],))
        db.execute("UPDATE numbers SET octets = octets - ?", (last[1],))
    return True


def _mark_dead(db: sqlite3.Connection, path: str) -> bool:
    """Declare rubbish what no living process is writing. A new one can't begin meanwhile: it would need the turn."""
    descriptor = open_lock(f"{path}.large", path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return db.execute("UPDATE leftovers SET live = 0").rowcount > 0
    finally:
        os.close(descriptor)


def whole(lend: Lend, message: int) -> Iterator[bytes]:
    """The body, each chunk in a short read of its own; `lend` lends a reader. SpoolTrouble if some of it is gone."""
    with lend() as db:
        row = db.execute("SELECT size FROM messages WHERE message = ?", (message,)).fetchone()
    left = row[0] if row else 1
    position = 0
    while left > 0:
        with lend() as db:
            chunk = read(db, message, position)
        if chunk is None:
            raise SpoolTrouble(f"the body of message {message} is not whole in the spool")
        yield chunk
        left -= len(chunk)
        position += 1
