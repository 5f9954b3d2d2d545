"""The history: what happened to each message, readable for 30 days after it happened.

An event is written twice. First, in the transaction of the change itself, as a row of `happened` in the spool: so there
is no outcome without its event and no event of something that was rolled back. Then the historian, a thread apart from
the writer, moves rows in lots into one SQLite file a day, `PATH.history/2026-11-23.db` (UTC), and deletes them from the
spool. (Attaching the day's file to the writer would not do: in WAL mode SQLite commits each file by itself, so a full
disk or a crash could leave the outcome without its event, or an error for what was in truth committed; and it would
cost a second fsync before each answer.)

How it fails: an event that was moved but not yet deleted is moved again; its number is its key, so it is there once.
Where the day's file can't be written, events wait in the spool, readable as ever, and the journal says so once.
Days are dropped by unlinking their file, one in PACE seconds of running: a clock that is set years ahead for an hour
must not cost the whole history.
"""

import json
import os
import sqlite3
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hedwig.reply import Stage, one_line
from hedwig.spool import HistoryLine, Kind
from hedwig.spool.numbers import next_happened
from hedwig.spool.turn import share

if TYPE_CHECKING:
    from hedwig.spool import Event

DAYS = 30
DAY = 86400.0
PACE = 6 * 3600.0
MOST_FILES = 2 * DAYS  # past these no pace is kept: whoever runs for less than PACE each time must drop some too
_PAGE = 5000  # events
SET_BACK = 60.0  # seconds by which the next event may be earlier: it waited for its commit so long
_STEP = 500  # lines that are read at a time
_SHIFT = 20  # an event's number is happened.number * 2**20 + its position in that row

Line = tuple[float, str, str, str, str, str, int, str, str, str, str]
Named = tuple[float, str, list[str]]  # when, the queue ID, and by what a message shall be found besides

_TABLES = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, at REAL, queue_id TEXT, client TEXT, kind TEXT, rcptto TEXT, stage TEXT, code INTEGER,
    enhanced TEXT, reply TEXT, host TEXT, detail TEXT);
CREATE INDEX IF NOT EXISTS events_by_queue_id ON events (queue_id);
CREATE TABLE IF NOT EXISTS names (name TEXT, queue_id TEXT, PRIMARY KEY (name, queue_id)) WITHOUT ROWID;
"""
_INSERT = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NAME = "INSERT OR IGNORE INTO names VALUES (?, ?)"


def line(event: "Event", queue_id: str, client: str) -> Line:
    """An event of a message, as it is kept."""
    reply = event.reply
    return (
        event.at,
        queue_id,
        client,
        event.kind,
        event.rcptto,
        event.stage or "",
        reply.code if reply else 0,
        reply.enhanced if reply else "",
        reply.text if reply else "",
        event.host,
        event.detail,
    )


def plain(at: float, kind: Kind, queue_id: str, client: str, detail: str) -> Line:
    """An event that the spool itself notes, of a whole message or delivery."""
    return (at, queue_id, client, kind, "", "", 0, "", "", "", detail)


def record(db: sqlite3.Connection, lines: Sequence[Line], named: Sequence[Named] = ()) -> None:
    """Note what happened, in the transaction that makes it so."""
    if lines:
        number = next_happened(db)
        db.execute("INSERT INTO happened (number, lines) VALUES (?, ?)", (number, json.dumps(lines)))
        if named:
            db.execute("INSERT INTO names (number, names) VALUES (?, ?)", (number, json.dumps(named)))


def folded(name: str) -> str:
    """As a name is kept and looked for: addresses and Message-IDs are found in whatever case, with or without brackets
    and what stands before them, and by either form of an international domain."""
    name = name.strip()
    name = (name[name.rindex("<") + 1 : -1] if name.endswith(">") and "<" in name else name).strip("<> ").lower()
    if name.isascii():
        return name
    local, at, domain = unicodedata.normalize("NFC", name).rpartition("@")
    return f"{local}{at}{domain if domain.isascii() else _a_labels(domain)}"


def _a_labels(domain: str) -> str:
    from hedwig.address import Address, AddressError  # few names are international

    try:
        return Address.parse(f"x@{domain}").destination
    except AddressError:  # in a Message-ID, say
        return domain


def text_of(row: Sequence[Any]) -> str:
    """A Line in words: "deferred: mx1.example.com said 450 4.7.1 greylisted at rcpt; next try in 6m". One line, but for
    a conversation (Doubt.talk), whose lines begin with "* ", "> " or "< " whatever was said in it (I11)."""
    _, _, _, kind, rcptto, stage, code, enhanced, reply, host, detail = row
    said = " ".join(str(part) for part in (code or "", enhanced, reply) if part)
    if said and stage in (Stage.LOCAL, Stage.DNS):  # our own word
        said = f"{host}: {said}" if host else said
    elif said:
        said = f"{host or 'the other side'} said {said}"
    elif host:
        said = host
    if stage == Stage.DNS:
        said = f"DNS: {said}" if said else ""
    elif stage and said:
        said = f"{said} at {stage}"
    words = "; ".join(part for part in (said, detail) if part)
    name = str(kind).replace("_", " ")
    text = f"{name}: {words}" if words else name
    if kind == Kind.IN_DOUBT and not rcptto:
        return "\n".join(one_line(each) for each in text.split("\n"))
    return one_line(text)


@dataclass(slots=True)
class _Day:
    """What goes into one day's file."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    names: list[tuple[str, str]] = field(default_factory=list)


