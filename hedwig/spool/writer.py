"""The writer: one thread a process commits all that waits in one transaction (group commit; one fsync for all).

Callers put a Job and wait for its Future. The thread takes the turn (turn.py), gathers what has come meanwhile, up to
about 1 MiB of bodies or 1,000 rows, and writes it: jobs of the same kind in one call, so that a hundred single
messages cost little more than one batch. After the commit the Futures are done. Checkpoints are not its business
(checkpoint.py). Who will wait anyway may write its one job itself while the thread is idle (`here`), which spares two
changes of threads: 0.1 to 0.2 ms of a lone letter's way. What comes meanwhile is the thread's next batch.

How it fails: when a transaction fails it is rolled back, and each of its jobs is tried again alone, so that only those
that can't be written get the error (trouble.py). That costs nothing while all is well. After a fault of the file the
connection is made anew for the next batch, so it recovers by itself. A crash at any point leaves whole transactions.
Should the thread itself end by what nobody foresaw, all who wait and all who come get SpoolTrouble, the traceback goes
to stderr, and the pulse stands still, whereupon the watchdog has the daemon started anew (supervisor.py).
"""

import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from hedwig.pulse import Pulse
from hedwig.spool import SpoolTrouble
from hedwig.spool.checkpoint import Checkpointer
from hedwig.spool.health import Health
from hedwig.spool.job import Job, Write
from hedwig.spool.reserve import Reserve
from hedwig.spool.schema import connect_writer
from hedwig.spool.trouble import fail, is_full
from hedwig.spool.turn import Turn

MAX_OCTETS = 1 << 20
MAX_ROWS = 1000
CHORES_EVERY = 10.0  # seconds
_CHECKPOINT_OCTETS = 4 << 20
_ROW_OCTETS = 600  # what a row and its index entries put into the WAL, roughly
_SCATTERED_OCTETS = 6000  # and where each row lies on pages of its own
_HARMLESS = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CONSTRAINT})  # the connection is fine


