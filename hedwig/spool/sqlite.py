"""The spool in SQLite: `open_spool` gives one object for all three sides (Intake, Work, Look).

Several processes and threads may have the same file open. A process writes through one thread (writer.py), which starts
with the first write; it reads on connections that are lent and given back, and a read is over when its method returns.

Beside PATH lie SQLite's PATH-wal and PATH-shm; the locks PATH.turn (turn.py), PATH.large (bodies.py) and
PATH.historian; PATH.reserve (reserve.py); and the folder PATH.history (history.py).
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from hedwig.pulse import Pulse
from hedwig.spool import (
    Claim,
    Doubt,
    Freed,
    Halted,
    HistoryLine,
    NewMessage,
    Pause,
    Preview,
    QueuedRecipient,
    Registered,
    Settled,
    Settlement,
    SpoolTrouble,
    Stream,
    Waiting,
    bodies,
    chores,
    claim,
    free,
    look,
    recall,
    supersede,
    usage,
)
from hedwig.spool.health import Health
from hedwig.spool.hindrance import Hindrance
from hedwig.spool.historian import Historian
from hedwig.spool.history import DAY, DAYS, DayFiles, lines_of
from hedwig.spool.intake import LongIntake, check, register, rows_of, seen
from hedwig.spool.job import Job
from hedwig.spool.reserve import Reserve
from hedwig.spool.schema import connect_reader, prepare
from hedwig.spool.setback import SetBack
from hedwig.spool.settle import Settling
from hedwig.spool.trouble import SPOOL_ERRORS, trouble
from hedwig.spool.writer import MAX_OCTETS, Writer

_IDLE_READERS = 8
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def open_spool(path: str, *, create: bool = True, clock: Callable[[], float] = time.time) -> "SqliteSpool":
    """The spool at `path`. `create`: make it where there is none, and keep it. `clock`: Unix time, for tests.

    Raises SpoolTrouble, with a sentence that says what to do: no folder, no permission, no spool, a damaged file, a
    spool of a newer release.
    """
    prepare(path, create)
    return SqliteSpool(path, clock, keeper=create)


class SqliteSpool:
    """See `open_spool`; the methods are those of Intake, Work and Look in hedwig.spool."""

    def __init__(
        self, path: str, clock: Callable[[], float], opening: Hindrance | None = None, *, keeper: bool = False
    ) -> None:
        self._path = path
        self._opening = opening
        self._clock = clock
        self._closed = False
        self._reserve = Reserve(path)
        self._health = Health(path)
        self._set_back = SetBack(clock, keeper)
        self._starting = threading.Lock()
        self._writer: Writer | None = None
        self._historian: Historian | None = None
        self._idle: deque[sqlite3.Connection] = deque()
        # Made once: the writer puts jobs of the same `write` together.
        self._write_register = self._register
        self._write_settle = self._settle

    def close(self) -> None:
        """Write what waits, end the threads, close the files. Safe to call twice."""
        with self._starting:
            self._closed = True
        for part in (self._opening, self._historian, self._writer):
            if part is not None:
                part.close()
        while self._idle:
            self._idle.pop().close()

    @property
    def pulses(self) -> list[Pulse]:
        """Of its threads, as far as they run."""
        return [self._writer.pulse] if self._writer is not None else []

    # Intake

    def register(self, messages: Sequence[NewMessage], *, here: bool = False) -> "Future[list[Registered]]":
        """See Intake. ValueError, through the Future, for a message to nobody or a body that lies about its size."""
        try:
            check(messages)
            self._health.check()
            octets = sum(message.body.size for message in messages)
            self._reserve.room(octets)
            if octets > MAX_OCTETS:
                return LongIntake(self._path, self._start(), messages, self._clock).start()
        except (ValueError, SpoolTrouble) as error:
            return _failed(error)
        except OSError as error:
            return _failed(trouble(error, self._path))
        return self.put(Job(self._write_register, messages, octets, rows_of(messages)), here=here)

    def used(self) -> int:
        """See Intake."""
        return self.read(look.used)

    def seen(self, client: str, queue_ids: Sequence[str]) -> dict[str, bytes]:
        """See Intake."""
        return self.read(seen, client, queue_ids)

    def sent(self, now: float) -> list[tuple[int, str, str, int, int]]:
        """See Intake."""
        return self.read(usage.used, now)

    # Work

    def preview(self, deliveries: Sequence[int], now: float) -> list[Preview]:
        """See Work."""
        return self.read(claim.preview, deliveries, now)

    def claim(
        self, deliveries: Sequence[int], owner: str, now: float, pauses: Sequence[Pause] = (), load_up_to: int = 1 << 20
    ) -> "Future[list[Claim]]":
        """See Work."""
        request = claim.ClaimRequest(deliveries, owner, now, pauses, load_up_to)
        try:
            self._health.check()
        except SpoolTrouble as error:
            return _failed(error)

        def finish(db: sqlite3.Connection | None, results: list[Any]) -> list[Claim]:
            return claim.load_claims(db, results[0], load_up_to)

        return self.put(Job(claim.take_claims, [request], 0, len(deliveries) + len(pauses), finish, vital=True))

    def body(self, message: int) -> Iterable[bytes]:
        """See Work. SpoolTrouble, while it is read, when some of it is gone."""
        pieces = bodies.whole(self._lend, message)
        while True:
            try:
                yield next(pieces)
            except StopIteration:
                return
            except SPOOL_ERRORS as error:
                self._health.suspect(error)
                raise trouble(error, self._path) from error

    def settle(self, settlements: Sequence[Settlement]) -> "Future[list[Settled]]":
        """See Work. ValueError, through the Future, for a recipient that has its outcome already."""
        try:
            check([bounce for settlement in settlements for bounce in settlement.bounces])
        except ValueError as error:
            return _failed(error)
        octets = sum(bounce.body.size for settlement in settlements for bounce in settlement.bounces)
        rows = sum(2 + len(settlement.results) + 6 * len(settlement.bounces) for settlement in settlements)
        return self.put(Job(self._write_settle, settlements, octets, rows, vital=True))

    def marked(self, delivery: int) -> set[int]:
        """See Work."""
        return self.read(supersede.marked, delivery)

    def halted(self, owner: str, now: float) -> Halted:
        """See Work."""
        return self.read(recall.halted, owner, now)

    def owners(self) -> list[str]:
        """See Work."""
        return self.read(look.owners)

    def free(
        self, owner: str, doubtful: Callable[[int, int], bool | Doubt], now: float, retry_after: float
    ) -> "Future[list[Freed]]":
        """See Work."""
        request = free.FreeRequest(owner, doubtful, now, retry_after)
        return self.put(Job(free.free, [request], finish=lambda _, results: results[0], vital=True))

    # Look

    def streams(self, now: float, newly_due_since: float | None) -> set[Stream]:
        """See Look."""
        return self.read(look.streams, now, newly_due_since)

    def due(self, destination: str, now: float, limit: int, priority: int | None = None) -> list[Waiting]:
        """See Look."""
        return self.read(look.due, destination, now, limit, priority)

    def expired(self, now: float, limit: int) -> list[Waiting]:
        """See Look."""
        return self.read(look.expired, now, limit)

    def pauses(self, now: float) -> list[Pause]:
        """See Look."""
        return self.read(look.pauses, now)

    def still_waiting(self, deliveries: Sequence[int], now: float) -> set[int]:
        """See Look."""
        return self.read(look.still_waiting, deliveries, now)

    def depth(self) -> int:
        """See Look."""
        return self.read(look.depth)

    def queued(self, queue_id: str = "", limit: int = 1000, after: int = 0) -> tuple[list[QueuedRecipient], int]:
        """See Look."""
        return self.read(look.queued, queue_id, limit, after)

    def history(self, queue_id: str) -> list[HistoryLine]:
        """See Look."""
        rows = self.read(look.happened, queue_id)
        try:
            return lines_of([queue_id], rows, DayFiles(self._path), self._clock() - DAYS * DAY)[queue_id]
        except SPOOL_ERRORS as error:
            raise trouble(error, f"{self._path}.history") from error

    # within

    def _register(self, db: sqlite3.Connection, messages: list[NewMessage]) -> list[Registered]:
        return register(db, messages, self._clock())

    def _settle(self, db: sqlite3.Connection, settlements: list[Settlement]) -> list[Settled]:
        settling = Settling(db, settlements, self._clock())
        answers = settling.run()
        if settling.left_rubbish and self._writer is not None:
            self._writer.put(Job(self._chores, [None]))
        return answers

    def _chores(self, db: sqlite3.Connection, entries: list[Any]) -> list[None]:
        self._reserve.keep()
        more = chores.step(db, self._path, self._clock())
        if self._writer is not None:
            self._set_back.look(self._writer.put)
            if more:
                self._writer.put(Job(self._chores, [None], rows=chores.MOST, scattered=True))
        return [None] * len(entries)

    def _start(self) -> Writer:
        """The writer, and the historian beside it; or SpoolTrouble."""
        with self._starting:
            if self._closed:
                raise SpoolTrouble("the spool is closed")
            if self._opening is not None:
                self._opening.check()
            if self._writer is None:
                try:
                    self._writer = Writer(self._path, self._chores, self._reserve, self._health)
                except OSError as error:
                    raise trouble(error, self._path) from error
                self._historian = Historian(self._path, self._writer, self._lend, self._clock)
            return self._writer

    def put(self, job: Job, *, here: bool = False) -> "Future[Any]":
        """Have this written with the next transaction; for other modules of this package. `here`: see Writer.put."""
        if self._writer is None or self._historian is None:
            try:
                self._start()
            except SpoolTrouble as error:
                return _failed(error)
            return self.put(job, here=here)
        future = self._writer.put(job, here=here)
        self._historian.wake()
        return future

    @contextmanager
    def _lend(self) -> Iterator[sqlite3.Connection]:
        """A reader for this thread's use now."""
        try:
            db = self._idle.pop()
        except IndexError:
            if self._opening is not None:
                self._opening.check()
            db = connect_reader(self._path)
        try:
            yield db
        except SPOOL_ERRORS:
            db.close()
            raise
        if len(self._idle) < _IDLE_READERS and not self._closed:
            self._idle.append(db)
        else:
            db.close()

    def read(
        self, query: Callable[Concatenate[sqlite3.Connection, Asked], Answer], *asked: Asked.args, **named: Asked.kwargs
    ) -> Answer:
        """Ask this, on a connection that can't write; for other modules of this package."""
        try:
            with self._lend() as db:
                return query(db, *asked, **named)
        except SPOOL_ERRORS as error:
            self._health.suspect(error)
            raise trouble(error, self._path) from error


def _failed(error: Exception) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
