"""Long looks at the queue in two halves, side by side (abreast.py): the same answer as in one, and no work in vain."""

import itertools
import sqlite3
import time
from typing import Any

import pytest
from spool_parts import NOW, claim, deferred, held, letter, put, settle

from hedwig.spool import abreast, listing, sites
from hedwig.spool.operate import Filter
from hedwig.spool.schema import connect_reader
from hedwig.spool.words import SpoolTrouble


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty rows are many already."""
    monkeypatch.setattr(abreast, "MANY", 20)


def filled(spool: Any) -> None:
    """Forty letters to five sites, of two clients; some deferred, held and active."""
    letters = [
        letter(f"u{n}@{'abcde'[n % 5]}.example", client=("one.example", "two.example")[n % 2], accepted_at=NOW + n)
        for n in range(40)
    ]
    for n, got in enumerate(claim(spool, put(spool, *letters)[::3])):
        if n % 3:
            settle(spool, got, deferred() if n % 3 == 1 else held())


WANTED: list[dict[str, Any]] = [
    {"reply": "greylisted"},
    {"reply": "no such words"},
    {"rcpt": "u39@e.example"},
    {"client": "two.example"},
    {"client": "nowhere.example"},
    {"sender": "@host.example"},
]


@pytest.mark.parametrize(("wanted", "limit"), itertools.product(WANTED, (1, 3, 100)), ids=str)
def test_a_page_is_the_same(
    spool: Any, desk: Any, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any], limit: int
) -> None:
    """In its order, with the same place behind it, whether the first half fills it or not."""
    filled(spool)
    monkeypatch.setattr(listing, "FEW", 1)
    early = [row for row in desk.listed(Filter(**wanted), 100)[0] if int(row.rcptto[1:].split("@")[0]) < 19]
    whole = desk.listed(Filter(**wanted), limit)
    monkeypatch.setattr(abreast, "MANY", 20)
    asked: list[int] = []
    monkeypatch.setattr(abreast.Beside, "answer", lambda self: asked.append(1) or answer(self))
    assert desk.listed(Filter(**wanted), limit) == whole
    assert bool(asked) == (len(early) <= limit), "the second half only where the first is not enough"


answer = abreast.Beside.answer


def test_where_the_backlog_lies_is_the_same(spool: Any, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each site counts in one half alone."""
    filled(spool)
    whole = desk.backlog(20, NOW)
    monkeypatch.setattr(abreast, "MANY", 20)
    splits: list[str] = []
    monkeypatch.setattr(sites, "_split", lambda db: splits.append(split(db)) or splits[-1])
    assert desk.backlog(20, NOW) == whole
    assert splits == ["c.example"], "the middle one of five"


split = sites._split


@pytest.mark.usefixtures("many")
def test_what_goes_wrong_in_the_second_half_is_told(spool: Any, desk: Any) -> None:
    """As if it had gone wrong in one piece."""
    filled(spool)

    def fail(db: sqlite3.Connection) -> None:
        db.execute("SELECT * FROM nowhere")

    with pytest.raises(SpoolTrouble, match="nowhere"):
        desk._read(lambda db: abreast.Beside(db, fail).answer())


def test_a_second_half_is_given_up_at_once(spool: Any, desk: Any) -> None:
    """While it works for ever, and before it begins."""
    filled(spool)
    forever = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    began: list[sqlite3.Connection] = []

    def endless(db: sqlite3.Connection) -> Any:
        began.append(db)
        return db.execute(forever).fetchone()

    db = connect_reader(desk._path)
    at_work = abreast.Beside(db, endless, 0)
    while not began:
        time.sleep(0.001)
    at_work.give_up()
    abreast.Beside(db, endless, 60).give_up()
    db.close()
    assert len(began) == 1
