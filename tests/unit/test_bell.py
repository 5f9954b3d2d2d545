"""The bell: which events ring as what, what lands in the folder, and that nobody waits for it."""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hedwig import log
from hedwig.bell import HEARD, Bell, Edge, Kind, Reading, Record, natures, readings
from hedwig.bell import bell as bells
from hedwig.bell.bell import write_record
from hedwig.bell.record import MAX_TEXT, unpacked
from hedwig.log import Level, Matter

ID = "01K0000000000000000000000A"


def records(folder: Path) -> list[Record]:
    return [unpacked(file.read_bytes()) for file in sorted(folder.glob("*.json"))]


@pytest.fixture
def rung(tmp_path: Path) -> Iterator[Callable[[], list[Record]]]:
    """A bell that hears the log; calling it gives what it has written by its end."""
    bell = Bell(tmp_path, "hedwig-worker@1")
    log.start("test")
    log.capture(lambda _level, _text, _fields: None)
    log.listen(bell.hear, HEARD)

    def close() -> list[Record]:
        bell.close(10)
        return records(tmp_path)

    yield close
    log.listen(None)
    log.start("test")


@pytest.mark.parametrize(
    ("event", "level", "fields", "kind", "edge", "subject"),
    [
        (Matter.SITE_BLOCKED, Level.ALERT, {"SITE": "qq", "MEANING": "rate"}, "receiver_backed_off", "begins", "qq"),
        (Matter.SITE_BLOCKED, Level.ALERT, {"SITE": "qq", "MEANING": "blocked"}, "reputation", "begins", "qq"),
        (Matter.SETUP_REFUSED, Level.ALERT, {"SITE": "a.example"}, "authentication", "begins", "a.example"),
        (Matter.MAIL_REFUSED, Level.ALERT, {"SITE": "qq", "MEANING": "spam"}, "reputation", "begins", "qq"),
        (Matter.MAIL_REFUSED, Level.ALERT, {"SITE": "qq", "MEANING": "helo"}, "authentication", "begins", "qq"),
        (Matter.MAIL_REFUSED, Level.ALERT, {"SITE": "qq", "MEANING": "x"}, "mail_refused", "happened", "qq"),
        (Matter.LOGIN_FAILED, Level.ALERT, {"SITE": "smart"}, "smarthost_login", "begins", "smart"),
        (Matter.LOGIN_BACK, Level.NOTICE, {"SITE": "smart"}, "smarthost_login", "ends", "smart"),
        (Matter.KEY_REFUSED, Level.ALERT, {}, "key_refused", "begins", ""),
        (Matter.POSTOFFICE_DOWN, Level.WARNING, {}, "postoffice_down", "begins", ""),
        (Matter.QUEUE_DOWN, Level.WARNING, {}, "mq_down", "begins", ""),
        (Matter.SPOOL_TROUBLE, Level.ERROR, {}, "spool", "begins", "postoffice"),
        (Matter.SPOOL_BACK, Level.NOTICE, {}, "spool", "ends", "postoffice"),
        (Matter.DNS_DOWN, Level.ALERT, {}, "dns_down", "begins", ""),
        (Matter.DNS_BACK, Level.NOTICE, {}, "dns_down", "ends", ""),
        (Matter.STUCK, Level.ALERT, {"REASON": "the feeder"}, "stuck", "begins", "hedwig-x: the feeder"),
        (Matter.MOVES_AGAIN, Level.NOTICE, {"REASON": "the feeder"}, "stuck", "ends", "hedwig-x: the feeder"),
        (Matter.FAULT, Level.ALERT, {}, "fault", "happened", "hedwig-x"),
        (Matter.QUOTA_HIT, Level.WARNING, {"CLIENT": "c.example"}, "quota", "happened", "c.example"),
    ],
)
def test_what_rings(event: Matter, level: Level, fields: dict[str, str], kind: str, edge: str, subject: str) -> None:
    (read,) = readings(event, level, {f"HEDWIG_{name}": text for name, text in fields.items()}, "hedwig-x")
    assert (read.kind, read.edge, read.subject) == (kind, edge, subject)
    assert natures(read.kind).lasts is (edge != "happened")


def test_a_postoffice_that_answers_again_ends_both_its_troubles() -> None:
    """Whether it was away, or refused the key."""
    ended = list(readings(Matter.POSTOFFICE_BACK, Level.NOTICE, {}, "hedwig-mailman"))
    assert {(read.kind, read.edge) for read in ended} == {
        (Kind.POSTOFFICE_DOWN, Edge.ENDS),
        (Kind.KEY_REFUSED, Edge.ENDS),
    }


