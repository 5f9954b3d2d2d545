"""The daemons' bell: it rings where alerts.yml is, and never keeps a daemon from its work."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedwig import log
from hedwig.bell import Edge, Record
from hedwig.bell.record import unpacked
from hedwig.cli.daemon import Start, main_for
from hedwig.config import load_worker
from hedwig.settings import Worker


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(log, "_to_stderr", lambda level, message, fields: None)
    monkeypatch.setattr(log, "_under_journald", lambda: False)
    hangup = signal.getsignal(signal.SIGHUP)
    yield
    monkeypatch.undo()
    log.start("hedwig")
    signal.signal(signal.SIGHUP, hangup)


def rung(folder: Path) -> list[Record]:
    return [unpacked(file.read_bytes()) for file in sorted((folder / "new").glob("*.json"))]


def ran(tmp_path: Path, status: int = 0) -> int:
    def run(start: Start[Worker]) -> int:
        start.supervisor.ready("up")
        start.supervisor.ready("up again")
        log.event(log.Matter.DNS_DOWN, "none answers", log.Level.ALERT)
        log.event(log.Matter.NO_NAME, "of no interest", log.Level.ALERT)
        return status

    (tmp_path / "worker.yml").write_text("")
    return main_for("worker", load_worker, run, numbered=True, argv=["--config", str(tmp_path / "worker.yml"), "3"])


def test_start_events_and_orderly_end_are_told(tmp_path: Path) -> None:
    (tmp_path / "alerts" / "new").mkdir(parents=True)
    (tmp_path / "alerts.yml").write_text(f"folder: {tmp_path}/alerts\n")
    assert ran(tmp_path) == 0
    told = rung(tmp_path / "alerts")
    assert [one.edge for one in told] == [Edge.STARTED, Edge.BEGINS, Edge.ENDED]
    assert {one.source for one in told} == {"hedwig-worker@3"}
    assert (told[1].kind, told[1].text) == ("dns_down", "none answers")
    log.event(log.Matter.DNS_DOWN, "after the end", log.Level.ALERT)
    assert len(rung(tmp_path / "alerts")) == 3


def test_an_end_that_is_none_is_no_orderly_one(tmp_path: Path) -> None:
    (tmp_path / "alerts" / "new").mkdir(parents=True)
    (tmp_path / "alerts.yml").write_text(f"folder: {tmp_path}/alerts\n")
    assert ran(tmp_path, status=1) == 1
    assert [one.edge for one in rung(tmp_path / "alerts")] == [Edge.STARTED, Edge.BEGINS]


@pytest.mark.parametrize("text", [None, "folder: {}/absent\n", "no: [\n", "folder: {}/file\n"])
def test_without_a_folder_or_a_sound_file_all_goes_on(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "file").write_text("")
    if text is not None:
        (tmp_path / "alerts.yml").write_text(text.format(tmp_path))
    assert ran(tmp_path) == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(
        ["file", "worker.yml", *(["alerts.yml"] if text is not None else [])]
    )


def test_no_thread_to_be_had_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_self: object) -> None:
        raise RuntimeError("can't start new thread")

    (tmp_path / "alerts" / "new").mkdir(parents=True)
    (tmp_path / "alerts.yml").write_text(f"folder: {tmp_path}/alerts\n")
    monkeypatch.setattr("threading.Thread.start", none)
    assert ran(tmp_path) == 0
