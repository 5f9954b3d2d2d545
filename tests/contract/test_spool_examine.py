"""A damaged spool is found before it is used; what a power cut or a killed process leaves is none."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from spool_parts import NOW, child, letter, put, waiting_ids

from hedwig.spool.desk import open_desk
from hedwig.spool.examine import examined
from hedwig.spool.operate import Pausing, StopKind
from hedwig.spool.salvage import salvage
from hedwig.spool.sqlite import open_spool
from hedwig.spool.tidy import tidy
from hedwig.spool.trouble import Damaged
from hedwig.spool.wal import read_log

COMMITS = 30
_FRAME = 4096 + 24


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a spool whose process was killed: COMMITS letters, all in the log."""
    path = tmp_path_factory.mktemp("killed") / "spool.db"
    spool = open_spool(str(path))
    for number in range(COMMITS):
        put(spool, letter(f"u{number}@dest.example", content=b"Subject: x\r\n\r\n" + b"x" * 5000 + b"\r\n"))
    copy = tmp_path_factory.mktemp("copy")
    for part in ("", "-wal", "-shm"):
        shutil.copy(f"{path}{part}", copy)
    spool.close()
    return copy


@pytest.fixture
def path(killed: Path, tmp_path: Path) -> str:
    shutil.copytree(killed, tmp_path / "spool")
    return str(tmp_path / "spool" / "spool.db")


def change(path: str, part: str, how: Callable[[bytearray], object]) -> None:
    file = Path(f"{path}{part}")
    octets = bytearray(file.read_bytes())
    how(octets)
    file.write_bytes(octets)


def flip(place: int) -> Callable[[bytearray], object]:
    def how(octets: bytearray) -> None:
        octets[place] ^= 0x55

    return how


def frame(number: int) -> int:
    """A place in the content of a frame of the log."""
    return 32 + number * _FRAME + 24 + 2000


def cut(size: int) -> Callable[[bytearray], object]:
    def how(octets: bytearray) -> None:
        del octets[size:]

    return how


def count(path: str) -> int:
    spool = open_spool(path)
    ids = waiting_ids(spool)
    spool.close()
    return len(ids)


def test_a_killed_process_leaves_no_damage(path: str) -> None:
    """With its index of the log, and without, as after a power cut."""
    examined(path, create=True)
    assert count(path) == COMMITS


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("number", [0, 3, 40])
def test_the_log_is_broken_in_its_middle(path: str, number: int, index: bool) -> None:
    """SQLite would take what is before that, and drop the commits behind it without a word."""
    if not index:
        os.unlink(f"{path}-shm")
    change(path, "-wal", flip(frame(number)))
    with pytest.raises(
        Damaged, match=rf"spool.db-wal is damaged at frame {number + 1}; \d+ or more commits lie behind"
    ):
        examined(path, create=True)
    salvage(path, to_postoffice=False, now=NOW)
    assert count(path) == COMMITS


def test_the_beginning_of_the_log_is_broken(path: str) -> None:
    """SQLite would drop all of it."""
    change(path, "-wal", flip(9))
    with pytest.raises(Damaged, match=r"the beginning of spool\.db-wal is damaged"):
        examined(path, create=True)


def test_a_log_that_was_torn_by_a_power_cut(path: str) -> None:
    """Its last transaction was never promised to anybody: no damage. (The index doesn't outlive a power cut.)"""
    os.unlink(f"{path}-shm")
    log = read_log(path)
    change(path, "-wal", flip(frame(len(log.frames) - 1)))
    examined(path, create=True)
    assert count(path) == COMMITS - 1


def test_a_log_that_was_cut_off(path: str) -> None:
    """The index of a process that was killed knows of more."""
    change(path, "-wal", cut(frame(20)))
    with pytest.raises(Damaged, match=r"spool.db-wal lacks \d+ of \d+ frames that were committed"):
        examined(path, create=True)


def test_a_log_that_is_gone(path: str) -> None:
    os.unlink(f"{path}-wal")
    with pytest.raises(Damaged, match=r"spool.db-wal lacks \d+ of \d+ frames that were committed"):
        examined(path, create=True)


