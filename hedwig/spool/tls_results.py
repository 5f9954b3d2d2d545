"""How TLS went, counted by day, for the reports of RFC 8460; and which reports are due.

`tls_results` counts sessions of a day (UTC) and domain: by policy and result, of failures also by host, addresses and
reason. A domain has at most ROWS_EACH rows a day; whatever is new past that is counted without those, so that no
receiver with many names or error texts makes them many. `tls_reports` has a row for each day and domain: when its
report is due, after the day's end and some delay, and how often it was taken.

`take` gives what is due to one worker: for the others, and for the next try, it is due again after a wait that grows
with each try, up to a day in all (RFC 8460 §5.5); then it is dropped. `end` registers the letters of a report and drops
its counts, in one transaction, unless another has done so: a letter is registered once, whatever dies when. Chores
(chores.py) forget what is older than KEPT days, also where nobody reports any more.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from hedwig.spool import NewMessage, Outcome, Waiting
from hedwig.spool.digests import Putting
from hedwig.spool.intake import register
from hedwig.spool.job import Job
from hedwig.tlsrpt import DAY, Count, Day, Result, Session, day_of, unpacked

ROWS_EACH = 200  # of one domain and day
MAX_REASON = 300  # characters
TAKEN = 20  # domains in one go
WAITS = (900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 28800.0)  # seconds after each try but the last: a day
KEPT = 4  # days
_LOT = 250  # counts in one transaction

_ADD = """
UPDATE tls_results SET sessions = sessions + ?
WHERE day = ? AND domain = ? AND policy = ? AND result = ? AND details = ?"""
_NEW = "INSERT INTO tls_results (sessions, day, domain, policy, result, details) VALUES (?, ?, ?, ?, ?, ?)"
_ROWS = "SELECT count(*) FROM tls_results WHERE day = ? AND domain = ?"
_PLAN = "INSERT OR IGNORE INTO tls_reports (day, domain, due, tries) VALUES (?, ?, ?, 0)"
_DUE = "SELECT day, domain, tries FROM tls_reports WHERE due <= ? AND day < ? ORDER BY due LIMIT ?"
_PUT_OFF = "UPDATE tls_reports SET due = ?, tries = tries + 1 WHERE day = ? AND domain = ?"
_COUNTS = """
SELECT policy, result, details, sessions FROM tls_results WHERE day = ? AND domain = ?
ORDER BY policy, result, sessions DESC, details"""
_END = "DELETE FROM tls_reports WHERE day = ? AND domain = ?"
_DROP = "DELETE FROM tls_results WHERE day = ? AND domain = ?"
_OLD = """
DELETE FROM tls_results WHERE (day, domain) IN (SELECT day, domain FROM tls_results WHERE day < ? LIMIT ?)"""
_OLD_REPORTS = """
DELETE FROM tls_reports WHERE (day, domain) IN (SELECT day, domain FROM tls_reports WHERE day < ? LIMIT ?)"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Days whose report is due, for whoever took them. `dropped`: day and domain of those that were tried for a day in
    vain. `more`: ask again."""

    days: tuple[Day, ...] = ()
    dropped: tuple[tuple[int, str], ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The end of one report: the letters that carry it; none where it was posted, or is not wanted."""

    number: int
    domain: str
    letters: tuple[NewMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class _Counted:
    day: int
    count: Count
    due: float


def count(spool: Putting, day: int, counts: Sequence[Count], delay: Callable[[], float]) -> "list[Future[object]]":
    """Add to what is counted of this day. `delay`: seconds from the day's end to a domain's report, for each anew."""
    over = float((day + 1) * DAY)
    entries = [_Counted(day, each, over + delay()) for each in counts]
    lots = [entries[first : first + _LOT] for first in range(0, len(entries), _LOT)]
    return [spool.put(Job(_count, lot, rows=3 * len(lot), finish=lambda _, results: None)) for lot in lots]


def take(spool: Putting, now: float) -> "Future[Taken]":
    """Take some days whose report is due at `now` (Unix seconds)."""
    return spool.put(Job(_take, [now], rows=TAKEN, finish=lambda _, results: results[0]))


def end(spool: Putting, ended: End, now: float) -> "Future[tuple[Waiting, ...]]":
    """End a report that was taken; its letters' deliveries, none if another has ended it."""
    octets = sum(each.body.size for each in ended.letters)
    job = Job(
        _end, [(ended, now)], octets=octets, rows=6 * len(ended.letters) + ROWS_EACH, finish=lambda _, got: got[0]
    )
    return spool.put(job)


def forget(db: sqlite3.Connection, now: float, step: int) -> bool:
    """Forget what is too old, a step; whether there is more."""
    bound = (day_of(now) - KEPT, step)
    return db.execute(_OLD, bound).rowcount + db.execute(_OLD_REPORTS, bound).rowcount >= step


def _count(db: sqlite3.Connection, entries: Sequence[_Counted]) -> list[None]:
    db.executemany(_PLAN, [(each.day, each.count.session.domain, each.due) for each in entries])
    for each in entries:
        _add(db, each.day, each.count.session, each.count.sessions)
    return [None] * len(entries)


def _add(db: sqlite3.Connection, day: int, session: Session, sessions: int) -> None:
    where = (day, session.domain)
    what = (session.policy.packed(), session.result.value)
    details = "" if session.result is Result.SUCCESS else _details(session)
    row = (sessions, *where, *what, details)
    if db.execute(_ADD, row).rowcount:
        return
    ((rows,),) = db.execute(_ROWS, where).fetchall()
    if rows >= ROWS_EACH and details:
        row = (sessions, *where, *what, "")
        if db.execute(_ADD, row).rowcount:
            return
    db.execute(_NEW, row)


def _details(session: Session) -> str:
    told = (session.receiving_mx, session.receiving_ip, session.sending_ip, session.reason[:MAX_REASON])
    return json.dumps(told, separators=(",", ":"))


def _take(db: sqlite3.Connection, moments: Sequence[float]) -> list[Taken]:
    return [_take_one(db, now) for now in moments]


def _take_one(db: sqlite3.Connection, now: float) -> Taken:
    days: list[Day] = []
    dropped: list[tuple[int, str]] = []
    rows = db.execute(_DUE, (now, day_of(now), TAKEN)).fetchall()
    for number, domain, tries in rows:
        if tries > len(WAITS):
            _forget(db, number, domain)
            dropped.append((number, domain))
            continue
        # After the last try it is looked at once more, and dropped.
        wait = WAITS[min(tries, len(WAITS) - 1)]
        db.execute(_PUT_OFF, (now + wait, number, domain))
        days.append(Day(number, domain, tuple(_counts(db, number, domain))))
    return Taken(tuple(days), tuple(dropped), more=len(rows) == TAKEN)


def _counts(db: sqlite3.Connection, number: int, domain: str) -> list[Count]:
    return [
        Count(Session(domain, unpacked(policy), Result(result), *(json.loads(details) if details else ())), sessions)
        for policy, result, details, sessions in db.execute(_COUNTS, (number, domain))
    ]


def _end(db: sqlite3.Connection, entries: Sequence[tuple[End, float]]) -> list[tuple[Waiting, ...]]:
    return [_end_one(db, ended, now) for ended, now in entries]


def _end_one(db: sqlite3.Connection, ended: End, now: float) -> tuple[Waiting, ...]:
    if not _forget(db, ended.number, ended.domain):
        return ()
    waiting: list[Waiting] = []
    for answer in register(db, ended.letters, now) if ended.letters else ():
        if answer.outcome is Outcome.ACCEPTED:
            waiting += answer.deliveries
    return tuple(waiting)


def _forget(db: sqlite3.Connection, number: int, domain: str) -> bool:
    """Whether it was there."""
    db.execute(_DROP, (number, domain))
    return bool(db.execute(_END, (number, domain)).rowcount)
