"""The historian: a thread that moves events from the spool into the day's file (history.py), off the writer's path.

Of all processes on one spool the one that gets the flock on `PATH.historian` moves for all; the others look again after
the next round. Deleting what was moved goes through the writer, like every write. It may be killed at any point.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from hedwig import log
from hedwig.spool import SpoolTrouble
from hedwig.spool.bodies import Lend
from hedwig.spool.history import DayFiles
from hedwig.spool.job import Job
from hedwig.spool.trouble import SPOOL_ERRORS, trouble
from hedwig.spool.turn import open_lock
from hedwig.spool.writer import Writer

GATHER = 0.5  # seconds between rounds: an fsync or three each, whatever the load
LOT = 500  # rows of `happened` a round's step; a row has the events of one group of jobs
_IDLE = 30.0  # seconds; then it looks whether another process died and left something


class Historian:
    """One a process that writes. `wake` after each commit that noted something."""

    def __init__(self, path: str, writer: Writer, lend: Lend, clock: Callable[[], float]) -> None:
        self._path = path
        self._writer = writer
        self._lend = lend
        self._clock = clock
        self._files = DayFiles(path)
        self._news = threading.Event()
        self._stop = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="spool-historian", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to move."""
        self._news.set()

    def close(self) -> None:
        """End the thread; what isn't moved stays in the spool, where it is safe and readable."""
        self._stop.set()
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(GATHER):
            try:
                self._round()
            except (*SPOOL_ERRORS, SpoolTrouble) as error:
                if not self._failing:
                    log.say(log.Level.WARNING, f"history waits in the spool: {trouble(error, self._path)}")
                self._failing = True
            else:
                self._failing = False
            self._news.wait(_IDLE)
            self._news.clear()

    def _round(self) -> None:
        lock = open_lock(f"{self._path}.historian", self._path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            while not self._stop.is_set() and self._move():
                pass
            self._files.drop_old(self._clock())
        except BlockingIOError:
            return
        finally:
            os.close(lock)

    def _move(self) -> bool:
        """Move one lot; whether there may be more."""
        with self._lend() as db:
            rows = db.execute("SELECT number, lines FROM happened ORDER BY number LIMIT ?", (LOT,)).fetchall()
            if not rows:
                return False
            named = db.execute("SELECT number, names FROM names WHERE number <= ?", (rows[-1][0],)).fetchall()
        self._files.add(rows, named, self._clock())
        self._writer.put(Job(_forget, [rows[-1][0]])).result()
        return len(rows) == LOT


def _forget(db: sqlite3.Connection, numbers: list[Any]) -> list[int]:
    """Numbers are given in the order of commits, so all up to the last that was read have been read."""
    for number in numbers:
        db.execute("DELETE FROM names WHERE number <= ?", (number,))
    return [db.execute("DELETE FROM happened WHERE number <= ?", (number,)).rowcount for number in numbers]
