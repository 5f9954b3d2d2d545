"""A WAL that has grown under a long reader is brought back, without anybody waiting for that reader."""

import time
from pathlib import Path
from typing import Any

import pytest
from spool_parts import Pieces, letter, put

from hedwig.spool import checkpoint
from hedwig.spool.schema import connect_reader


def test_a_grown_wal_is_cut_once_no_reader_holds_it(spool: Any, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail flows meanwhile; and it is cut although nothing more is written."""
    monkeypatch.setattr(checkpoint, "LARGE", 2 << 20)
    monkeypatch.setattr(checkpoint, "EVERY", 0.05)
    put(spool, letter())
    wal = Path(f"{desk._path}-wal")
    reader = connect_reader(desk._path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    for _ in range(3):
        put(spool, letter(body=Pieces(2 << 20)))
    time.sleep(0.3)  # it has looked, and could not
    assert wal.stat().st_size > 4 << 20
    began = time.monotonic()
    put(spool, letter())
    assert time.monotonic() - began < 5
    reader.execute("COMMIT")
    until = time.monotonic() + 20
    while wal.stat().st_size > 2 << 20:
        assert time.monotonic() < until, wal.stat().st_size
        time.sleep(0.05)
    put(spool, letter())
    reader.close()
    assert desk.backlog(1, time.time()).waiting == 6