def test_a_log_of_zeros(path: str) -> None:
    """Made, and never synced before the power went: nothing in it was promised."""
    os.unlink(f"{path}-shm")
    change(path, "-wal", lambda octets: octets.__setitem__(slice(None), bytes(len(octets))))
    examined(path, create=True)
    assert count(path) == 0


def test_the_file_is_gone(path: str) -> None:
    """And its log is there, which holds all the mail: no new spool is begun beside it."""
    os.unlink(path)
    with pytest.raises(Damaged, match=r"it is gone, but its log spool\.db-wal is there"):
        examined(path, create=True)
    salvage(path, to_postoffice=False, now=NOW)
    assert count(path) == COMMITS


def test_the_file_is_empty(path: str) -> None:
    """As some repairs of file systems leave it."""
    for part in ("-wal", "-shm"):
        os.unlink(f"{path}{part}")
    change(path, "", cut(0))
    examined(path, create=True)  # a start that was broken off in its first moment
    Path(f"{path}.history").mkdir()
    Path(f"{path}.history/2026-11-24.db").touch()
    change(path, "", cut(0))
    for part in ("-wal", "-shm"):
        Path(f"{path}{part}").unlink(missing_ok=True)
    with pytest.raises(Damaged, match="it is empty, but there was mail in it"):
        examined(path, create=True)


@pytest.mark.parametrize("seed", range(5))
def test_a_page_is_overwritten(path: str, seed: int) -> None:
    """Whichever of those that hold the tables together."""
    count(path)
    dice = random.Random(seed)
    page = dice.choice([*range(2, 12)])
    change(path, "", lambda octets: octets.__setitem__(slice(page * 4096, page * 4096 + 4096), dice.randbytes(4096)))
    with pytest.raises(Damaged, match=r"is damaged, or no spool at all.* run `hedwig spool salvage`"):
        examined(path, create=True)


def test_the_file_was_cut_off(path: str) -> None:
    count(path)
    change(path, "", cut(os.stat(path).st_size // 2))
    with pytest.raises(Damaged):
        examined(path, create=True)


def test_a_spool_that_is_in_use_is_not_looked_at(path: str) -> None:
    """Its log grows meanwhile, and who uses it has looked."""
    holder = child("hold", path)
    assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
    Path(f"{path}-wal").write_bytes(Path(f"{path}-wal").read_bytes()[:100])
    examined(path, create=False)
    holder.kill()
    holder.wait()
    with pytest.raises(Damaged):
        examined(path, create=False)


def test_somebody_elses_file_beside_is_none_of_ours(tmp_path: Path) -> None:
    """A database in which nothing is wrong but that it is no spool keeps its sentence."""
    path = tmp_path / "spool.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE precious (x)")
    db.close()
    with pytest.raises(Exception, match="but not a spool"):
        examined(str(path), create=True)


@pytest.mark.parametrize("look", ["desk", "tidy"])
def test_no_command_opens_a_spool_whose_log_is_damaged(path: str, look: str) -> None:
    """SQLite would drop what lies behind the damage, and nothing would tell of it. Salvage still finds every letter."""
    change(path, "-wal", flip(frame(20)))
    before = Path(f"{path}-wal").read_bytes()
    with pytest.raises(Damaged, match="spool salvage"):
        open_desk(path) if look == "desk" else tidy(path)
    assert Path(f"{path}-wal").read_bytes() == before
    salvage(path, to_postoffice=False, now=NOW)
    assert count(path) >= COMMITS - 1


def test_no_command_writes_into_a_damaged_file(path: str) -> None:
    """Its daemon refuses it, and so do acts of the operator and the daily tidying."""
    open_spool(path).close()
    with closing(sqlite3.connect(path)) as db:
        [page] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'seen_by_name'").fetchone()
    change(path, "", lambda octets: [flip(place)(octets) for place in range((page - 1) * 4096, page * 4096)])
    with pytest.raises(Damaged):
        tidy(path)
    with closing(open_desk(path)) as desk, pytest.raises(Damaged):
        desk.pause(Pausing(StopKind.SITE, "dest.example", NOW, "root"))
