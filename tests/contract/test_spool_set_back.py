"""The clock was an hour ahead and is put right: what was put off meanwhile waits no hour longer (setback.py)."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from spool_parts import NOW, Clock, claim, deferred, done, event, letter, put, settle, states

from hedwig.spool import Kind, Pause, State, writer
from hedwig.spool.setback import LOT
from hedwig.spool.sqlite import SqliteSpool, open_spool

HOUR = 3600.0
AHEAD = NOW + HOUR


@pytest.fixture
def clock() -> Clock:
    return Clock(AHEAD)


@pytest.fixture
def spool(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteSpool]:
    """Its chores come twenty times a second."""
    monkeypatch.setattr(writer, "CHORES_EVERY", 0.05)
    made = open_spool(str(tmp_path / "spool.db"), clock=clock)
    yield made
    made.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def put_off(spool: SqliteSpool, count: int, due: float) -> list[int]:
    """Letters that are deferred to `due`."""
    accepted = put(spool, *[letter(accepted_at=AHEAD) for _ in range(count)])
    for one in claim(spool, accepted, now=AHEAD):
        settle(spool, one, deferred(due=due))
    return accepted


def test_what_was_put_off(spool: SqliteSpool, clock: Clock) -> None:
    """Due in 6 minutes by the old clock is due in 6 minutes by the new one; long due is due at once. In lots."""
    soon = put_off(spool, LOT + 50, AHEAD + 360)
    past = put_off(spool, 3, AHEAD - 60)
    clock.now = NOW
    until(lambda: len(spool.preview(soon, NOW + 360)) == len(soon))
    assert spool.preview(soon, NOW + 330) == []
    until(lambda: len(spool.due("dest.example", NOW, 1000)) == len(past))
    clock.now = NOW - 20  # a small step: nothing happens
    time.sleep(0.2)
    assert spool.preview(soon, NOW + 330) == []


def test_what_is_claimed(spool: SqliteSpool, clock: Clock) -> None:
    """Its recipients that are in the claim are told from the one that is not, as before: by the dot mark of a dead
    worker they are in doubt, and it is not."""
    two = letter("in@dest.example", "out@dest.example", accepted_at=AHEAD)
    accepted = put(spool, two)
    [first] = claim(spool, accepted, now=AHEAD)
    settle(spool, first, deferred(0, due=AHEAD + 10), deferred(1, due=AHEAD + 900))
    [again] = claim(spool, accepted, now=AHEAD + 20)
    assert [recipient.address for recipient in again.recipients] == ["in@dest.example"]
    clock.now = NOW + 30
    until(lambda: states(spool, two.queue_id)["out@dest.example"][2] < NOW + 960)
    spool.free("host/1", lambda *_: True, NOW + 30, 300.0).result(10)
    state = states(spool, two.queue_id)
    assert state["in@dest.example"] == (State.DEFERRED, 2, NOW + 330)
    assert state["out@dest.example"] == (State.DEFERRED, 1, pytest.approx(NOW + 930, abs=20))
    assert [line.rcptto for line in spool.history(two.queue_id) if line.kind is Kind.IN_DOUBT] == ["in@dest.example"]


def test_a_claim_goes_on(spool: SqliteSpool, clock: Clock) -> None:
    """Its holder settles as if nothing had been (I12)."""
    [held] = claim(spool, put(spool, letter(accepted_at=AHEAD)), now=AHEAD)
    waiting = put_off(spool, 1, AHEAD + 360)
    clock.now = NOW
    until(lambda: len(spool.preview(waiting, NOW + 360)) == 1)
    assert settle(spool, held, done()).held_token


def test_pauses(spool: SqliteSpool, clock: Clock) -> None:
    """A site that cools for a minute doesn't cool for an hour."""
    claim(spool, [], now=AHEAD, pauses=[Pause("dest.example", AHEAD, AHEAD + 60, "connection refused")])
    clock.now = NOW
    until(lambda: [pause.until for pause in spool.pauses(NOW)] == [pytest.approx(NOW + 60, abs=20)])


def test_who_only_works_with_the_spool_mends_nothing(tmp_path: Path, clock: Clock, spool: SqliteSpool) -> None:
    """Each worker would mend once more."""
    waiting = put_off(spool, 1, AHEAD + 360)
    worker = open_spool(str(tmp_path / "spool.db"), create=False, clock=clock)
    put(worker, letter(accepted_at=AHEAD))
    spool.close()
    clock.now = NOW
    time.sleep(0.3)
    assert worker.preview(waiting, NOW + 360) == []
    worker.close()


def test_forward(spool: SqliteSpool, clock: Clock) -> None:
    """What was put off is tried early, once; no due time is changed."""
    one = letter(accepted_at=AHEAD)
    [held] = claim(spool, put(spool, one), now=AHEAD)
    settle(spool, held, deferred(due=AHEAD + 360))
    clock.now = AHEAD + HOUR
    time.sleep(0.2)
    assert states(spool, one.queue_id)["b@dest.example"][2] == AHEAD + 360


def test_the_history_reads_as_it_happened(spool: SqliteSpool, clock: Clock) -> None:
    """What came after the step, an hour earlier by the clock, is told after what came before it."""
    one = letter(accepted_at=AHEAD)
    [held] = claim(spool, put(spool, one), now=AHEAD)
    settle(spool, held, deferred(due=AHEAD), events=(event(Kind.DEFERRED, AHEAD),))
    clock.now = NOW
    [held] = claim(spool, [held.delivery], now=AHEAD)
    settle(spool, held, done(), events=(event(Kind.DELIVERED, NOW),))
    until(lambda: len(spool.history(one.queue_id)) == 3)
    told = [line.kind for line in spool.history(one.queue_id)]
    assert told == [Kind.ACCEPTED, Kind.DEFERRED, Kind.DELIVERED]


def test_a_new_spool_beside_an_old_history(tmp_path: Path, spool: SqliteSpool, clock: Clock) -> None:
    """The old spool was damaged and moved away: what happens in the new one is kept beside what happened before."""
    before = letter()
    put(spool, before)
    until(lambda: any(Path(f"{tmp_path}/spool.db.history").glob("*.db")))
    spool.close()
    for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    again = open_spool(str(tmp_path / "spool.db"), clock=clock)
    after = letter()
    put(again, after)
    db = sqlite3.connect(tmp_path / "spool.db")
    until(lambda: db.execute("SELECT count(*) FROM happened").fetchone() == (0,))
    db.close()
    assert [len(again.history(one.queue_id)) for one in (before, after)] == [1, 1]
    again.close()
