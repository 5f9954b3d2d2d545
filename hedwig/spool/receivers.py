"""What all workers of a host know together of receivers: back-offs, tokens of rates, and windows (tables `backoffs`,
`tokens`, `paces`). It outlives them.

A receiver (site) is named as in the settings, or by its MX hosts; what is known of it holds for one source of our mail,
and a back-off for one family of that source's addresses, as receivers judge addresses.

*Back-offs*: until `until` nothing goes there, and for LIMITED seconds longer at most `connections`, where that is not
0. Who reports the same trouble while it is in force changes nothing but its end; where it comes again within AGAIN
seconds of its end, it lasts twice as long each time, up to LONGEST. The operator may *lift* them: a mark says so to all
workers, which then leave nothing alone for what they had heard before, and the next one is a first one again.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from hedwig.rates import Rate
from hedwig.spool.job import Job

AGAIN = 3600.0  # seconds
LONGEST = 4 * 3600.0
LIMITED = 3600.0
_LIFTED = ""  # in place of a source, which always names a family: the mark of a lift
KEPT = 86400.0  # seconds for which a window is worth knowing

_OF = "SELECT since, until, connections, times, rule, reason FROM backoffs WHERE site = ? AND source = ?"
_SET = """
INSERT OR REPLACE INTO backoffs (site, source, since, until, connections, times, rule, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_ALL = """
SELECT site, source, since, until, connections, times, rule, reason FROM backoffs WHERE until > ? ORDER BY site, source
"""
_FORGET = "DELETE FROM backoffs WHERE until < ?"
_AT = "SELECT at FROM tokens WHERE site = ? AND source = ? AND kind = ?"
_TOKENS = "INSERT OR REPLACE INTO tokens (site, source, kind, at) VALUES (?, ?, ?, ?)"
_PACE = "INSERT OR REPLACE INTO paces (site, source, window, at) VALUES (?, ?, ?, ?)"

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


class Sharing(Protocol):
    """A spool of which this module may ask its own questions, and have its own jobs written."""

    def put(self, job: Job) -> "Future[Any]":
        """Have this written with the next transaction."""

    def read(
        self, query: Callable[Concatenate[sqlite3.Connection, Asked], Answer], *asked: Asked.args, **named: Asked.kwargs
    ) -> Answer:
        """Ask this."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """A receiver's wish for rest. `since`, `until`: Unix seconds. `times`: how often it came in a row. `connections`:
    the most afterwards, for LIMITED seconds; 0: no word. `rule`: of replies.yml; `reason`: the receiver's words."""

    site: str
    source: str
    since: float
    until: float
    connections: int = 0
    times: int = 1
    rule: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """Tokens wanted of every one of `rates`, at Unix time `now`. A negative number gives them back."""

    site: str
    source: str
    rates: tuple[Rate, ...]
    wanted: int
    now: float


@dataclass(frozen=True, slots=True)
class Grant:
    """How many tokens were given; where none, for how many seconds there is none, and of which rate."""

    tokens: int
    wait: float = 0.0
    rate: Rate | None = None


def back_off(spool: Sharing, word: Backoff) -> "Future[Backoff]":
    """Have all workers heed this; the answer is what is in force now. Of `word` site, source, since, until (as for a
    first time), connections, rule and reason count."""
    return spool.put(Job(_back_off, [word], finish=lambda _, results: results[0], vital=True))


def backoffs(spool: Sharing, now: float) -> list[Backoff]:
    """Those in force, or whose bound on connections still is."""
    return spool.read(standing, now)


def lift(spool: Sharing, sites: Iterable[str], now: float) -> "Future[list[Backoff]]":
    """The operator ends back-offs of these receivers; the answer is what was in force."""
    job = Job(_lift, [(sorted(set(sites)), now)], finish=lambda _, results: results[0])
    return spool.put(job)


def lifted(spool: Sharing) -> dict[str, float]:
    """When the operator did so last, by receiver; for AGAIN seconds."""
    return spool.read(lambda db: dict(db.execute("SELECT site, since FROM backoffs WHERE source = ?", (_LIFTED,))))


def unpause(spool: Sharing, destinations: Iterable[str]) -> "Future[Any]":
    """What workers have published of these destinations is over: the feeder hints for them at once."""
    return spool.put(Job(_unpause, [(destination,) for destination in destinations]))


def ask_tokens(spool: Sharing, asking: Asking) -> "Future[Grant]":
    """Take tokens, as many as there are of those wanted; or give back."""
    return spool.put(Job(_ask, [asking], finish=lambda _, results: results[0]))


def tokens_at(spool: Sharing, site: str, source: str, kinds: Sequence[str]) -> dict[str, float]:
    """What rates.py calls `at`, by kind; for who only looks."""
    return spool.read(lambda db: {kind: _at(db, site, source, kind) for kind in kinds})


def paces(spool: Sharing, now: float) -> dict[tuple[str, str], float]:
    """Windows that were saved within KEPT seconds, by site and source."""
    query = "SELECT site, source, window FROM paces WHERE at > ?"
    return spool.read(lambda db: {(site, source): window for site, source, window in db.execute(query, (now - KEPT,))})


def save_paces(spool: Sharing, windows: dict[tuple[str, str], float], now: float) -> "Future[Any]":
    """Keep these, for whoever starts next; forget the old ones, and back-offs that no longer matter."""
    return spool.put(Job(_save, [(windows, now)], rows=len(windows)))


def _back_off(db: sqlite3.Connection, words: Sequence[Backoff]) -> list[Backoff]:
    return [_heed(db, word) for word in words]


def _heed(db: sqlite3.Connection, word: Backoff) -> Backoff:
    row = db.execute(_OF, (word.site, word.source)).fetchone()
    known = Backoff(word.site, word.source, *row) if row else None
    wait, times, since, connections = word.until - word.since, 1, word.since, word.connections
    if known is not None and known.until > word.since:
        times, since = known.times, known.since
        word = replace(word, until=max(word.until, known.until))
        if known.connections and connections:
            connections = min(known.connections, connections)
        connections = connections or known.connections
    elif known is not None and wait and word.since - known.until < AGAIN:
        times = known.times + 1
        longest = max(LONGEST, wait)
        word = replace(word, until=word.since + min(longest, wait * 2.0 ** min(times - 1, 20)))
    word = replace(word, times=times, since=since, connections=connections)
    db.execute(
        _SET,
        (word.site, word.source, word.since, word.until, word.connections, word.times, word.rule, word.reason),
    )
    return word


def standing(db: sqlite3.Connection, now: float) -> list[Backoff]:
    """As `backoffs`, for who has a connection of his own."""
    found = [Backoff(*row) for row in db.execute(_ALL, (now - LIMITED,))]
    return [each for each in found if each.until > now or each.connections]


def _lift(db: sqlite3.Connection, entries: Sequence[tuple[Sequence[str], float]]) -> list[list[Backoff]]:
    gone = []
    for sites, now in entries:
        gone.append([each for each in standing(db, now) if each.site in sites])
        db.executemany("DELETE FROM backoffs WHERE site = ?", [(site,) for site in sites])
        db.executemany(_SET, [(site, _LIFTED, now, now, 0, 0, "", "") for site in sites])
    return gone


def _unpause(db: sqlite3.Connection, entries: Sequence[tuple[str]]) -> list[None]:
    db.executemany("DELETE FROM pauses WHERE destination = ?", entries)
    return [None] * len(entries)


def _ask(db: sqlite3.Connection, entries: Sequence[Asking]) -> list[Grant]:
    return [_grant(db, asking) for asking in entries]


def _grant(db: sqlite3.Connection, asking: Asking) -> Grant:
    now, wanted = asking.now, asking.wanted
    ats = {rate: rate.sane(_at(db, asking.site, asking.source, rate.kind), now) for rate in asking.rates}
    if wanted > 0:
        wanted = min([rate.grants(at, now, wanted) for rate, at in ats.items()], default=wanted)
        if not wanted:
            wait, rate = max(((rate.wait(at, now), rate) for rate, at in ats.items()), key=lambda each: each[0])
            return Grant(0, wait, rate)
    for rate, at in ats.items():
        db.execute(_TOKENS, (asking.site, asking.source, rate.kind, rate.taken(at, now, wanted)))
    return Grant(wanted)


def _at(db: sqlite3.Connection, site: str, source: str, kind: str) -> float:
    row = db.execute(_AT, (site, source, kind)).fetchone()
    return float(row[0]) if row else 0.0


def _save(db: sqlite3.Connection, entries: Sequence[tuple[dict[tuple[str, str], float], float]]) -> list[None]:
    for windows, now in entries:
        db.executemany(_PACE, [(site, source, window, now) for (site, source), window in windows.items()])
        db.execute("DELETE FROM paces WHERE at <= ?", (now - KEPT,))
        db.execute(_FORGET, (now - max(AGAIN, LIMITED),))
    return [None] * len(entries)
