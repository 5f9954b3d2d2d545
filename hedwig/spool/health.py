"""Whether the spool was found damaged while it was in use: then this process takes and claims nothing more.

SQLite says that a database is malformed when it comes upon a page that makes no sense; it says so, too, when a disk
can't be read for a moment. So after such a word the file is looked at as at a start (examine.py), in a thread. Only
if that confirms it all new work is refused, until the operator has salvaged the spool: what is written between broken
pages may destroy what could still be saved. Outcomes are tried as before, for who can't record one would send it again.
"""

import sqlite3
import threading

from hedwig.spool.examine import fault_of
from hedwig.spool.trouble import Damaged, damaged, trouble

SECONDS = 60.0  # for the look


class Health:
    """One a process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._damage: Damaged | None = None
        self._looking = threading.Lock()

    def check(self) -> None:
        """Raise Damaged where that is certain."""
        if self._damage is not None:
            raise Damaged(*self._damage.args)

    def suspect(self, error: BaseException) -> None:
        """Something went wrong; if it sounds like damage, look closer. Returns at once."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) and self._looking.acquire(blocking=False):
            threading.Thread(target=self._look, name="spool-check", daemon=True).start()

    def _look(self) -> None:
        try:
            if found := fault_of(self._path, SECONDS):
                self._damage = damaged(self._path, found)
        except sqlite3.Error as error:
            found_so = trouble(error, self._path)
            if isinstance(found_so, Damaged):
                self._damage = found_so
        finally:
            self._looking.release()
