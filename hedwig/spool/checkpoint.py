"""The checkpointer: a thread that moves the WAL into the file, so that no writer has to wait for it.

A checkpoint of 4 MiB takes some 20 ms, and done by the writer within its turn that was everyone's p99. So it is done
twice: first without the turn, while the writers go on; then within it, when only the few frames are left that came
meanwhile. After the second all frames are in the file, and the next writer begins the WAL anew: it stays small.

While a reader looks at an old state for long (`hedwig`, a backup), the WAL can't begin anew and grows. Once no reader
holds it, it is cut to nothing: looked for EVERY so many seconds, also when nothing is written. That takes the turn for
a moment, and never waits for a reader.

How it fails: what isn't moved is safe in the WAL, and the next round tries again. Should this thread not keep up, the
writer's own wal_autocheckpoint bounds the WAL.
"""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from hedwig import log
from hedwig.spool.schema import connect
from hedwig.spool.trouble import SPOOL_ERRORS
from hedwig.spool.turn import Turn

LARGE = 16 << 20  # octets of a WAL that is cut: four times what it is in ordinary times
EVERY = 30.0  # seconds
_TRUNCATE = "PRAGMA wal_checkpoint(TRUNCATE)"
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
            woken = self._news.wait(EVERY)
            self._news.clear()
            if self._stopping:
                return
            if not woken and not self._is_large():
                continue
            try:
                with closing(connect(self._path)) as db:
                    self._round(db)
            except SPOOL_ERRORS as error:
                log.say(log.Level.DEBUG, f"checkpoint of {self._path}: {error}")

    def _round(self, db: sqlite3.Connection) -> None:
        busy, _, _ = db.execute(_PASSIVE).fetchone()
        if not busy:  # else another process is at it
            with Turn(self._path):
                busy, there, moved = db.execute(_PASSIVE).fetchone()
                if not busy and there == moved and self._is_large():
                    db.execute("PRAGMA busy_timeout=0")  # a reader that holds it yet: another time
                    db.execute(_TRUNCATE).fetchone()

    def _is_large(self) -> bool:
        try:
            return Path(f"{self._path}-wal").stat().st_size > LARGE
        except OSError:
            return False
