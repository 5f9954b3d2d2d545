"""`hedwig alert`: what stands and was told, a unit that failed, and a test that says what came back."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hedwig import log
from hedwig.alerts.hook import Answer
from hedwig.alerts.loop import _Life
from hedwig.alerts.store import Store
from hedwig.bell.record import unpacked
from hedwig.cli.hedwig import main
from hedwig.config import load_alerts


@pytest.fixture
def etc(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "alerts").mkdir()
    Store(str(tmp_path / "alerts")).prepare()
    (tmp_path / "alerts.yml").write_text(
        f"folder: {tmp_path}/alerts\nwebhook:\n  url: http://127.0.0.1:9/\n", encoding="utf-8"
    )
    yield tmp_path
    log.start("hedwig")


def hedwig(etc: Path, *arguments: str, status: int = 0, **environment: str) -> Result:
    runner = CliRunner(mix_stderr=False)
    done = runner.invoke(main, ["--config-dir", str(etc), "alert", *arguments], env=environment)
    assert done.exit_code == status, (done.stdout, done.stderr, done.exception)
    return done


def life(etc: Path) -> _Life:
    return _Life(load_alerts(etc / "alerts.yml"), Store(str(etc / "alerts")), "robot.example")


def test_a_failed_unit_is_a_record_that_says_how(etc: Path) -> None:
    how = {"MONITOR_SERVICE_RESULT": "exit-code", "MONITOR_EXIT_CODE": "exited", "MONITOR_EXIT_STATUS": "78"}
    for unit in ("hedwig-worker@1.service", "hedwig-retention.service"):
        hedwig(etc, "failed", unit, **how)
    told = {one.subject: one for one in (unpacked(file.read_bytes()) for file in (etc / "alerts" / "new").iterdir())}
    worker = told["hedwig-worker@1.service"]
    assert (worker.kind, worker.edge, worker.lapse) == ("unit_failed", "begins", 0)
    assert "exit-code (exited 78)" in worker.text
    assert worker.facts == {"service_result": "exit-code", "exit_code": "exited", "exit_status": "78"}
    assert told["hedwig-retention.service"].lapse > 86400  # nothing says that it runs again: it lapses
    life(etc).step(time.time())
    shown = hedwig(etc, "list").stdout
    assert "Stands:" in shown
    assert "hedwig-worker@1.service" in shown
    assert "webhook waiting" in shown
    found = json.loads(hedwig(etc, "list", "--json").stdout)
    assert {one["subject"] for one in found["standing"]} == told.keys()
    assert found["told"][0]["ways"]["webhook"]["state"] == "waiting"


def test_nobody_to_call(etc: Path) -> None:
    (etc / "alerts.yml").unlink()
    hedwig(etc, "failed", "hedwig-mailman.service")
    assert "neither a command nor a webhook" in hedwig(etc, "test", status=1).stderr


def test_nothing_stands(etc: Path) -> None:
    assert hedwig(etc, "list").stdout == "Nothing stands.\n"


def test_a_test_that_nobody_takes_leaves_nothing(etc: Path) -> None:
    assert "systemctl status hedwig-alerts" in hedwig(etc, "test", "--wait", "1s", status=1).stderr
    assert list((etc / "alerts" / "new").iterdir()) == []


@pytest.mark.parametrize(("taken", "status", "said"), [(True, 0, "taken: 200"), (False, 1, "NOT taken: 500")])
def test_a_test_says_what_came_back(etc: Path, taken: bool, status: int, said: str) -> None:
    daemon, over = life(etc), threading.Event()

    def serve() -> None:
        while not over.wait(0.05):
            daemon.step(time.time())
            for one in list(daemon._open):
                daemon._note(one, one.ways["webhook"], Answer(taken, "200" if taken else "500"), time.time())

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        for _ in range(2):  # a second one is told, too, whatever `repeat` says
            done = hedwig(etc, "test", "--wait", "10s", status=status)
            assert f"webhook: {said}" in done.stdout + done.stderr
    finally:
        over.set()
        serving.join()
