"""What went wrong with the spool's file, in a sentence that says what to do.

Every error of SQLite or of the system becomes a SpoolTrouble here and nowhere else: to the callers it means "not now"
(I8), to the operator the text says what to mend. Nothing is guessed: what isn't known keeps SQLite's own words.
"""

import errno
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedwig.spool import SpoolFull, SpoolTrouble

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hedwig.log import Matter

SPOOL_ERRORS = (sqlite3.Error, OSError)

_SQLITE = {
    sqlite3.SQLITE_FULL: "the disk under {path} is full: free some space, it goes on by itself",
    sqlite3.SQLITE_READONLY: "{path} is read-only here: see the file's mode and whether its disk is mounted read-only",
    sqlite3.SQLITE_PERM: "no permission for {path}: it must belong to the daemon's user",
    sqlite3.SQLITE_IOERR: "the disk under {path} has an I/O error ({error}): see `dmesg`; is it read-only, or full?",
    sqlite3.SQLITE_BUSY: "another program keeps {path} locked: end it (`fuser {path}` names it)",
    sqlite3.SQLITE_CANTOPEN: "{path} can't be opened: see that its folder exists and belongs to the daemon's user",
}
_SYSTEM = {
    errno.ENOSPC: "the disk under {path} is full: free some space, it goes on by itself",
    errno.EDQUOT: "the disk quota under {path} is used up: raise it or free some space",
    errno.EFBIG: "{path} may not grow any further (file size limit): raise LimitFSIZE",
    errno.EROFS: "{path} is read-only here: see whether its disk is mounted read-only",
    errno.EACCES: "no permission for {path}: it must belong to the daemon's user",
    errno.EPERM: "no permission for {path}: it must belong to the daemon's user",
    errno.ENOENT: "{path} is gone, or its folder: put it back, or correct `spool:` in the config",
}
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PASSING = frozenset({errno.EROFS, errno.EIO})
_PASSING_SQLITE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY})
_AMBIGUOUS = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_SHARED_MEMORY = 64 << 10  # octets that SQLite wants for PATH-shm, and a little more


class Hindered(SpoolTrouble):
    """Read-only, an I/O error, or locked by another program: that may pass, and then it goes on."""


class Damaged(SpoolTrouble):
    """The file is no spool, or a broken one: time won't mend it."""


class Newer(SpoolTrouble):
    """A newer release has reshaped the spool: this one must leave it alone."""


def may_pass(error: SpoolTrouble) -> bool:
    """Whether waiting may help, or the operator can mend it under a running daemon's feet."""
    return isinstance(error, SpoolFull | Hindered)


def matter_of(error: SpoolTrouble) -> "Matter":
    """Its kind in the journal."""
    from hedwig.log import Matter

    if isinstance(error, Damaged):
        return Matter.SPOOL_DAMAGED
    return Matter.NEWER_SCHEMA if isinstance(error, Newer) else Matter.SPOOL_TROUBLE


def trouble(error: Exception, path: str) -> SpoolTrouble:
    """`error` of the spool at `path`, as the SpoolTrouble that callers see."""
    if isinstance(error, SpoolTrouble):
        return error
    if isinstance(error, OSError):
        denied = error.errno in (errno.EACCES, errno.EPERM)
        return _of_system(errno.EROFS if denied and _seen(path) == errno.EROFS else error.errno or 0, error, path)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return damaged(path)
    if code in _AMBIGUOUS and (number := _seen(path)):
        return _of_system(number, error, path)
    if code == sqlite3.SQLITE_CANTOPEN and not Path(path).exists():
        return SpoolTrouble(_SYSTEM[errno.ENOENT].format(path=path))
    kind = SpoolFull if is_full(error) else Hindered if code in _PASSING_SQLITE else SpoolTrouble
    return kind(_SQLITE.get(code, "{path}: {error}").format(path=path, error=error))


def _of_system(number: int, error: Exception, path: str) -> SpoolTrouble:
    kind = SpoolFull if number in _NO_ROOM else Hindered if number in _PASSING else SpoolTrouble
    return kind(_SYSTEM.get(number, "{path}: {error}").format(path=path, error=error))


def _seen(path: str) -> int:
    """What the disk itself says where an error does not: EROFS, ENOSPC, or 0 for neither.

    SQLite calls it an I/O error when there is no room for its shared memory, and access(2) is denied to everybody on a
    disk that is read-only.
    """
    try:
        state = os.statvfs(Path(path).absolute().parent)
    except OSError:
        return 0
    if state.f_flag & os.ST_RDONLY:
        return errno.EROFS
    no_files = state.f_files and not state.f_favail  # some file systems count no files at all
    return errno.ENOSPC if state.f_bavail * state.f_frsize < _SHARED_MEMORY or no_files else 0


def is_full(error: BaseException) -> bool:
    """Whether room is what was missing: on the disk, within a quota, or within the file's allowed size."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


def damaged(path: str, how: str = "") -> Damaged:
    """For a file that is no database, or a broken one; `how` says what was found."""
    from hedwig.reply import one_line

    return Damaged(
        f"{path} is damaged, or no spool at all{f' ({one_line(how)})' if how else ''}: stop hedwig's daemons and run "
        "`hedwig spool salvage`, which saves what it holds; nothing is written to it meanwhile"
    )


def fail(future: "Future[Any]", error: BaseException, path: str) -> None:
    """Give `error` to who waits: the spool's troubles as SpoolTrouble, a mistake of the code as it is."""
    future.set_exception(trouble(error, path) if isinstance(error, SPOOL_ERRORS) else error)
