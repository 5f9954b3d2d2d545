"""Who may read the spool's files: owner and group alone."""

import os
import stat
import time
from pathlib import Path

from spool_parts import letter

from hedwig.spool.sqlite import open_spool


def test_letters_are_not_for_everybody_to_read(tmp_path: Path) -> None:
    """Whatever the umask: neither the spool, nor what SQLite puts beside it, nor the history."""
    before = os.umask(0o022)
    try:
        spool = open_spool(str(tmp_path / "spool.db"))
        spool.register([letter()]).result(10)
        deadline = time.monotonic() + 20
        while not (days := list((tmp_path / "spool.db.history").glob("*.db"))) and time.monotonic() < deadline:
            time.sleep(0.01)
        files = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
        spool.close()
    finally:
        os.umask(before)
    assert days
    assert {mode & 0o007 for mode in files.values()} == {0}
    assert {path.name for path in files} >= {"spool.db", "spool.db-wal", days[0].name}
