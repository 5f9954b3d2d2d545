"""What the writer does for somebody (writer.py)."""

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

Write = Callable[[sqlite3.Connection, list[Any]], Sequence[Any]]


@dataclass(slots=True, eq=False)
class Job:
    """`write(db, entries)` gives one result for each entry, inside the transaction; it may be called again after a
    rollback, and with other jobs' entries of the same `write`. `finish(db, results)` makes the Future's value after
    the commit, out of the transaction and the turn (`db` is None if the connection has broken since); without it the
    value is the list of results. `vital`: it carries on or ends what is in the spool already, so where the disk is
    full the reserve is given up for it. `scattered`: its rows lie far apart, and so fill the WAL sooner."""

    write: Write
    entries: Sequence[Any]
    octets: int = 0
    rows: int = 1
    finish: Callable[[sqlite3.Connection | None, list[Any]], Any] | None = None
    vital: bool = False
    scattered: bool = False
    future: "Future[Any]" = field(default_factory=Future)
    results: list[Any] = field(default_factory=list)
