"""Salvaging: all that hangs together goes on, nothing that was delivered comes back, and what is lost is named."""

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from spool_parts import NOW, child, claim, deferred, done, held, letter, put, settle

from hedwig.spool import POSTOFFICE, NewMessage, SpoolTrouble, State, suppress
from hedwig.spool.examine import fault_of
from hedwig.spool.owner import Lock
from hedwig.spool.salvage import Salvaged, salvage
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.spool.suppressed import Suppression

LETTERS = 300
FAULT = NOW - 7200.5  # since when some wait for a fault of ours
GONE = Suppression("gone@d0.example", NOW, NOW + 99, "rule bad-mailbox", "550 5.1.1 no such user")
DOMAINS = 7


@dataclass(frozen=True)
class Good:
    """A spool with a past, its files, and what is in it: state, tries and due of each recipient, by queue ID and
    address. `pages`: what each page is, by SQLite's own words."""

    folder: Path
    open: dict[tuple[str, str], tuple[State, int, float]]
    delivered: set[str]
    claimed: dict[int, int]
    pages: dict[str, list[int]]


def contents(spool: SqliteSpool) -> dict[tuple[str, str], tuple[State, int, float]]:
    rows, _ = spool.queued(limit=100_000)
    return {(row.queue_id, row.rcptto): (row.state, row.tries, row.due) for row in rows}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    """Letters that were never tried, deferred, held and claimed ones; two thirds of all that was there is delivered."""
    path = tmp_path_factory.mktemp("good") / "spool.db"
    spool = open_spool(str(path), clock=lambda: NOW)
    gone = put(spool, *[letter(content=b"Subject: gone\r\n\r\n" + b"g" * 3000 + b"\r\n") for _ in range(2 * LETTERS)])
    letters = [
        letter(f"u@d{number % DOMAINS}.example", f"v@d{(number + 1) % DOMAINS}.example", content=text(number))
        for number in range(LETTERS)
    ]
    for start in range(0, LETTERS, 50):
        put(spool, *letters[start : start + 50])
    put(spool, letter("large@d0.example", content=b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 40_000))
    for one in claim(spool, gone):
        settle(spool, one, done())
    for destination, end in (
        ("d1.example", deferred(due=NOW + 99, fault_since=FAULT)),
        ("d2.example", held()),
        ("d3.example", done()),
    ):
        for one in claim(spool, [waiting.delivery for waiting in spool.due(destination, NOW, 30)]):
            settle(spool, one, end, suppress=(GONE,))
    ids = {one.queue_id for one in letters}
    taken = {
        one.delivery: one.token for one in claim(spool, [each.delivery for each in spool.due("d4.example", NOW, 9)])
    }
    there = contents(spool)
    spool.close()
    return Good(path.parent, there, ids - {queue_id for queue_id, _ in there}, taken, page_kinds(path))


def text(number: int) -> bytes:
    return b"Subject: %d\r\n\r\n" % number + b"x" * (number * 30) + b"\r\n"


def page_kinds(path: Path) -> dict[str, list[int]]:
    db = sqlite3.connect(path)
    found: dict[str, list[int]] = {}
    for name, kind, page in db.execute("SELECT name, pagetype, pageno FROM dbstat"):
        found.setdefault(f"{name} {kind}", []).append(page)
    db.close()
    return found


@pytest.fixture
def path(good: Good, tmp_path: Path) -> Iterator[str]:
    shutil.copytree(good.folder, tmp_path / "spool", ignore=shutil.ignore_patterns("*.turn", "*.owner"))
    yield str(tmp_path / "spool" / "spool.db")


