"""The clock was set back: what the old clock had put off would be put off by as much again, and is mended here.

A due time is Unix time, so that it outlives a restart. When the clock was an hour ahead and is put right, all that was
put off meanwhile would wait that hour longer. So the daemon that keeps the spool (postoffice, mailman) compares the
clock with the monotonic one at each round of chores, and after a step back of more than LEAST it moves what is due in
the future back by as much, LOT deliveries a transaction, so that mail flows meanwhile. Pauses go along.

What is claimed is moved as a whole, its claim's time too: by their order the recipients of the claim are known
(claim.py). Deadlines are not moved: they are promises about the true time. A step forward needs no mending: what was
put off is tried early, once.

How it fails: what is put off by the new clock while this is at work may be tried early, too; and a step back while
nobody runs is not seen.
"""

import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from hedwig.spool.job import Job
from hedwig.spool.writer import MAX_ROWS

LEAST = 30.0  # seconds; a smaller step is not worth the writing
LOT = 200  # deliveries; each may have very many recipients

_NEXT = "SELECT delivery, due, token IS NOT NULL FROM deliveries WHERE delivery > ? ORDER BY delivery LIMIT ?"
_OF = "IN (SELECT value FROM json_each(?))"
_RECIPIENTS = f"""
UPDATE recipients SET due = max(due - ?, ?) WHERE delivery {_OF} AND state = 'deferred' AND due > ?"""  # noqa: S608
_DELIVERIES = f"UPDATE deliveries SET due = max(due - ?, ?) WHERE delivery {_OF} AND due > ?"  # noqa: S608 (constants)
_CLAIMED_RECIPIENTS = f"UPDATE recipients SET due = due - ? WHERE delivery {_OF} AND due > 0"  # noqa: S608 (constants)
_CLAIMED = f"""
UPDATE deliveries SET due = due - ? * (due > 0), claimed_at = claimed_at - ? WHERE delivery {_OF}"""  # noqa: S608
_PAUSES = "UPDATE pauses SET since = since - ?, until = until - ?, lasts = max(lasts - ?, 0) WHERE since > ?"


class SetBack:
    """One a process, for its writer's thread. `unix` is the clock that may be set; `keeper`: this process mends."""

    def __init__(self, unix: Callable[[], float], keeper: bool, running: Callable[[], float] = time.monotonic) -> None:
        self._unix = unix
        self._keeper = keeper
        self._running = running
        self._offset = unix() - running()
        self._by = 0.0
        self._after = -1  # the last delivery that was mended; -1: the pauses were not yet
        self._busy = False

    def look(self, put: Callable[[Job], "Future[Any]"]) -> None:
        """Look at the clock, and `put` a job to the writer if there is something to mend."""
        offset = self._unix() - self._running()
        stepped, self._offset = offset - self._offset, offset
        if stepped < -LEAST and self._keeper:
            self._by, self._after = self._by - stepped, -1
        self._go_on(put)

    def _go_on(self, put: Callable[[Job], "Future[Any]"]) -> None:
        if not self._by or self._busy:
            return
        by = self._by

        def mended(_: sqlite3.Connection | None, results: list[Any]) -> None:
            if by == self._by:  # else the clock was set again meanwhile: all over again
                self._after = results[0]
                self._by = by if self._after >= 0 else 0.0

        def done(future: "Future[Any]") -> None:
            self._busy = False
            if future.exception() is None:  # else the disk is full, say: at the next look
                self._go_on(put)

        self._busy = True
        put(Job(self._mend, [None], rows=MAX_ROWS, finish=mended, scattered=True)).add_done_callback(done)

    def _mend(self, db: sqlite3.Connection, entries: list[Any]) -> list[int]:
        """Mend a lot; the last delivery of it, -1 where there is none."""
        by, now = self._by, self._unix()
        if self._after < 0:
            db.execute(_PAUSES, (by, by, by, now))
        lot = db.execute(_NEXT, (self._after, LOT)).fetchall()
        waiting = json.dumps([delivery for delivery, due, claimed in lot if due > now and not claimed])
        claimed = json.dumps([delivery for delivery, _, claimed in lot if claimed])
        db.execute(_RECIPIENTS, (by, now, waiting, now))
        db.execute(_DELIVERIES, (by, now, waiting, now))
        db.execute(_CLAIMED_RECIPIENTS, (by, claimed))
        db.execute(_CLAIMED, (by, by, claimed))
        return [lot[-1][0] if lot else -1] * len(entries)
