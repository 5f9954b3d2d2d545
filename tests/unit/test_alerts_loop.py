"""hedwig-alerts from record to notice: kept over a restart, told with one ID, and never doubled."""

from pathlib import Path

import pytest

from hedwig import log, queueid
from hedwig.alerts.hook import Answer, run
from hedwig.alerts.loop import _Life
from hedwig.alerts.notice import TITLES, unpacked
from hedwig.alerts.store import Store
from hedwig.bell import Edge, Kind, Record, new_folder
from hedwig.bell.bell import write_record
from hedwig.settings import Alerts

NOW = 1_800_000_000.0


def life(tmp_path: Path, command: tuple[str, ...] = ("/bin/true",)) -> _Life:
    log.capture(lambda _level, _text, _fields: None)
    store = Store(str(tmp_path))
    store.prepare()
    return _Life(Alerts(command=command, folder=str(tmp_path)), store, "robot.example", run)


def ring(tmp_path: Path, kind: str = Kind.REPUTATION, edge: Edge = Edge.BEGINS) -> None:
    record = Record(queueid.new(NOW), NOW, "hedwig-worker@1", edge, kind, "qq", "550 $(x)")
    write_record(new_folder(tmp_path), record)


def test_a_record_becomes_a_notice_and_goes(tmp_path: Path) -> None:
    one = life(tmp_path)
    ring(tmp_path)
    one.step(NOW)
    one.step(NOW + 1)
    [notice] = Store(str(tmp_path)).kept()
    assert notice.ways["command"].state == "waiting"
    assert list(new_folder(tmp_path).iterdir()) == []
    assert b'"title_zh": "' + TITLES[Kind.REPUTATION][0].encode() in notice.content()
    assert "550" not in str(notice.environment())


def test_after_a_restart_it_is_still_to_be_told_and_not_raised_anew(tmp_path: Path) -> None:
    one = life(tmp_path)
    ring(tmp_path)
    one.step(NOW)
    other = life(tmp_path)
    ring(tmp_path)
    other.step(NOW + 1)
    assert len(other._open) == len(Store(str(tmp_path)).kept()) == 1


async def test_tries_until_taken_or_given_up(tmp_path: Path) -> None:
    one = life(tmp_path, ("/bin/false",))
    ring(tmp_path)
    one.step(NOW)
    [notice] = one._open
    told = notice.ways["command"]
    answer = await one._tell("command", notice, NOW)
    one._note(notice, told, answer, NOW)
    assert (told.state, told.tries, told.due, told.words) == ("waiting", 1, NOW + 10, "exit status 1")
    one._note(notice, told, answer, NOW + 86400)
    assert told.state == "given up" and one._open == []
    ring(tmp_path, Kind.TEST, Edge.HAPPENED)
    one.step(NOW)
    [notice] = one._open
    one._note(notice, notice.ways["command"], Answer(True, "done"), NOW)
    assert one._open == []


def test_what_is_no_record_is_removed_and_what_is_no_notice_passed_over(tmp_path: Path) -> None:
    one = life(tmp_path)
    (new_folder(tmp_path) / "x.json").write_text("{")
    (new_folder(tmp_path) / "y.json").symlink_to("/etc/shadow")
    (tmp_path / "told" / "z.json").write_text("[]")
    one.step(NOW)
    assert list(new_folder(tmp_path).iterdir()) == []
    assert one._store.kept() == []
    with pytest.raises(ValueError, match="no notice"):
        unpacked(b"{}")


def test_a_disk_that_takes_nothing_keeps_nobody_from_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = life(tmp_path)
    ring(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr("hedwig.alerts.store.os.fsync", _full)
        one.step(NOW)
    assert len(one._open) == 1
    assert Store(str(tmp_path)).kept() == []
    one.step(NOW + 1000)
    assert len(Store(str(tmp_path)).kept()) == 1


def _full(_handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_each_kind_has_its_titles() -> None:
    assert TITLES.keys() == set(Kind)
