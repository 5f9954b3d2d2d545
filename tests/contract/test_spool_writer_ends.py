"""What nobody foresaw ends the thread that writes the spool: nobody waits for it for ever."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from spool_parts import letter

from hedwig.spool import SpoolTrouble
from hedwig.spool.sqlite import SqliteSpool, open_spool


class Unforeseen(Exception):
    """What no code expects."""


@pytest.mark.parametrize("where", ["_gather", "_attempt", "_count", "_finish"])
def test_everybody_gets_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Who is being written, who waits, and who comes later; the traceback is told, and the watchdog sees it."""
    spool: SqliteSpool = open_spool(str(tmp_path / "spool.db"))
    told: list[Any] = []
    go = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda hook: told.append(hook.exc_type))
    spool.register([letter()]).result(10)
    writer = spool._writer
    assert writer is not None

    def fail(*arguments: Any) -> Any:
        go.wait(10)
        raise Unforeseen("oh")

    monkeypatch.setattr(writer, where, fail)
    futures = [spool.register([letter()]) for _ in range(5)]
    go.set()
    ended = []
    for future in futures:
        try:
            future.result(10)
        except SpoolTrouble as error:
            ended.append(str(error))
    assert ended or where in ("_count", "_finish"), "what is on disk by then has no error"
    assert all("has ended (Unforeseen('oh')): its daemon must be restarted" in error for error in ended)
    writer._thread.join(10)
    assert told == [Unforeseen]
    assert writer.pulse.stuck
    with pytest.raises(SpoolTrouble, match="has ended"):
        spool.register([letter()]).result(10)
    spool.close()


@pytest.mark.parametrize("where", ["_attempt", "_count"])
def test_a_caller_that_writes_itself_ends_it_likewise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It hears of it by its Future, the thread tells of it, and nobody waits for ever."""
    spool: SqliteSpool = open_spool(str(tmp_path / "spool.db"))
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda hook: told.append(hook.exc_type))
    spool.register([letter()]).result(10)
    writer = spool._writer
    assert writer is not None
    while not writer._idle:
        time.sleep(0.001)
    by: list[str] = []

    def fail(*arguments: Any) -> Any:
        by.append(threading.current_thread().name)
        raise Unforeseen("oh")

    monkeypatch.setattr(writer, where, fail)
    future = spool.register([letter()], here=True)
    assert by == [threading.current_thread().name]
    if where == "_attempt":
        with pytest.raises(SpoolTrouble, match="has ended"):
            future.result(0)
    else:
        assert future.result(0), "it is on disk"
    writer._thread.join(10)
    assert told == [Unforeseen]
    assert writer.pulse.stuck
    with pytest.raises(SpoolTrouble, match="has ended"):
        spool.register([letter()], here=True).result(10)
    spool.close()
