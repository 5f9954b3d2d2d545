"""Tidying: the housekeeping of a spool, once and to its end; for `hedwig spool tidy` and its timer.

It is what the daemons do in between (chores.py, historian.py), in the same small steps, with a rest as long after each:
bodies that nobody needs are swept, acceptances older than 30 days forgotten, a pause that is over is unwound, history
is moved into its day's file, and pages that lie empty go back to the file system. Of the days that are over 30 days old
one is dropped at a time: the timer comes each day, and a clock far ahead must not cost the whole history. So a spool
stays small also where its daemon is stopped; beside one that runs it does no harm.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from hedwig.spool import chores
from hedwig.spool.examine import examined
from hedwig.spool.history import DayFiles
from hedwig.spool.job import Job
from hedwig.spool.schema import connect_reader
from hedwig.spool.sqlite import SqliteSpool
from hedwig.spool.trouble import SPOOL_ERRORS, trouble
from hedwig.spool.writer import MAX_ROWS

PATIENCE = 30.0  # seconds without progress for the history to be moved; a daemon may be at it
_LOOK = 0.1
_MOST_REST = 1.0


@dataclass(frozen=True, slots=True)
class Tidied:
    """`steps`: of housekeeping. `before` and `after`: octets of the file. `day`: the day that was dropped, or "".
    `unmoved`: rows of history that still lie in the spool."""

    steps: int
    before: int
    after: int
    day: str
    unmoved: int


def tidy(path: str, clock: Callable[[], float] = time.time) -> Tidied:
    """Tidy the spool at `path`. SpoolTrouble."""
    examined(path, create=False)
    before = _octets(path)
    with closing(SqliteSpool(path, clock)) as spool:
        steps = _chores(spool, path, clock)
        unmoved = _move_history(path)
    try:
        day = DayFiles(path).drop_one(clock())
    except OSError as error:
        raise trouble(error, f"{path}.history") from error
    return Tidied(steps, before, _octets(path), day, unmoved)


def _chores(spool: SqliteSpool, path: str, clock: Callable[[], float]) -> int:
    def step(db: Any, entries: list[Any]) -> list[Any]:
        return [chores.step(db, path, clock()) for _ in entries]

    steps = 0
    while True:
        began = time.monotonic()
        [more] = spool.put(Job(step, [None], rows=MAX_ROWS)).result()
        if not more:
            return steps
        steps += 1
        time.sleep(min(time.monotonic() - began, _MOST_REST))


def _move_history(path: str) -> int:
    """Wait while this process's historian, or another's, moves what happened; how much is left when it gets stuck."""
    left = _unmoved(path)
    deadline = time.monotonic() + PATIENCE
    while left and time.monotonic() < deadline:
        time.sleep(_LOOK)
        now = _unmoved(path)
        if now < left:
            deadline = time.monotonic() + PATIENCE
        left = now
    return left


def _unmoved(path: str) -> int:
    return _asked(path, "SELECT count(*) FROM happened")


def _octets(path: str) -> int:
    return _asked(path, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")


def _asked(path: str, query: str) -> int:
    try:
        with closing(connect_reader(path)) as db:
            return int(db.execute(query).fetchone()[0])
    except SPOOL_ERRORS as error:
        raise trouble(error, path) from error
