"""How SQLite answers the operator's questions: along which indexes, and in how few steps (listing.py, sites.py).

No clock is asked. EXPLAIN QUERY PLAN tells what is walked, and SQLite's own steps are counted.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from spool_parts import NOW, claim, deferred, held, letter, put, settle

from hedwig.spool import State, listing, sites
from hedwig.spool.listing import START
from hedwig.spool.operate import Filter
from hedwig.spool.schema import connect_reader
from hedwig.spool.sqlite import open_spool

LETTERS = 3000
BIG, SMALL = "big.example", "small.example"
STEP = 10  # of SQLite's steps, between two looks


def fill(path: Path, letters: int) -> str:
    """Nearly all of it to one site; a few letters to another, some of which are deferred, held or being sent."""
    spool = open_spool(str(path))
    for start in range(0, letters, 250):
        numbers = range(start, min(start + 250, letters))
        put(spool, *[letter(f"u{n}@{BIG}", mailfrom=f"s{n}@host.example", accepted_at=NOW + n) for n in numbers])
    few = put(spool, *[letter(f"u{n}@{SMALL}", client="other.example", accepted_at=NOW + letters) for n in range(8)])
    got = claim(spool, few[:6])
    settle(spool, got[0], deferred())
    settle(spool, got[1], held())
    spool.close()
    return str(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fill(tmp_path_factory.mktemp("plans") / "spool.db", LETTERS)


@pytest.fixture
def db(path: str) -> Iterator[sqlite3.Connection]:
    opened = connect_reader(path)
    yield opened
    opened.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site with more than a hundred deliveries is large already."""
    monkeypatch.setattr(listing, "FEW", 100)


def plans(db: sqlite3.Connection, ask: Callable[[sqlite3.Connection], Any]) -> list[str]:
    """How SQLite goes about each query that is asked, a line for each table."""
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    ask(db)
    db.set_trace_callback(None)
    return [line for query in asked for *_, line in db.execute(f"EXPLAIN QUERY PLAN {query}")]


def steps(db: sqlite3.Connection, ask: Callable[[sqlite3.Connection], Any]) -> int:
    """How many steps SQLite takes for it, roughly."""
    counted = [0]

    def look() -> int:
        counted[0] += STEP
        return 0

    db.set_progress_handler(look, STEP)
    ask(db)
    db.set_progress_handler(None, STEP)
    return counted[0]


def page(**wanted: Any) -> Callable[[sqlite3.Connection], Any]:
    return lambda db: listing.page(db, Filter(**wanted), 100, START)


FOUND_BY_INDEX: list[dict[str, Any]] = [
    {"ids": ("0" * 26,)},
    {"site": SMALL},
    {"site": "nowhere.example"},
    {"rcpt": f"@{SMALL}"},
    {"rcpt": f"u1@{SMALL}"},
    {"state": State.ACTIVE},
    {"state": State.HELD},
    {"state": State.PAUSED},
    {"site": SMALL, "client": "host.example", "state": State.READY, "reply": "grey", "accepted": NOW},
]
WALKS_ONE_TABLE: list[dict[str, Any]] = [
    {"client": "nowhere.example"},
    {"sender": "nobody@host.example"},
    {"sender": "@nowhere.example"},
    {"accepted": NOW - 1},
    {"rcpt": f"nobody@{BIG}"},
    {"reply": "no such words"},
    {"site": BIG, "sender": "nobody@host.example"},
    {"site": BIG, "reply": "no such words"},
    {"client": "nowhere.example", "reply": "grey"},
    {"client": "other.example", "state": State.HELD},
    {"state": State.DEFERRED, "sender": "nobody@host.example"},
]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "wanted", [{}, *FOUND_BY_INDEX, *WALKS_ONE_TABLE, {"site": BIG}, {"state": State.READY}], ids=str
)
def test_deliveries_are_walked_only_where_all_of_them_or_a_large_site_is_meant(
    db: sqlite3.Connection, wanted: dict[str, Any]
) -> None:
    """And then without sorting, so that the walk ends with the page. Nothing else walks two tables."""
    lines = plans(db, page(**wanted))
    walked = [line for line in lines if line.startswith("SCAN") and line[5:].split()[0] in ("d", "m", "r")]
    assert ("SCAN d" in lines) == (wanted in ({}, {"site": BIG}))
    assert len(walked) <= 2, lines
    if wanted in ({}, {"site": BIG}, {"state": State.READY}):
        assert not any("TEMP B-TREE" in line for line in lines)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("wanted", FOUND_BY_INDEX, ids=str)
def test_what_an_index_finds_takes_no_longer_in_a_long_queue(
    db: sqlite3.Connection, tmp_path: Path, wanted: dict[str, Any]
) -> None:
    """As many steps as in a queue of a tenth."""
    short = connect_reader(fill(tmp_path / "spool.db", LETTERS // 10))
    assert steps(db, page(**wanted)) <= 1.1 * steps(short, page(**wanted)) + 100
    short.close()


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("wanted", WALKS_ONE_TABLE, ids=str)
def test_a_walk_in_vain_looks_at_one_table(db: sqlite3.Connection, wanted: dict[str, Any]) -> None:
    """A dozen steps a row: nothing is looked up for rows that don't fit."""
    assert steps(db, page(**wanted)) <= 12 * LETTERS


def test_where_the_backlog_lies_is_counted_along_one_index(db: sqlite3.Connection) -> None:
    """A few steps for each delivery, and none for those of a site that is not shown."""
    assert "SCAN deliveries" not in plans(db, sites.counts)
    assert steps(db, sites.counts) <= 6 * LETTERS
    counts = sites.counts(db)
    assert (counts.waiting[BIG], counts.waiting[SMALL], counts.active[SMALL], counts.held[SMALL]) == (LETTERS, 3, 4, 1)


def test_a_later_page_begins_where_the_last_one_ended(db: sqlite3.Connection) -> None:
    """By a seek: it takes no more steps than the first."""
    _, place = listing.page(db, Filter(), LETTERS - 200)
    assert place is not None
    assert steps(db, lambda db: listing.page(db, Filter(), 100, place)) <= 1.2 * steps(db, page()) + 100
