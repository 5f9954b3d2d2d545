"""The spool on a disk that becomes full: new mail stops in time, and what is there comes to its end all the same."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hedwig import queueid
from hedwig.envelope import Envelope
from hedwig.spool import Bytes, Claim, NewMessage, RecipientResult, Settlement, SpoolFull, State
from hedwig.spool.reserve import SETTLED, Reserve
from hedwig.spool.sqlite import SqliteSpool, open_spool

from .disk import Disk

MIB = 1 << 20
NOW = 1_700_000_000.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """32 MiB, so the reserve has 2."""
    made = Disk(tmp_path, 32 * MIB)
    yield made
    made.close()


def old(path: Path) -> Reserve:
    """The reserve of a process that has run for a while."""
    times = iter([0.0, SETTLED])
    return Reserve(str(path), lambda: next(times, SETTLED))


def letter(size: int = 1000) -> NewMessage:
    envelope = Envelope("a@example.org", ("b@example.com",))
    body = Bytes(b"x" * size)
    return NewMessage(
        queueid.new(), "c.example", envelope, body, b"d" * 32, NOW, NOW + 9e9, {"example.com": envelope.rcpttos}
    )


def put(spool: SqliteSpool, count: int, size: int = 1000) -> list[int]:
    answers = spool.register([letter(size) for _ in range(count)]).result(30)
    return [waiting.delivery for answer in answers for waiting in answer.deliveries]


def end(spool: SqliteSpool, claims: list[Claim]) -> None:
    results = (RecipientResult(0, State.DONE, "250 ok"),)
    spool.settle([Settlement(claim.delivery, claim.token, results) for claim in claims]).result(30)


def test_new_mail_stops_while_there_is_room_for_outcomes(disk: Disk) -> None:
    """SpoolFull with less than the reserve's size left, counting the letter itself; nothing of the letter is kept."""
    spool = open_spool(str(disk.folder / "spool.db"))
    put(spool, 1)
    disk.fill(leave=3 * MIB)
    put(spool, 1)
    with pytest.raises(SpoolFull, match=r"the disk under .* is full \(2 MiB are left.*free some space"):
        put(spool, 1, size=MIB * 3 // 2)
    disk.fill(leave=2 * MIB - 4096)
    with pytest.raises(SpoolFull):
        put(spool, 1)
    assert spool.depth() == 2
    disk.free()
    put(spool, 1)
    spool.close()


def test_the_reserve_is_kept_spent_and_kept_again(disk: Disk) -> None:
    """Not in a process's first seconds, nor where it would take the last room; and it is really allocated."""
    file = disk.folder / "spool.db.reserve"
    Reserve(str(disk.folder / "spool.db"), lambda: 0.0).keep()
    assert not file.exists()
    disk.fill(leave=3 * MIB)
    old(disk.folder / "spool.db").keep()
    assert not file.exists()
    disk.free()
    before = disk.left
    reserve = old(disk.folder / "spool.db")
    reserve.keep()
    assert before - disk.left >= 2 * MIB
    assert reserve.spend() and not reserve.spend()
    assert disk.left == before
    reserve.keep()
    assert file.stat().st_size == 2 * MIB


def ways() -> list[Callable[[SqliteSpool, list[int]], None]]:
    def settle(spool: SqliteSpool, deliveries: list[int]) -> None:
        end(spool, spool.claim(deliveries[:1], "host/2", NOW).result(30))

    def free(spool: SqliteSpool, deliveries: list[int]) -> None:
        assert spool.free("host/1", lambda delivery, token: True, NOW, 60.0).result(30)

    return [settle, free]


@pytest.mark.parametrize("way", ways(), ids=["settle", "free"])
def test_the_last_octet_is_gone(disk: Disk, way: Callable[[SqliteSpool, list[int]], None]) -> None:
    """A spool that has just begun has nothing to reuse: without the reserve its outcomes find no room, with it they do,
    and new mail doesn't get what it gave up."""
    path = disk.folder / "spool.db"
    spool = open_spool(str(path))
    deliveries = put(spool, 50)
    spool.claim(deliveries[25:], "host/1", NOW).result(30)
    disk.fill()
    with pytest.raises(SpoolFull):
        way(spool, deliveries)
    disk.free()
    old(path).keep()
    disk.fill()
    way(spool, deliveries)
    assert not path.with_name("spool.db.reserve").exists()
    with pytest.raises(SpoolFull):
        put(spool, 1)
    spool.close()


def test_the_wal_begins_anew(disk: Disk) -> None:
    """A thousand claims and outcomes on a full disk, without a reserve: what was written is moved into the file, whose
    empty pages take it, and the WAL's octets serve again."""
    spool = open_spool(str(disk.folder / "spool.db"))
    first, deliveries = put(spool, 200), put(spool, 1000)
    end(spool, spool.claim(first, "host/1", NOW, load_up_to=0).result(30))
    with closing(sqlite3.connect(disk.folder / "spool.db")) as db:  # as the checkpointer does, every few MiB
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    disk.fill()
    for start in range(0, 1000, 20):
        end(spool, spool.claim(deliveries[start : start + 20], "host/1", NOW, load_up_to=0).result(30))
    assert spool.depth() == 0
    spool.close()
