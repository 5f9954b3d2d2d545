"""Dot marks (I5)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from hedwig.worker.dots import DotMarks, path_of, read_marks


def test_a_mark_is_read_back_and_its_slot_is_used_again(tmp_path: Path) -> None:
    path = path_of(str(tmp_path), "1")
    dots = DotMarks(path)
    first = dots.mark(7, 70)
    dots.mark(8, 80)
    assert read_marks(path) == {(7, 70), (8, 80)}
    dots.release(first)
    assert dots.mark(9, 90) == first
    assert read_marks(path) == {(8, 80), (9, 90)}


def test_no_file_and_a_torn_record_mean_no_marks(tmp_path: Path) -> None:
    path = tmp_path / "1.dots"
    assert read_marks(path) == frozenset()
    path.write_bytes(b"\x01" * 10)
    assert read_marks(path) == frozenset()


def test_a_new_worker_begins_without_marks(tmp_path: Path) -> None:
    path = tmp_path / "1.dots"
    DotMarks(path).mark(1, 1)
    DotMarks(path)
    assert read_marks(path) == frozenset()


def test_marks_survive_sigkill(tmp_path: Path) -> None:
    """The page cache outlives the process: what was marked before the kill is there after it."""
    program = (
        "import sys, pathlib, os, signal\n"
        "from hedwig.worker.dots import DotMarks\n"
        "DotMarks(pathlib.Path(sys.argv[1])).mark(123, 456)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "1.dots"
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False, env=os.environ)
    assert ended.returncode == -signal.SIGKILL
    assert read_marks(path) == {(123, 456)}