class DayFiles:
    """The folder with one file a day. Not thread-safe; no method leaves a file open. `running`: a monotonic clock."""

    def __init__(self, path: str, running: Callable[[], float] = time.monotonic) -> None:
        self._spool = path
        self._running = running
        self._next_drop = running() + PACE
        self._folder = Path(f"{path}.history")

    def add(self, happened: Sequence[tuple[int, str]], named: Sequence[tuple[int, str]], now: float) -> None:
        """Write rows of `happened` and `names` (number, JSON) into the files of their days, fsynced."""
        days: dict[str, _Day] = {}

        def day(at: float) -> _Day:
            # An absurd clock must not name an absurd file, or one that is dropped at once.
            return days.setdefault(day_of(min(max(at, now - (DAYS - 1) * DAY), now + DAY)), _Day())

        for number, text in happened:
            for position, row in enumerate(json.loads(text)):
                day(row[0]).events.append(((number << _SHIFT) | position, *row))
        for _, text in named:
            for at, queue_id, words in json.loads(text):
                day(at).names.extend((folded(word), queue_id) for word in words if word)
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o750, exist_ok=True)
            share(str(self._folder), self._spool)
        for name, rows in days.items():
            file = self._folder / f"{name}.db"
            try:
                self._add_day(file, rows)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                file.rename(file.with_suffix(".damaged"))  # or all of history would wait for ever, for one day's sake
                _say("ERROR", f"the history in {file} is damaged: it was renamed to {file.stem}.damaged")
                self._add_day(file, rows)

    def _add_day(self, file: Path, rows: "_Day") -> None:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))  # who wrote to whom is not for all
        with closing(_open(file, "rw")) as db:
            share(str(file), self._spool)
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            for statement in filter(str.strip, _TABLES.split(";")):
                db.execute(statement)
            db.executemany(_INSERT, rows.events)
            db.executemany(_NAME, rows.names)
            db.execute("COMMIT")

    def drop_old(self, now: float) -> None:
        """Unlink the oldest day of which every event is older than DAYS, if it is time for one."""
        if (len(self._files()) > MOST_FILES or self._running() >= self._next_drop) and self.drop_one(now):
            self._next_drop = self._running() + PACE

    def drop_one(self, now: float) -> str:
        """Unlink the oldest day of which every event is older than DAYS; its name, or ""."""
        files = self._files()
        if not files or files[0].stem >= day_of(now - DAYS * DAY):
            return ""
        files[0].unlink(missing_ok=True)
        return files[0].stem

    def find(self, queue_ids: Sequence[str]) -> dict[int, tuple[Any, ...]]:
        """Lines of messages by number."""
        found: dict[int, tuple[Any, ...]] = {}
        query = "SELECT * FROM events WHERE queue_id IN (SELECT value FROM json_each(?))"
        for file in self._files():
            for row in _asked(file, query, json.dumps(queue_ids)):
                found[row[0]] = row[1:]
        return found

    def newest(self, limit: int, since: float) -> list[Line]:
        """The last lines of the last two days' files, the newest last: up to `limit`, and few that are from before
        `since`."""
        found: list[Any] = []
        query = "SELECT * FROM events WHERE number < ? ORDER BY number DESC LIMIT ?"
        for file in reversed(self._files()[-2:]):
            below = 1 << 62
            while (step := min(_STEP, limit - len(found))) and (rows := _asked(file, query, below, step)):
                found += rows
                below = rows[-1][0]
                if rows[-1][1] < since:
                    break
        return [row[1:] for row in sorted(found)]

    def recipients(self) -> Iterator[str]:
        """Whom events are about, the newest first; read a page at a time, so that who has enough may stop."""
        query = "SELECT number, rcptto FROM events WHERE number < ? ORDER BY number DESC LIMIT ?"
        for file in reversed(self._files()):
            before = 1 << 62
            while rows := _asked(file, query, before, _PAGE):
                before = rows[-1][0]
                yield from dict.fromkeys(rcptto for _, rcptto in rows if rcptto)

    def named(self, name: str, limit: int) -> list[str]:
        """Queue IDs of messages that are known by this address or Message-ID, the newest day's first."""
        found: dict[str, None] = {}
        query = "SELECT queue_id FROM names WHERE name = ? ORDER BY queue_id DESC LIMIT ?"
        for file in reversed(self._files()):
            rows = _asked(file, query, folded(name), limit, table="names")
            found.update(dict.fromkeys(queue_id for (queue_id,) in rows))
            if len(found) >= limit:
                break
        return list(found)[:limit]

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("????-??-??.db")) if self._folder.is_dir() else []