def test_what_does_not_ring() -> None:
    """A word of less weight, a letter's own events, and kinds of a newer release."""
    assert not list(readings(Matter.SPOOL_TROUBLE, Level.WARNING, {}, "hedwig-worker@1"))
    assert not list(readings("delivered", Level.INFO, {}, "hedwig-worker@1"))
    assert "delivered" not in HEARD and "deferred" not in HEARD
    assert natures("of a newer release").lasts is False


def test_an_event_becomes_a_file(rung: Callable[[], list[Record]]) -> None:
    """With its text and fields, and no line end in any of them (I11)."""
    log.event(Matter.DNS_DOWN, "no\nanswer", Level.ALERT, reason="a\r\nb" + "x" * 2000)
    (record,) = rung()
    assert (record.kind, record.edge, record.source) == ("dns_down", Edge.BEGINS, "hedwig-worker@1")
    assert "\n" not in record.text
    assert record.facts["reason"].startswith("a") and "\n" not in record.facts["reason"]
    assert len(record.facts["reason"]) == MAX_TEXT


def test_the_same_is_written_once_and_its_end_too(rung: Callable[[], list[Record]]) -> None:
    """Within a minute; a trouble that comes back after its end is written anew."""
    for _ in range(3):
        log.event(Matter.DNS_DOWN, "none answers", Level.ALERT)
    log.event(Matter.DNS_BACK, "they answer", Level.NOTICE)
    log.event(Matter.DNS_DOWN, "none answers", Level.ALERT)
    assert sorted(record.edge for record in rung()) == [Edge.BEGINS, Edge.BEGINS, Edge.ENDS]


def test_a_disk_that_stands_still_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hear` returns although nothing can be written; what waits is bounded, and written when that is over."""
    moves = threading.Event()

    def write(folder: Path, record: Record) -> None:
        moves.wait(30)
        write_record(folder, record)

    monkeypatch.setattr(bells, "write_record", write)
    bell = Bell(tmp_path, "hedwig-worker@1")
    for number in range(2 * bells.MOST):
        bell.ring(Reading(Kind.REPUTATION, Edge.BEGINS, f"site{number}"))
    assert records(tmp_path) == []
    moves.set()
    bell.close(10)
    assert bells.MOST <= len(records(tmp_path)) <= bells.MOST + 1


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again until the disk takes it."""
    full = iter([True, True])

    def write(folder: Path, record: Record) -> None:
        if next(full, False):
            raise OSError(errno.ENOSPC, "full")
        write_record(folder, record)

    monkeypatch.setattr(bells, "write_record", write)
    monkeypatch.setattr(bells, "AGAIN", 0.01)
    bell = Bell(tmp_path, "hedwig-worker@1")
    bell.ring(Reading(Kind.DISK, Edge.BEGINS, "spool"))
    thread = bell._thread
    assert thread is not None
    for _ in range(1000):
        if records(tmp_path):
            break
        thread.join(0.01)
    bell.close(10)
    assert [record.subject for record in records(tmp_path)] == ["spool"]


def test_a_folder_that_nobody_empties_fills_no_disk(tmp_path: Path) -> None:
    for number in range(bells.FULL):
        (tmp_path / f"{number}.json").touch()
    bell = Bell(tmp_path, "hedwig-worker@1")
    bell.ring(Reading("", Edge.STARTED))
    bell.close(10)
    assert len(os.listdir(tmp_path)) == bells.FULL


def test_without_the_folder_nothing_happens(tmp_path: Path) -> None:
    bell = Bell(tmp_path / "none", "hedwig-worker@1")
    bell.ring(Reading("", Edge.STARTED))
    bell.close(10)
    assert not (tmp_path / "none").exists()


def test_a_record_belongs_to_whom_the_folder_belongs(tmp_path: Path) -> None:
    """root's commands write for the daemon, which could not read a file of root's."""
    os.chown(tmp_path, 65534, 65534)
    write_record(tmp_path, Record(ID, 1.0, "s", Edge.STARTED))
    (file,) = tmp_path.iterdir()
    assert (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o777) == (65534, 65534, 0o640)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        json.dumps({"id": ID, "at": 1.0, "source": "s", "edge": "sideways"}).encode(),
        json.dumps({"id": "../x", "at": 1.0, "source": "s", "edge": "begins"}).encode(),
        json.dumps({"id": ID, "at": "NaN", "source": "s", "edge": "begins"}).encode(),
        json.dumps({"id": ID, "at": 1.0, "source": "s", "edge": "begins", "facts": [1]}).encode(),
    ],
)
def test_what_is_no_record(content: bytes) -> None:
    with pytest.raises(ValueError, match="no record"):
        unpacked(content)


def test_a_record_survives_its_file() -> None:
    record = Record(ID, 1.5, "hedwig-worker@1", Edge.BEGINS, "dns_down", "", "none answers", 60.0, {"reason": "so"})
    assert unpacked(record.packed()) == record
