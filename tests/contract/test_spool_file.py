"""The SQLite spool's file: clear refusals, creation by several at once, plans that stay short, rights that fit."""

import os
import sqlite3
import stat
import threading
import time
from pathlib import Path

import pytest
from spool_parts import NOW, Pieces, child, claim, deferred, done, letter, numbers, put, settle, waiting_ids

from hedwig.spool import Settlement, SpoolTrouble, chores, look
from hedwig.spool import claim as claims
from hedwig.spool.schema import SCHEMA, connect_reader, connect_writer
from hedwig.spool.sqlite import open_spool


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "spool.db")


def test_a_missing_folder(tmp_path: Path) -> None:
    """The sentence names the folder and the setting."""
    with pytest.raises(SpoolTrouble, match=r"the folder .*/nowhere does not exist: create it, or correct `spool:`"):
        open_spool(str(tmp_path / "nowhere" / "spool.db"))


def test_a_missing_spool_is_not_made_by_who_only_looks(path: str) -> None:
    """create=False leaves nothing behind."""
    with pytest.raises(SpoolTrouble, match="there is no spool at"):
        open_spool(path, create=False)
    assert list(Path(path).parent.iterdir()) == []


@pytest.mark.parametrize("content", [b"this is no database\n" * 500, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_file(path: str, content: bytes) -> None:
    """Refused, with what to do; and not a byte of it changed."""
    Path(path).write_bytes(content)
    with pytest.raises(
        SpoolTrouble, match="is damaged, or no spool at all: stop hedwig's daemons and run `hedwig spool salvage`"
    ):
        open_spool(path)
    assert Path(path).read_bytes() == content


def test_somebody_elses_database(path: str) -> None:
    """A valid SQLite file that is no spool is not written to."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE precious (x)")
    db.close()
    before = Path(path).read_bytes()
    with pytest.raises(SpoolTrouble, match="but not a spool"):
        open_spool(path)
    assert Path(path).read_bytes() == before


def test_a_newer_schema(path: str) -> None:
    """Refused where the newer release says that older code must not write it; taken where it was only added to."""
    spool = open_spool(path)
    put(spool, letter())
    spool.close()
    db = sqlite3.connect(path)
    db.execute(f"UPDATE meta SET value = {SCHEMA + 1} WHERE name = 'schema'")
    db.commit()
    again = open_spool(path)
    assert len(waiting_ids(again)) == 1
    again.close()
    db.execute(f"UPDATE meta SET value = {SCHEMA + 1} WHERE name = 'oldest'")
    db.commit()
    db.close()
    with pytest.raises(SpoolTrouble, match=r"newer hedwig \(schema \d; this release knows \d\): upgrade hedwig"):
        open_spool(path)


def test_a_newer_schema_under_the_feet(path: str) -> None:
    """Another process was upgraded and has reshaped the spool: nothing new is claimed, what was claimed is settled."""
    spool = open_spool(path)
    [before], later = claim(spool, put(spool, letter())), put(spool, letter())
    db = sqlite3.connect(path)
    db.execute(f"UPDATE meta SET value = {SCHEMA + 1}")
    db.commit()
    db.close()
    with pytest.raises(SpoolTrouble, match="newer hedwig"):
        claim(spool, later)
    settle(spool, before, done())
    assert len(waiting_ids(spool)) == 1
    spool.close()


def test_no_permission(path: str, tmp_path: Path) -> None:
    """Another user's spool: the sentence says whose it must be. (As root, a child of another user tries.)"""
    open_spool(path).close()
    os.chmod(path, 0o600)
    pid = os.fork() if os.geteuid() == 0 else 0
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        return
    if os.geteuid() == 0:
        for folder in (tmp_path, *list(tmp_path.parents)[:-1]):
            if str(folder) != "/tmp":
                os.chmod(folder, 0o755)
        os.setgid(65534)
        os.setuid(65534)
    else:
        os.chmod(path, 0)
    code = 1
    try:
        open_spool(path)
    except SpoolTrouble as error:
        code = 0 if "no permission for" in str(error) else 2
    finally:
        os._exit(code)


def test_several_create_it_at_once(path: str) -> None:
    """One makes it, the others find it whole."""
    racers = [child("create", path) for _ in range(6)]
    for racer in racers:
        assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert [racer.wait(30) for racer in racers] == [0] * 6
    spool = open_spool(path)
    assert len(waiting_ids(spool)) == 6
    spool.close()


def test_creation_that_was_cut_off_is_done_anew(path: str) -> None:
    """A file without tables yet (killed in between) is a new one."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    spool = open_spool(path)
    assert len(put(spool, letter())) == 1
    spool.close()


def test_pragmas(path: str) -> None:
    """WAL and incremental vacuum are in the file; every connection of ours syncs fully and overwrites nothing."""
    open_spool(path).close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    db.close()
    for connect in (connect_reader, connect_writer):
        ours = connect(path)
        assert ours.execute("PRAGMA synchronous").fetchone() == (2,)
        assert ours.execute("PRAGMA secure_delete").fetchone() == (0,)
        ours.close()
    reader = connect_reader(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM messages")
    reader.close()


@pytest.mark.parametrize("many", ["fresh", "deferred"])
def test_the_feeders_questions_are_short(path: str, many: str) -> None:
    """With 10,000 letters waiting for one destination, each question takes a few steps of SQLite's machine, not one
    for each letter."""
    spool = open_spool(path, clock=lambda: NOW)
    due = NOW + 1000
    for _ in range(10):
        accepted = put(spool, *[letter("a@big.example", expires_at=NOW + 10**6) for _ in range(1000)])
        if many == "deferred":
            got = claim(spool, accepted)
            ends = [Settlement(one.delivery, one.token, (deferred(due=due),)) for one in got]
            spool.settle(ends).result(30)
    put(spool, letter("a@small.example", priority=5), letter("a@big.example", priority=5))
    spool.close()
    db = sqlite3.connect(path)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    db.set_progress_handler(count, 100)
    assert {name for name, _ in look.streams(db, NOW, None)} == {"big.example", "small.example"}
    assert look.streams(db, NOW, NOW - 5) == set()
    assert len(look.due(db, "big.example", NOW, 10)) == (10 if many == "fresh" else 1)
    assert look.expired(db, NOW, 10) == []
    assert look.owners(db) == [] and look.pauses(db, NOW) == [] and look.used(db) > 0
    assert len(look.queued(db, "", 10, 0)[0]) == 10
    assert len(claims.preview(db, [1, 10_001, 10_002], NOW)) == (3 if many == "fresh" else 2)
    db.close()
    assert steps < 30, f"{steps * 100} steps for 10,000 letters"


def test_locks_belong_to_the_spools_owner(path: str, tmp_path: Path) -> None:
    """What root's command leaves behind, the daemon's user can open."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
    spool = open_spool(path)
    spool.close()
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    spool = open_spool(path)
    put(spool, letter(), letter(body=Pieces(2 << 20)))
    folder = Path(f"{path}.history")
    deadline = time.monotonic() + 20
    while not list(folder.glob("*.db")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    spool.close()
    owner = os.stat(path).st_uid
    made = [*tmp_path.iterdir(), *folder.iterdir()]
    assert {file.name for file in made} >= {"spool.db", "spool.db.turn", "spool.db.large", "spool.db.historian"}
    assert {file.name: file.stat().st_uid for file in made} == {file.name: owner for file in made}
    assert not [file for file in made if stat.S_IMODE(file.stat().st_mode) & 0o002]


def test_odd_names(tmp_path: Path) -> None:
    """A path with a space, a question mark or a percent sign is a path (I11)."""
    folder = tmp_path / "a b?mode=ro%20#c"
    folder.mkdir()
    spool = open_spool(str(folder / "spool.db"))
    one = letter()
    put(spool, one)
    assert len(spool.history(one.queue_id)) == 1
    spool.close()
    assert (folder / "spool.db").exists()


def test_a_file_that_vanishes(path: str) -> None:
    """Replaced by rubbish under an open spool: the caller hears it, through the Future."""
    spool = open_spool(path)
    put(spool, letter())
    spool.close()
    again = open_spool(path)
    for file in Path(path).parent.glob("spool.db*"):
        if file.is_file():
            file.unlink()
    error = again.register([letter()]).exception(10)
    assert isinstance(error, SpoolTrouble) and "is gone" in str(error)
    with pytest.raises(SpoolTrouble, match="is gone"):
        again.used()
    again.close()


def test_an_emptied_spool_gives_its_pages_back(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool that was once full shrinks, a few pages a step (chores.py)."""
    monkeypatch.setattr(chores, "_EMPTY_PAGES", 1024)
    spool = open_spool(path, clock=lambda: NOW)
    accepted = [number for _ in range(12) for number in put(spool, letter(content=b"x" * (1 << 20)))]
    full = claim(spool, accepted, load_up_to=0)
    spool.settle([Settlement(one.delivery, one.token, (done(),)) for one in full]).result(30)
    spool.close()
    db = sqlite3.connect(path, isolation_level=None)
    before = db.execute("PRAGMA page_count").fetchone()[0]
    steps = 0
    while True:
        db.execute("BEGIN IMMEDIATE")
        more = chores.step(db, path, NOW)
        db.execute("COMMIT")
        steps += 1
        if not more:
            break
    after = db.execute("PRAGMA page_count").fetchone()[0]
    db.close()
    assert before > 3000 and after < before / 2 and 4 <= steps < 20


def test_readers_are_given_back(path: str) -> None:
    """A thousand questions open a few connections, not a thousand."""
    spool = open_spool(path)
    put(spool, letter())
    for _ in range(1000):
        spool.used()
    ours = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _exists(name)]
    assert sum(name == path for name in ours) <= 3
    spool.close()
    left = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _exists(name)]
    assert not [name for name in left if name.startswith(path)], "close() closes everything"


def _exists(name: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{name}")


def test_cancelled_before_it_was_written(path: str) -> None:
    """A caller that gave up in time has nothing written; one in the middle of it can't give up."""
    spool = open_spool(path)
    large = spool.register([letter(body=Pieces(8 << 20))])
    futures = [spool.register([letter(content=b"x" * 500_000)]) for _ in range(20)]
    cancelled = [future.cancel() for future in futures]
    assert any(cancelled)
    large.result(30)
    kept = [future for future, gone in zip(futures, cancelled, strict=True) if not gone]
    written = [number for future in kept for number in numbers(future.result(30))]
    assert len(waiting_ids(spool)) == len(written) + 1
    spool.close()


def test_the_wal_stays_small_under_load(path: str) -> None:
    """100 MiB written without a pause by two threads: the WAL is moved into the file meanwhile, and begun anew."""
    spool = open_spool(path)
    largest = 0

    def run() -> None:
        for _ in range(100):
            put(spool, letter(content=b"x" * 500_000))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        largest = max(largest, os.stat(f"{path}-wal").st_size if os.path.exists(f"{path}-wal") else 0)
        threads[0].join(0.01)
        threads[1].join(0.01)
    spool.close()
    assert 1 << 20 < largest < 64 << 20
