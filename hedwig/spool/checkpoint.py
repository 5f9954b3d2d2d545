"""The checkpointer: a thread that moves the WAL into the file, so that no writer has to wait for it.

A checkpoint of 4 MiB takes some 20 ms, and done by the writer within its turn that was everyone's p99. So it is done
twice: first without the turn, while the writers go on; then within it, when only the few frames are left that came
meanwhile. After the second all frames are in the file, and the next writer begins the WAL anew: it stays small.

How it fails: what isn't moved is safe in the WAL, and the next round tries again. Should this thread not keep up, the
writer's own wal_autocheckpoint bounds the WAL.
"""

import sqlite3
import threading
from contextlib import closing

from hedwig import log
from hedwig.spool.schema import connect
from hedwig.spool.trouble import SPOOL_ERRORS
from hedwig.spool.turn import Turn

_PASSIVE = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpointer:
    """One a process that writes. `wake` when enough has been written."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._news = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="spool-checkpointer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Do it soon."""
        self._news.set()

    def close(self) -> None:
        """End the thread."""
        self._stopping = True
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            if self._stopping:
                return
            try:
                with closing(connect(self._path)) as db:
                    self._round(db)
            except SPOOL_ERRORS as error:
                log.say(log.Level.DEBUG, f"checkpoint of {self._path}: {error}")

    def _round(self, db: sqlite3.Connection) -> None:
        busy, _, _ = db.execute(_PASSIVE).fetchone()
        if not busy:  # else another process is at it
            with Turn(self._path):
                db.execute(_PASSIVE).fetchone()
