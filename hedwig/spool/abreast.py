"""A long reading query in two halves, side by side: on two cores it takes little more than half of the time.

SQLite lets other threads run while it works, and no index is kept for some of what the operator asks (listing.py). Each
half sees what was committed when it began, so only rows that stay where they are may be read so. The second half has a
connection of its own and begins a moment later: most questions have their answer by then. It is given up as soon as the
first shows that it isn't needed.
"""

import sqlite3
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from hedwig.spool.schema import connect_reader

Answer = TypeVar("Answer")
Query = Callable[[sqlite3.Connection], Answer]

MOMENT = 0.01  # seconds before a second half begins
MANY = 100_000  # rows from which it is worth it: some 10 ms
_STEPS = 50_000  # of SQLite between two looks at whether it is still wanted: well below 1 ms


class Beside(Generic[Answer]):
    """The second half, in its thread. End it by `answer` or `give_up`."""

    def __init__(self, db: sqlite3.Connection, query: Query[Answer], moment: float = MOMENT) -> None:
        """On a connection of its own to the same file as `db`, which may be used meanwhile."""
        _, _, self._path = db.execute("PRAGMA database_list").fetchone()
        self._query = query
        self._moment = moment
        self._unwanted = threading.Event()
        self._answers: list[Answer] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="second half", daemon=True)
        self._thread.start()

    def answer(self) -> Answer:
        """What the query gave; what it raised is raised here."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answers[0]

    def give_up(self) -> None:
        """End it soon, whatever it found."""
        self._unwanted.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            if not self._unwanted.wait(self._moment):
                db = connect_reader(self._path)
                try:
                    db.set_progress_handler(self._unwanted.is_set, _STEPS)
                    self._answers.append(self._query(db))
                finally:
                    db.close()
        except BaseException as error:  # noqa: BLE001 (raised where the answer is wanted)
            self._error = error


def middle(db: sqlite3.Connection, table: str, column: str) -> int:
    """A number half-way through those of a table's first key column, where they are many; else 0. Two seeks."""
    ends = f"SELECT (SELECT min({column}) FROM {table}), (SELECT max({column}) FROM {table})"  # noqa: S608 (our words alone)
    first, last = db.execute(ends).fetchone()
    return (first + last) // 2 if last is not None and last - first >= MANY else 0
