"""The operator's desk: the spool in SQLite as the operator's commands see it (operate.py).

Made for commands that begin, ask and end: what a question needs is loaded with it, for loading is most of what such a
command takes. It reads over one connection, which can't write; what writing needs is loaded and started with the first
write. Those writes go through a writer as the daemons' do (writer.py), lot by lot. One thread at a time. `close` it in
the end.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from hedwig.spool import listing, stops
from hedwig.spool.operate import (
    Act,
    Backlog,
    Filter,
    Forecast,
    Letter,
    Lot,
    Order,
    Pausing,
    Recalled,
    Stop,
    StopKind,
    Tally,
    Telling,
)
from hedwig.spool.schema import connect_reader, prepare
from hedwig.spool.shown import HistoryLine, QueuedRecipient
from hedwig.spool.streams import Pause
from hedwig.spool.trouble import SPOOL_ERRORS, trouble

if TYPE_CHECKING:
    from hedwig.spool.acts import Chosen
    from hedwig.spool.job import Write
    from hedwig.spool.reasons import Reason
    from hedwig.spool.sqlite import SqliteSpool
    from hedwig.spool.suppressed import Suppression

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")

_PAUSES = """
SELECT destination, since, max(until, lasts) AS ends, reason, priority FROM pauses WHERE ends > ?
ORDER BY ends, destination"""


def open_desk(path: str, *, clock: Callable[[], float] = time.time) -> "SqliteDesk":
    """The desk at the spool `path`, which is there. Raises SpoolTrouble, as sqlite.open_spool does; also where the log
    is damaged, before SQLite drops a part of it (I1)."""
    from hedwig.spool.examine import see_log

    see_log(path)
    prepare(path, create=False)
    return SqliteDesk(path, clock)


class SqliteDesk:
    """See `open_desk`; the methods are those of Operate, Trace, Stopping and Suppressing."""

    def __init__(self, path: str, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._db: sqlite3.Connection | None = None
        self._spool: SqliteSpool | None = None

    def close(self) -> None:
        """Write what waits, end the threads, close the files."""
        if self._spool is not None:
            self._spool.close()
        if self._db is not None:
            self._db.close()

    # Operate

    def listed(self, wanted: Filter, limit: int, after: str = "") -> tuple[list[QueuedRecipient], str]:
        """See Operate. ValueError for an `after` that is none."""
        rows, more = self._read(listing.page, wanted, limit, listing.place_of(after))
        return [row.shown for row in rows], listing.token(more)

    def tally(self, wanted: Filter, act: Act, few: int = 5) -> Tally:
        """See Operate."""
        return self._read(listing.tally, wanted, act, few)

    def forecast(self, wanted: Filter, telling: Telling) -> Forecast:
        """See Operate."""
        from hedwig.spool import dropping

        return self._read(dropping.forecast, wanted, telling, self._clock())

    def act(self, order: Order, wanted: Filter, after: str = "") -> Lot:
        """See Operate."""
        from hedwig.spool import acts

        now = self._clock()
        recipients, messages = acts.most(order)
        rows, more = self._read(listing.eligible, wanted, order.act, recipients, listing.place_of(after))
        rows, more = listing.cut(rows, more, messages)
        if not rows:
            return Lot(())
        chosen = self._chosen(order, rows, now)

        def write(db: sqlite3.Connection, entries: list[Any]) -> list[Any]:
            return [acts.apply(db, entry, self._clock()) for entry in entries]

        [changed] = self._write(
            write, chosen, rows=chosen.size, octets=sum(one.body.size for one in chosen.reports.values())
        )
        touched = tuple(row.shown for row in changed.rows)
        return Lot(touched, len(rows) - len(touched), changed.reports, changed.digested, listing.token(more))

    def _chosen(self, order: Order, rows: list[listing.Row], now: float) -> "Chosen":
        from hedwig.spool import dropping
        from hedwig.spool.acts import Chosen

        if order.telling is None or order.act is not Act.DROP:
            return Chosen(order, rows)
        return Chosen(order, rows, self._read(dropping.reports, rows, order.telling, now))

    # Recalling

    def recall(self, order: Order, wanted: Filter, after: str = "") -> Recalled:
        """See Recalling."""
        from hedwig.spool import acts, recall

        rows, more = self._read(listing.busy, wanted, acts.MOST, listing.place_of(after))
        if not rows:
            return Recalled(())
        [noted] = self._write(lambda db, lots: [recall.note(db, lot, order) for lot in lots], rows, rows=len(rows))
        return Recalled(tuple(row.shown for row in noted), tuple(row.place[1:] for row in noted), listing.token(more))

    def left(self, places: Sequence[tuple[int, int]]) -> int:
        """See Recalling."""
        from hedwig.spool import recall

        claimed, back = self._read(recall.left, places)
        if back:
            self._write(lambda db, entries: [recall.step(db, self._clock()) for _ in entries], None, rows=recall.NOTES)
        return claimed + back

    # Operate, of one message

    def letters(self, queue_id: str) -> list[Letter]:
        """See Operate."""
        from hedwig.spool import letters

        return self._read(letters.found, queue_id)

    def body(self, message: int) -> Iterable[bytes]:
        """See Operate."""
        from hedwig.spool import bodies

        try:
            yield from bodies.whole(self._lent, message)
        except SPOOL_ERRORS as error:
            raise trouble(error, self._path) from error

    def backlog(self, limit: int, now: float) -> Backlog:
        """See Operate."""
        from hedwig.spool import sites, unmoved
        from hedwig.spool.history import DayFiles

        lines = self._read(unmoved.newest, sites.RECENT)
        left, files = sites.RECENT - len(lines), DayFiles(self._path)
        moved = self._of_files(lambda: files.newest(left, now - sites.LATELY)) if left > 0 else []
        return self._read(sites.backlog, limit, sites.lately([*moved, *lines], now))

    # Trace

    def named(self, word: str, limit: int) -> list[str]:
        """See Trace."""
        from hedwig.spool import unmoved
        from hedwig.spool.history import DayFiles, folded

        found = dict.fromkeys(self._read(unmoved.named, folded(word)))
        files = DayFiles(self._path)
        found.update(dict.fromkeys(self._of_files(lambda: files.named(word, limit))))
        return sorted(found, reverse=True)[:limit]

    def histories(self, queue_ids: Sequence[str]) -> dict[str, list[HistoryLine]]:
        """See Trace."""
        from hedwig.spool import unmoved
        from hedwig.spool.history import DAY, DAYS, DayFiles, lines_of

        happened = self._read(unmoved.happened, queue_ids)
        files = DayFiles(self._path)
        return self._of_files(lambda: lines_of(queue_ids, happened, files, self._clock() - DAYS * DAY))

    # Stopping

    def stops(self, now: float) -> list[Stop]:
        """See Stopping."""
        return self._read(stops.listed, now)

    def pause(self, order: Pausing) -> Stop:
        """See Stopping."""
        [stop] = self._write(lambda db, orders: [stops.put(db, one) for one in orders], order)
        in_force: Stop = stop
        return in_force

    def resume(self, kind: StopKind, name: str) -> bool:
        """See Stopping."""
        now = self._clock()
        [lifted] = self._write(lambda db, entries: [stops.lift(db, kind, one, now) for one in entries], name)
        return bool(lifted)

    def advance(self, name: str) -> tuple[int, int]:
        """See Stopping."""

        def step(db: sqlite3.Connection, entries: list[Any]) -> list[Any]:
            stops.step(db, self._clock())
            return [stops.progress(db, one) for one in entries]

        [(passed, of)] = self._write(step, name, rows=stops.MOST)
        return passed, of

    def clients(self) -> set[str]:
        """See Stopping."""
        from hedwig.spool import known

        return self._read(known.clients)

    def sites(self) -> set[str]:
        """See Stopping."""
        from hedwig.spool import known, sites, unmoved
        from hedwig.spool.history import DayFiles

        until = time.monotonic() + known.LOOK
        newest = [line[4] for line in self._read(unmoved.newest, sites.RECENT) if line[4]]
        files = DayFiles(self._path)
        went = self._of_files(lambda: known.sites_of(chain(reversed(newest), files.recipients()), until))
        return self._read(known.sites) | went

    def pauses(self, now: float) -> list[Pause]:
        """Destinations that workers leave alone for a while, and why."""
        return self._read(_pauses, now)

    def reasons(self, limit: int) -> "list[Reason]":
        """Why mail waits: see reasons.py."""
        from hedwig.spool.reasons import reasons

        return self._read(reasons, limit)

    # Suppressing

    def suppressed(self, part: str, after: str, limit: int) -> "list[Suppression]":
        """See Suppressing."""
        from hedwig.spool import suppress

        return self._read(suppress.listed, part, after, limit, self._clock())

    def suppress(self, wanted: "Sequence[Suppression]") -> None:
        """See Suppressing."""
        from hedwig.spool import suppress

        def put(db: sqlite3.Connection, entries: list[Any]) -> list[Any]:
            suppress.put(db, entries)
            return entries

        self._write(put, *wanted)

    def unsuppress(self, addresses: Sequence[str]) -> list[str]:
        """See Suppressing."""
        from hedwig.spool import suppress

        def lift(db: sqlite3.Connection, entries: list[Any]) -> list[Any]:
            return [suppress.remove(db, entry) for entry in entries]

        return [address for address, was in zip(addresses, self._write(lift, *addresses), strict=True) if was]

    # within

    def _read(
        self, query: Callable[Concatenate[sqlite3.Connection, Asked], Answer], *asked: Asked.args, **named: Asked.kwargs
    ) -> Answer:
        try:
            with self._lent() as db:
                return query(db, *asked, **named)
        except SPOOL_ERRORS as error:
            raise trouble(error, self._path) from error

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        if self._db is None:
            self._db = connect_reader(self._path)
        yield self._db

    def _of_files(self, read: Callable[[], Answer]) -> Answer:
        try:
            return read()
        except SPOOL_ERRORS as error:
            raise trouble(error, f"{self._path}.history") from error

    def _write(self, write: "Write", *entries: Any, rows: int = 0, octets: int = 0) -> list[Any]:
        """One transaction; its results, once it is on disk."""
        from hedwig.spool.examine import examined
        from hedwig.spool.job import Job
        from hedwig.spool.sqlite import SqliteSpool

        if self._spool is None:
            examined(self._path, create=False)  # nothing is written into what its daemon would refuse
            self._spool = SqliteSpool(self._path, self._clock)
        its = rows or len(entries)
        results: list[Any] = self._spool.put(Job(write, entries, octets, its, vital=True, scattered=True)).result()
        return results


def _pauses(db: sqlite3.Connection, now: float) -> list[Pause]:
    return [Pause(*row) for row in db.execute(_PAUSES, (now,))]
