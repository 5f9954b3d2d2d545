"""Whether a spool is damaged: looked at before a daemon uses it, so that it refuses to start and not mail (I8).

Looked for is what SQLite would pass over in silence or find only later: a file that is gone or empty where there was
mail; a log of which it would drop a part (wal.py); pages that don't hang together (PRAGMA quick_check, for SECONDS at
the most: a spool of many gigabytes is looked at in part).

Nothing of it is done while another process has the spool open: that one has looked, and knows what is in the log.
"""

import fcntl
import sqlite3
import struct
import time
from contextlib import closing
from pathlib import Path

from hedwig.spool.schema import connect_reader, prepare
from hedwig.spool.trouble import SPOOL_ERRORS, damaged, trouble
from hedwig.spool.turn import Turn
from hedwig.spool.wal import read_log

SECONDS = 2.0
_STEPS = 10_000  # of SQLite's machine, between looks at the clock
_FLOCK = struct.Struct("@hhqqi4x")  # struct flock, fcntl(2)
_DMS = 128  # the octet of PATH-shm that each connection holds a lock on (SQLite's os_unix.c, "dead man switch")


def examined(path: str, create: bool, seconds: float = SECONDS) -> None:
    """As schema.prepare, but nobody is left with a damaged spool: SpoolTrouble, Damaged among them."""
    try:
        if in_use(path):
            prepare(path, create)
            return
        see_log(path)
        prepare(path, create)
        if found := fault_of(path, seconds):
            raise damaged(path, found)
    except SPOOL_ERRORS as error:
        raise trouble(error, path) from error


def see_log(path: str) -> None:
    """SpoolTrouble where SQLite, opening this spool as the first one, would drop a part of its log. Whoever may be the
    first, an operator's command too, asks this before it connects: afterwards nothing tells that anything is gone."""
    try:
        if in_use(path):
            return
        _see_files(path)
        if Path(f"{path}-wal").exists() or Path(f"{path}-shm").exists():
            with Turn(path):
                broken = "" if in_use(path) else read_log(path).broken
            if broken:
                raise damaged(path, broken)
    except SPOOL_ERRORS as error:
        raise trouble(error, path) from error


def fault_of(path: str, seconds: float) -> str:
    """What SQLite's own check finds within that time, in its words; "" for nothing. sqlite3.Error."""
    until = time.monotonic() + seconds
    with closing(connect_reader(path)) as db:
        db.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return ""
    return "" if found == "ok" else str(found).replace("*** in database main ***", "").strip()


def _see_files(path: str) -> None:
    file, log = Path(path), Path(f"{path}-wal")
    left = log.exists() and log.stat().st_size > 0
    if not file.exists() and left:
        raise damaged(path, f"it is gone, but its log {log.name} is there")
    if file.exists() and not file.stat().st_size and (left or any(Path(f"{path}.history").glob("*.db"))):
        raise damaged(path, "it is empty, but there was mail in it")


def in_use(path: str) -> bool:
    """Whether another process has it open."""
    try:
        with Path(f"{path}-shm").open("rb") as index:
            asked = _FLOCK.pack(fcntl.F_WRLCK, 0, _DMS, 1, 0)
            kind, *_ = _FLOCK.unpack(fcntl.fcntl(index, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return False
    return bool(kind != fcntl.F_UNLCK)
