"""The bell of one process: takes what `log` hears, and writes records, in a thread that nobody waits for.

A record is written beside its place, fsynced, and then renamed into FOLDER/new, so that whoever takes it sees it whole
or not at all. While the disk takes none it is kept, and tried again every few seconds; at most MOST are kept, and at
most FULL may lie in the folder: nobody takes them then. Where the folder is not there, nobody is to be called.

The same trouble is not written again within HUSH seconds, unless it ended meanwhile.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from hedwig import queueid
from hedwig.bell.kinds import Reading, readings
from hedwig.bell.record import Edge, Record, short
from hedwig.log import Level

MOST = 200
FULL = 1000
HUSH = 60.0  # seconds
AGAIN = 5.0  # seconds
LAST_WORDS = 2.0  # seconds that the end of a process may wait for what is not written yet
_MODE = 0o640


def new_folder(folder: str | Path) -> Path:
    """Where records lie until they are taken. `folder`: as alerts.yml has it."""
    return Path(folder) / "new"


class Bell:
    """Thread-safe. `source`: this daemon, as the journal names it. `clock`: Unix seconds; `ticks`: monotonic."""

    def __init__(
        self,
        folder: Path,
        source: str,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._source = source
        self._clock = clock
        self._ticks = ticks
        self._told: dict[tuple[str, str], tuple[Edge, float]] = {}
        self._waiting: deque[Record] = deque(maxlen=MOST)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = False
        self._last_named = 0.0

    def hear(self, event: str, level: Level, text: str, fields: Mapping[str, str]) -> None:
        """What `log.listen` calls. It returns at once."""
        facts = {
            name.removeprefix("HEDWIG_").lower(): short(value)
            for name, value in fields.items()
            if name.startswith("HEDWIG_") and name != "HEDWIG_EVENT"
        }
        for reading in readings(event, level, fields, self._source):
            self.ring(reading, text, facts)

    def ring(self, what: Reading, text: str = "", facts: Mapping[str, str] | None = None) -> str:
        """Have this written; its ID. It returns at once."""
        now = self._clock()
        with self._changed:
            named = self._last_named
            # By its name alone it is known which came first.
            named = self._last_named = named + 0.002 if 0 <= named + 0.002 - now < 1 else now
        record = Record(
            queueid.new(named),
            now,
            self._source,
            what.edge,
            what.kind,
            short(what.subject),
            short(text),
            what.lapse,
            dict(facts or {}),
        )
        with self._changed:
            if not record.kind or not self._is_old(record.edge, (record.kind, record.subject)):
                self._waiting.append(record)
                if self._thread is None:
                    self._start()
                self._changed.notify_all()
        return record.id

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="bell", daemon=True)
        with suppress(RuntimeError):  # no room for a thread now: the next ring tries again
            thread.start()
            self._thread = thread

    def _is_old(self, edge: Edge, what: tuple[str, str]) -> bool:
        now = self._ticks()
        last, at = self._told.get(what, (None, 0.0))
        if last is edge and now < at + HUSH:
            return True
        if len(self._told) >= FULL:
            self._told.clear()
        self._told[what] = edge, now
        return False

    def close(self, seconds: float = LAST_WORDS) -> None:
        """Write what waits, as far as that is possible in time."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._ending:
                        return
                    self._changed.wait()
                record = self._waiting[0]
            written = self._write(record)
            with self._changed:
                if written and self._waiting and self._waiting[0] is record:
                    self._waiting.popleft()
                if not written:
                    if self._ending:
                        return
                    self._changed.wait(AGAIN)

    def _write(self, record: Record) -> bool:
        """Whether it need not be tried again."""
        try:
            if sum(1 for _ in self._folder.iterdir()) < FULL:
                write_record(self._folder, record)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return True
        except OSError:  # the disk is full, say
            return False
        return True


def write_record(folder: Path, record: Record) -> None:
    """Put it into `folder` at one stroke; it belongs to whom the folder belongs. OSError."""
    beside = folder / f".{record.id}"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        try:
            if os.geteuid() == 0:
                owner = folder.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)
            content = record.packed()
            if os.write(handle, content) < len(content):
                raise OSError("the disk took a part of it")
            os.fsync(handle)
        finally:
            os.close(handle)
        beside.rename(folder / f"{record.id}.json")
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
