"""Callers that write their own job where nobody else does, beside the thread that writes for all."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from spool_parts import letter

from hedwig.spool import Outcome, SpoolTrouble
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.spool.turn import Turn


@pytest.fixture
def spool(tmp_path: Path) -> SqliteSpool:
    return open_spool(str(tmp_path / "spool.db"))


def idle(spool: SqliteSpool) -> None:
    """Wait until its thread has nothing to do."""
    spool.register([letter()]).result(10)
    assert spool._writer is not None
    while not spool._writer._idle:
        time.sleep(0.001)


def test_it_is_done_when_the_call_returns(spool: SqliteSpool) -> None:
    idle(spool)
    assert spool.register([letter()], here=True).done()
    assert spool.depth() == 2
    spool.close()


def test_many_at_once_lose_nothing_and_share_no_number(spool: SqliteSpool) -> None:
    """Those that find another at work go through the thread."""
    idle(spool)

    def some(number: int) -> list[int]:
        found = []
        for _ in range(40):
            (answer,) = spool.register([letter()], here=number % 3 > 0).result(20)
            assert answer.outcome is Outcome.ACCEPTED
            found.append(answer.deliveries[0].delivery)
        return found

    with ThreadPoolExecutor(8) as pool:
        lots = list(pool.map(some, range(8)))
    assert len({number for lot in lots for number in lot}) == 8 * 40
    assert spool.depth() == 1 + 8 * 40
    assert all(lot == sorted(lot) for lot in lots)
    spool.close()


def test_what_comes_meanwhile_is_the_threads_next_batch(spool: SqliteSpool, tmp_path: Path) -> None:
    idle(spool)
    with Turn(str(tmp_path / "spool.db")) as turn:
        writing = threading.Thread(target=lambda: spool.register([letter()], here=True).result(10))
        writing.start()
        later = [spool.register([letter()]) for _ in range(5)]
        time.sleep(0.05)
        assert writing.is_alive()
        assert not any(each.done() for each in later)
        turn.give()
        assert [each.result(10)[0].outcome for each in later] == [Outcome.ACCEPTED] * 5
    writing.join(10)
    assert spool.depth() == 7
    spool.close()


def test_none_is_begun_once_it_is_closed(spool: SqliteSpool) -> None:
    idle(spool)
    spool.close()
    with pytest.raises(SpoolTrouble, match="closed"):
        spool.register([letter()], here=True).result(0)
