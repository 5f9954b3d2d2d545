"""Bodies over 1 MiB in the SQLite spool: written ahead of their message, and never another message's rubbish (I1)."""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from spool_parts import NOW, Pieces, claim, letter, numbers, put, waiting_ids

from hedwig.spool import SpoolTrouble, chores
from hedwig.spool.intake import LongIntake
from hedwig.spool.schema import connect_writer
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.spool.turn import Turn

WITHIN = 20.0


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "spool.db")


@pytest.fixture
def spool(path: str) -> Iterator[SqliteSpool]:
    made = open_spool(path, clock=lambda: NOW)
    yield made
    made.close()


class Halting(Pieces):
    """A body that says when it is half read, and goes on when it is told to. (Its first reader makes the digest.)"""

    def __init__(self, size: int) -> None:
        super().__init__(size, 1 << 20)
        self.half_read = threading.Event()
        self.go_on = threading.Event()
        self._readings = 0

    def pieces(self) -> Iterable[bytes]:
        self._readings += 1
        for number, piece in enumerate(super().pieces()):
            if number == 3 and self._readings > 1:
                self.half_read.set()
                assert self.go_on.wait(WITHIN)
            yield piece


def sweep_all(path: str) -> None:
    """The housekeeping of a long time."""
    with closing(connect_writer(path)) as db:
        more = True
        while more:
            db.execute("BEGIN IMMEDIATE")
            more = chores.step(db, path, NOW)
            db.execute("COMMIT")


def test_a_beginning_that_was_rolled_back_harms_nobody_else(
    path: str, spool: SqliteSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for a moment: one letter fails in its first step, and the next one gets its number. What the
    first one says of its own body must not be about the other's."""
    put(spool, letter())
    unlucky, lucky = letter(body=Pieces(3 << 20)), letter(body=Halting(4 << 20))
    begin = LongIntake._begin

    def full_for_one(self: LongIntake, db: sqlite3.Connection, entries: list[Any]) -> Any:
        began = begin(self, db, entries)
        if self._messages[0] is unlucky:
            full = sqlite3.OperationalError("database or disk is full")
            full.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise full
        return began

    monkeypatch.setattr(LongIntake, "_begin", full_for_one)
    with Turn(path):  # so that both begin in one transaction, which fails, and then each in one of its own
        bad, good = spool.register([unlucky]), spool.register([lucky])
        deadline = time.monotonic() + WITHIN
        while spool._writer is None or spool._writer._jobs.qsize() < 1:  # the first one is in the writer's hand
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert isinstance(bad.exception(WITHIN), SpoolTrouble)
    assert isinstance(lucky.body, Halting) and lucky.body.half_read.wait(WITHIN)
    put(spool, letter())  # after all that the failure had to say
    sweep_all(path)
    lucky.body.go_on.set()
    [got] = claim(spool, numbers(good.result(WITHIN)))
    assert b"".join(spool.body(got.message)) == b"".join(lucky.body.pieces())
    assert unlucky.queue_id not in waiting_ids(spool)


@pytest.mark.parametrize(
    "harm", ["UPDATE leftovers SET live = 0", "DELETE FROM leftovers", "DELETE FROM bodies WHERE chunk & 1023 = 0"]
)
def test_no_message_without_its_whole_body(path: str, spool: SqliteSpool, harm: str) -> None:
    """Whatever took a part of it or called it rubbish: nothing is accepted that could not be sent (I1)."""
    one = letter(body=Halting(4 << 20))
    accepted = spool.register([one])
    assert isinstance(one.body, Halting) and one.body.half_read.wait(WITHIN)
    with closing(connect_writer(path)) as db:
        db.execute(harm)
    one.body.go_on.set()
    assert "send it again" in str(accepted.exception(WITHIN))
    assert waiting_ids(spool) == []
    assert len(put(spool, one)) == 1, "sent again it is accepted"
