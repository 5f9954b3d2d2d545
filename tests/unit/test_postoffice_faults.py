"""Errors of our own that nobody foresaw: postoffice doesn't pretend that all is well, nor lives on half dead."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from postoffice_host import Host, frame

BREAKS = """
from pathlib import Path
from waitress import wasyncore
real = wasyncore.poll2
def poll2(*arguments):
    if Path({sign!r}).exists():
        raise RuntimeError("nobody foresaw this")
    real(*arguments)
wasyncore.poll2 = poll2
"""
DIES = """
from hedwig.postoffice.feeder import Feeder
Feeder.run = lambda self: None
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    try:
        made.start_queue()
        yield made
    finally:
        made.end()


def test_an_error_in_the_servers_loop_ends_the_process(own: Host, tmp_path: Path) -> None:
    """With status 1, so that systemd starts another; what was accepted is there."""
    sign = tmp_path / "break"
    own.start(BREAKS.format(sign=str(sign)))
    assert own.batch(frame())[0] == 200
    sign.touch()
    assert own.process and own.process.wait(30) == 1
    assert "can't go on: RuntimeError('nobody foresaw this')" in own.logged()
    assert own.queued() == ["b@163.example"]
    sign.unlink()
    own.start()
    assert own.batch(frame())[0] == 200


def test_healthz_knows_whether_the_feeder_lives(own: Host) -> None:
    """Mail is taken, but nobody learns of it: that must not look well."""
    own.start(DIES)
    assert "the feeder is stuck or has died" in own.get("/healthz")[1]["queue"]