def destroy(path: str, page: int, octets: int = 4096) -> None:
    """Overwrite a page with noise; the first is page 1."""
    with open(path, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(random.Random(page).randbytes(octets))


def salvaged(path: str, good: Good) -> tuple[Salvaged, dict[tuple[str, str], tuple[State, int, float]]]:
    """Salvage, and check what always holds: nothing delivered is back, nothing is changed, the new spool is sound."""
    result = salvage(path, to_postoffice=False, now=NOW)
    assert fault_of(path, 60.0) == ""
    spool = open_spool(path)
    there = contents(spool)
    assert result.recipients == len(there)
    assert set(there) <= set(good.open)
    assert spool.used() == sum(len(b"".join(spool.body(message))) for message in messages(path))
    spool.close()
    return result, there


def messages(path: str) -> list[int]:
    db = sqlite3.connect(path)
    found = [number for (number,) in db.execute("SELECT message FROM messages")]
    db.close()
    return found


def test_a_sound_one(path: str, good: Good) -> None:
    """Nothing is lost or changed; and the new spool goes on: a dead worker's claims are known by their tokens, so that
    its dot marks still count (I5), and no number is given out again."""
    before = set(messages(path))
    result, there = salvaged(path, good)
    assert there == good.open and result.aside == () and result.lost == {}
    spool = open_spool(path)
    freed = spool.free("host/1", lambda delivery, token: good.claimed[delivery] == token, NOW, 60.0).result(10)
    assert len(freed) == len(good.claimed) > 0
    assert len([end for end in contents(spool).values() if end == (State.DEFERRED, 1, NOW + 60)]) == len(freed)
    put(spool, letter())
    assert min(set(messages(path)) - before) > max(before)
    spool.close()
    assert (Path(result.folder) / "damaged.db").exists()


KINDS = [
    *("messages leaf", "messages internal", "deliveries leaf", "deliveries internal", "recipients leaf"),
    *("recipients internal", "bodies leaf", "bodies internal", "bodies overflow", "seen leaf", "seen internal"),
    *("numbers leaf", "meta leaf", "waiting leaf", "happened leaf", "messages_by_queue_id internal"),
]
HARMLESS = [kind for kind in KINDS if kind.endswith(" internal") and "recipients" not in kind]
HARMLESS += ["numbers leaf", "meta leaf", "waiting leaf", "seen leaf", "happened leaf"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_destroyed(path: str, good: Good, kind: str) -> None:
    """Each letter has all its recipients that were open, or is named. Pages that only lead to others cost nothing."""
    dice = random.Random(kind)
    page = dice.choice(good.pages[kind])
    destroy(path, page)
    result, there = salvaged(path, good)
    missing = set(good.open) - set(there)
    named = {one.queue_id for one in result.aside}
    assert {queue_id for queue_id, _ in missing} <= named
    assert not (named - {""}) & good.delivered
    if kind in HARMLESS:
        assert there == good.open and result.aside == ()
    if kind == "deliveries leaf":
        assert not missing, "they are made anew for their recipients"


@pytest.mark.parametrize("page", [1, 2])
def test_the_head_or_the_map_is_destroyed(path: str, good: Good, page: int) -> None:
    """Page 1 has the schema: tables are known by the looks of their rows. Page 2 tells what each page is."""
    destroy(path, page)
    assert salvaged(path, good)[1] == good.open


@pytest.mark.parametrize("place", [0, -1])
def test_what_is_set_aside(path: str, good: Good, place: int) -> None:
    """A body that is not whole is kept as far as it goes, with all that is known of the letter; so is one that has
    noise in its last page, though all its pages are there."""
    destroy(path, good.pages["bodies overflow"][place])
    result, there = salvaged(path, good)
    [aside] = result.aside
    assert aside.why == "its body is not whole" and aside.mailfrom == "a@host.example"
    assert set(aside.rcpttos) == {address for queue_id, address in set(good.open) - set(there)}
    folder = Path(result.folder)
    assert (folder / f"{aside.queue_id}.eml").exists()
    [told] = json.loads((folder / "aside.json").read_text())
    assert told["queue_id"] == aside.queue_id and told["rcpttos"] == list(aside.rcpttos)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_the_file_is_cut_off(path: str, good: Good, share: float) -> None:
    """What lies in the part that is left is taken from there."""
    size = Path(path).stat().st_size
    with open(path, "r+b") as file:
        file.truncate(int(size * share))
    result, there = salvaged(path, good)
    assert len(there) + sum(len(one.rcpttos) for one in result.aside if not one.goes_on) > 0


def test_many_pages_are_noise(path: str, good: Good) -> None:
    """One in twenty: whatever is read of them, nobody gets a letter that is not his, or a second one."""
    dice = random.Random(7)
    pages = Path(path).stat().st_size // 4096
    for page in dice.sample(range(3, pages), pages // 20):
        destroy(path, page, dice.choice([40, 4096]))
    salvaged(path, good)


def test_mailmans(tmp_path: Path) -> None:
    """Its deliveries lead to the postoffice, also those that are made anew."""
    path = tmp_path / "spool.db"
    spool = open_spool(str(path))
    two = letter("a@x.example", "b@y.example")
    put(spool, letter_to_postoffice(two))
    spool.close()
    [page] = page_kinds(path)["deliveries leaf"]
    destroy(str(path), page)
    assert salvage(str(path), to_postoffice=True, now=NOW).recipients == 2
    spool = open_spool(str(path))
    assert len(spool.due(POSTOFFICE, NOW, 10)) == 1
    spool.close()


def letter_to_postoffice(message: NewMessage) -> NewMessage:
    return replace(message, parts={POSTOFFICE: message.envelope.rcpttos})


def test_one_that_is_in_use(path: str) -> None:
    """By the daemon that owns it, or by anybody else: nothing is touched."""
    daemon = Lock(Path(f"{path}.owner"))
    assert daemon.take()
    with pytest.raises(SpoolTrouble, match="is in use: stop hedwig's daemons"):
        salvage(path, to_postoffice=False, now=NOW)
    daemon.give_back()
    holder = child("hold", path)
    assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
    with pytest.raises(SpoolTrouble, match="is in use"):
        salvage(path, to_postoffice=False, now=NOW)
    holder.kill()
    holder.wait()
    assert [file.name for file in Path(path).parent.iterdir() if "salvage" in file.name] == []


@pytest.mark.parametrize("schema", [True, False])
def test_what_is_known_of_faults_and_bad_addresses_is_kept(path: str, good: Good, schema: bool) -> None:
    """Since when a fault of ours keeps a recipient is known also where the schema is gone, all its pages, and tables
    are known by the looks of their rows alone."""
    before = faults(path)
    assert before > 10
    for page in () if schema else (page for kind, pages in good.pages.items() if "schema" in kind for page in pages):
        destroy(path, page)
    salvaged(path, good)
    assert faults(path) == before
    spool = open_spool(path)
    assert spool.read(suppress.found, [GONE.address], NOW) == ([GONE] if schema else [])
    spool.close()


def faults(path: str) -> int:
    """Recipients that wait for a fault of ours since FAULT."""
    db = sqlite3.connect(path)
    ((count,),) = db.execute("SELECT count(*) FROM recipients WHERE fault_since = ?", (FAULT,)).fetchall()
    db.close()
    return int(count)