def lines_of(
    queue_ids: Sequence[str], happened: Iterable[tuple[int, str]], files: DayFiles, oldest: float
) -> dict[str, list[HistoryLine]]:
    """Messages' histories. `happened` was read before the files are: what moves meanwhile is in both, not missed."""
    wanted: dict[str, list[HistoryLine]] = {queue_id: [] for queue_id in queue_ids}
    found = {
        (number << _SHIFT) | position: tuple(row)
        for number, text in happened
        for position, row in enumerate(json.loads(text))
        if row[1] in wanted
    }
    found.update(files.find(queue_ids))
    for row in _in_order({number: row for number, row in found.items() if row[0] >= oldest}):
        wanted[row[1]].append(HistoryLine(row[0], row[1], row[2], Kind(row[3]), row[4], text_of(row)))
    return wanted


def _in_order(found: dict[int, tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """By their times; where the clock was set back meanwhile, as they were written."""
    rows = [found[number] for number in sorted(found)]
    was_set = any(later[0] < earlier[0] - SET_BACK for earlier, later in pairwise(rows))
    return rows if was_set else sorted(rows, key=lambda row: float(row[0]))


def _asked(file: Path, query: str, *values: object, table: str = "events") -> list[Any]:
    """Rows of one day; none where the file was dropped meanwhile, or has no such table: it was only just made, or by a
    release that had none. A damaged day is left out, and that is said."""
    try:
        with closing(_open(file, "rw")) as db:
            try:
                return db.execute(query, values).fetchall()
            except sqlite3.OperationalError:
                if db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).fetchall():
                    return db.execute(query, values).fetchall()  # it was made just now; else this raises again
    except sqlite3.DatabaseError as error:
        if _is_damage(error):
            _say("WARNING", f"the history in {file} is damaged: what happened that day is not shown")
        elif file.exists():
            raise
    return []


def _say(level: str, words: str) -> None:
    from hedwig import log  # seldom needed, and not soon loaded

    log.say(log.Level[level], words)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def day_of(at: float) -> str:
    """The UTC day of a Unix time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _open(file: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(file.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, timeout=10.0, isolation_level=None, uri=True)
