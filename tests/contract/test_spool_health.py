"""A spool that is found damaged while it is in use takes nothing more; one that only seemed so goes on."""

import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spool_parts import NOW, claim, done, letter, put, settle

from hedwig.spool import SpoolTrouble
from hedwig.spool.job import Job
from hedwig.spool.sqlite import open_spool
from hedwig.spool.trouble import Damaged


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refuses(work: Callable[[], object]) -> bool:
    try:
        work()
    except Damaged:
        return True
    return False


def test_damage_that_is_confirmed(tmp_path: Path) -> None:
    """Not only who comes upon the broken page is refused: all new mail and all claims are. Outcomes are still tried."""
    path = tmp_path / "spool.db"
    spool = open_spool(str(path))
    first, second = put(spool, letter("a@x.example")), put(spool, letter("b@y.example"))
    spool.close()
    db = sqlite3.connect(path)
    [page] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'seen_by_name'").fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(random.Random(1).randbytes(4096))
    spool = open_spool(str(path))
    [held] = claim(spool, first)
    with pytest.raises(SpoolTrouble):
        put(spool, letter())
    until(lambda: refuses(lambda: claim(spool, second)))
    assert refuses(lambda: put(spool, letter()))
    assert settle(spool, held, done()).held_token
    spool.close()


class Malformed(sqlite3.DatabaseError):
    """As SQLite says it, also where the disk could not be read for a moment."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def test_damage_that_is_none(tmp_path: Path) -> None:
    """It is looked at, nothing is found, and the next letter is taken."""
    spool = open_spool(str(tmp_path / "spool.db"))

    def broken(db: sqlite3.Connection, entries: list[Any]) -> list[Any]:
        raise Malformed("database disk image is malformed")

    for _ in range(3):
        with pytest.raises(Damaged):
            spool.put(Job(broken, [None])).result(10)
        time.sleep(0.2)
        put(spool, letter())
    assert len(claim(spool, [1, 2, 3], now=NOW)) == 3
    spool.close()
