"""The SQLite spool: what a registration with a key costs does not grow with what waits under that key; and what it
leaves as it is."""

import sqlite3
from pathlib import Path

from spool_parts import NOW, claim, letter, put, waiting_ids

from hedwig.options import Options
from hedwig.spool import NewMessage, intake
from hedwig.spool.schema import connect_writer
from hedwig.spool.sqlite import open_spool


def keyed(to: str, at: float) -> NewMessage:
    return letter(to, accepted_at=at, options=Options(supersede="the one key"))


def steps_of(db: sqlite3.Connection, *letters: NewMessage) -> int:
    """Tens of steps of SQLite's machine that their registration takes."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    db.set_progress_handler(count, 10)
    db.execute("BEGIN IMMEDIATE")
    intake.register(db, letters, NOW)
    db.execute("COMMIT")
    db.set_progress_handler(None, 0)
    return steps


def test_ten_thousand_wait_under_one_key(tmp_path: Path) -> None:
    """Each for another recipient: the next one, and one that supersedes the first of them, cost what they cost with a
    hundred waiting."""
    path = str(tmp_path / "spool.db")
    spool = open_spool(path, clock=lambda: NOW)
    db = connect_writer(path)
    costs = []
    for waiting in (100, 10_000):
        there = len(waiting_ids(spool))
        for start in range(there, waiting, 100):
            put(spool, *[keyed(f"r{number}@d{number % 7}.example", NOW) for number in range(start, start + 100)])
        fresh = keyed(f"fresh{waiting}@d1.example", NOW)
        costs.append((steps_of(db, fresh), steps_of(db, keyed(f"r{there}@d{there % 7}.example", NOW + 1))))
    assert len(waiting_ids(spool)) == 10_002
    db.close()
    spool.close()
    (fresh_few, newer_few), (fresh_many, newer_many) = costs
    assert fresh_many <= 1.3 * fresh_few and newer_many <= 1.3 * newer_few, costs  # a B-tree grows a level


def test_one_recipient_a_thousand_times(tmp_path: Path) -> None:
    """Each version ends the one before: what waits is one message, and the last costs what the second cost."""
    path = str(tmp_path / "spool.db")
    spool = open_spool(path, clock=lambda: NOW)
    db = connect_writer(path)
    put(spool, keyed("a@x.example", NOW))
    second = steps_of(db, keyed("a@x.example", NOW + 1))
    for start in range(2, 1002, 50):
        put(spool, *[keyed("a@x.example", NOW + number) for number in range(start, start + 50)])
    assert steps_of(db, keyed("a@x.example", NOW + 2000)) <= 1.3 * second
    assert len(waiting_ids(spool)) == 1
    db.close()
    spool.close()


def test_a_delivery_that_is_held_as_a_whole_stays_held(tmp_path: Path) -> None:
    """Where a client is paused its deliveries are held, and their recipients say nothing of it."""
    path = str(tmp_path / "spool.db")
    spool = open_spool(path, clock=lambda: NOW)
    [number] = put(spool, letter("a@x.example", "b@x.example", options=Options(supersede="k"), accepted_at=NOW))
    db = connect_writer(path)
    db.execute("UPDATE deliveries SET state = 'held'")
    db.close()
    put(spool, letter("a@x.example", options=Options(supersede="k"), accepted_at=NOW + 1))
    assert len(waiting_ids(spool)) == 2
    assert claim(spool, [number]) == []
    spool.close()