class Writer:
    """Owns the writing connection of this process. `chores` is a write that is called every CHORES_EVERY seconds."""

    def __init__(self, path: str, chores: Write, reserve: Reserve, health: Health) -> None:
        self._path = path
        self._reserve = reserve
        self._health = health
        self._chores = chores
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._carried: Job | None = None
        self._stopping = False
        self._at_work = threading.Lock()  # whoever writes holds it, the thread or a caller
        self._idle = False  # the thread waits for jobs
        self._batch: list[Job] = []  # what is being written
        self._broken: BaseException | None = None  # what ended the thread, or ends it
        self._db: sqlite3.Connection | None = None
        self._written = 0
        self._chores_at = 0.0
        self._turn = Turn(path)
        self._checkpointer = Checkpointer(path)
        self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)
        self.pulse = Pulse("the thread that writes the spool").of(self._thread)
        self._thread.start()

    def put(self, job: Job, *, here: bool = False) -> "Future[Any]":
        """Have `job` written with the next transaction; `here`: by this very thread, if nobody else writes or waits."""
        if self._stopping:
            job.future.set_exception(SpoolTrouble("the spool is closed"))
        elif not (here and self._write_here(job)):
            self._jobs.put(job)
            if self._broken is not None:  # it ended just now, and may have looked into the queue before
                self._abandon(self._broken)
        return job.future

    def _write_here(self, job: Job) -> bool:
        """Write it in this thread, to its end; False where another writes."""
        if not self._idle or not self._jobs.empty() or not self._at_work.acquire(blocking=False):
            return False
        try:
            if self._stopping or self._broken is not None:
                return False
            self._round(job, alone=True)
        except BaseException as error:  # noqa: BLE001 (the thread raises it, and tells who waits)
            self._broken = error
            self._abandon(error)
            self._jobs.put(None)
        finally:
            self._at_work.release()
        return True

    def close(self) -> None:
        """Write what waits, and end the thread. Safe to call twice."""
        if not self._stopping:
            self._stopping = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._broken = error
            self._abandon(error)
            raise  # threading tells of it on stderr

    def _abandon(self, error: BaseException) -> None:
        """Nothing will be written any more: tell all who wait. What is being written may be on disk or not, as after a
        crash: who handed it in does so again (I3)."""
        waiting = [*self._batch, *([self._carried] if self._carried else [])]
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            waiting += [job] if job is not None else []
        why = f"the thread that writes the spool {self._path} has ended ({error!r}): its daemon must be restarted"
        for job in waiting:
            if not job.future.done():
                job.future.set_exception(SpoolTrouble(why))

    def _work(self) -> None:
        while True:
            self._idle = True
            job = self._next()
            self._idle = False
            with self._at_work:
                if self._broken is not None:  # by a caller that wrote here
                    raise self._broken
                if job is None:
                    break
                self._round(job)
        self.pulse.end()
        while not self._jobs.empty():  # put by a thread that raced with close()
            if (late := self._jobs.get()) is not None:
                late.future.set_exception(SpoolTrouble("the spool is closed"))
        if self._db is not None:
            self._db.close()
        self._turn.close()
        self._checkpointer.close()

    def _round(self, job: Job, *, alone: bool = False) -> None:
        """Write a job, and what else waits unless it is to be `alone`."""
        self.pulse.busy()
        batch = self._batch = [job] if job.future.set_running_or_notify_cancel() else []
        try:
            self._turn.take()
        except OSError as error:
            for each in batch:
                fail(each.future, error, self._path)
            self.pulse.idle()
            return
        try:
            if not alone:
                self._gather(batch)
            done = self._attempt(batch)
            for each in done:
                if each.finish is None:
                    each.future.set_result(each.results)
        finally:
            self._turn.give()
        self._count(done)
        self._finish(done)
        self._batch = []
        self.pulse.idle()

    def _next(self) -> Job | None:
        """The next job; chores when they are due; None when closed and empty."""
        if self._carried is not None:
            job, self._carried = self._carried, None
            return job
        while True:
            now = time.monotonic()
            if now >= self._chores_at and not self._stopping:
                self._chores_at = now + CHORES_EVERY
                return Job(self._chores, [None])
            try:
                return self._jobs.get(timeout=max(self._chores_at - now, 0.01))
            except queue.Empty:
                continue

    def _gather(self, batch: list[Job]) -> None:
        """Add what else waits, to the bounds of one transaction. What doesn't fit is carried to the next."""
        octets = sum(job.octets for job in batch)
        rows = sum(job.rows for job in batch)
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._jobs.put(None)
                return
            if batch and (octets + job.octets > MAX_OCTETS or rows + job.rows > MAX_ROWS):
                self._carried = job
                return
            if job.future.set_running_or_notify_cancel():
                octets += job.octets
                rows += job.rows
                batch.append(job)

    def _attempt(self, batch: list[Job]) -> list[Job]:
        """Commit `batch`, or each alone where that fails. The jobs that are on disk; the others have their error."""
        if not batch:
            return []
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 (it belongs to who waits, and the others must go on)
            if len(batch) > 1:
                return [job for single in batch for job in self._attempt([single])]
            return self._once_more(batch[0], error)
        return batch

    def _once_more(self, job: Job, error: Exception) -> list[Job]:
        """What is vital finds room on a full disk yet: in the WAL once that begins anew, and in the reserve."""
        for make_room in (self._empty_wal, self._reserve.spend):
            if job.vital and is_full(error) and make_room():
                try:
                    self._commit([job])
                except Exception as again:  # noqa: BLE001 (as in _attempt)
                    error = again
                else:
                    return [job]
        if not job.vital:
            self._bury(error)
        self._health.suspect(error)
        fail(job.future, error, self._path)
        return []

    def _bury(self, error: Exception) -> None:
        """What could not be synced may lie whole in the WAL, where it would be found after a crash although its caller
        was refused: write over it. What is vital is tried again by its caller, and no harm where it is found."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR:
            with suppress(sqlite3.Error):  # it can't be synced either: but it is written
                self._commit([Job(_touch, [None])])

    def _empty_wal(self) -> bool:
        """Move all of the WAL into the file, so that its octets can be written anew; whether that was possible."""
        if self._db is None:
            return False
        try:
            _, there, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error:  # the file itself has to grow for it
            return False
        return bool(there == moved > 0)

    def _commit(self, batch: list[Job]) -> None:
        kinds: dict[Write, list[Job]] = {}
        for job in batch:
            kinds.setdefault(job.write, []).append(job)
        if self._db is None:
            self._db = connect_writer(self._path)
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            for write, jobs in kinds.items():
                results = iter(write(db, [entry for job in jobs for entry in job.entries]))
                for job in jobs:
                    job.results = [next(results) for _ in job.entries]
            db.execute("COMMIT")
        except BaseException as error:
            self._roll_back(db, error)
            raise

    def _roll_back(self, db: sqlite3.Connection, error: BaseException) -> None:
        """End the transaction; and the connection, where it may be the one that is broken."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CONSTRAINT) & 0xFF
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.Error:
            code = sqlite3.SQLITE_IOERR
        if code not in _HARMLESS:
            self._db = None
            db.close()

    def _count(self, done: list[Job]) -> None:
        """Have the WAL checkpointed when this process has added enough."""
        self._written += sum(
            job.octets + job.rows * (_SCATTERED_OCTETS if job.scattered else _ROW_OCTETS) for job in done
        )
        if self._written >= _CHECKPOINT_OCTETS:
            self._written = 0
            self._checkpointer.wake()

    def _finish(self, done: list[Job]) -> None:
        for job in done:
            if job.finish is not None:
                try:
                    job.future.set_result(job.finish(self._db, job.results))
                except Exception as error:  # noqa: BLE001 (as in _attempt)
                    fail(job.future, error, self._path)


def _touch(db: sqlite3.Connection, entries: list[Any]) -> list[None]:
    """Change a page (SQLite writes none that stays the same): leave out a number of the history."""
    db.execute("UPDATE numbers SET happened = happened + 1")
    return [None] * len(entries)
