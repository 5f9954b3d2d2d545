"""Dot marks on disk, with the conversation up to the dot (I5)."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.spool import Doubt
from hedwig.worker.dots import DotMarks
from hedwig.worker.talks import RECORD, Talks, _cut, fitting, path_of, read_talks

TALK = "* mx.example.com[192.0.2.1]:25, TLSv1.3\n< 220 你好\n> MAIL FROM:<a@example.org>"
DOUBT = Doubt((0, 3, 49), TALK)


async def test_a_record_is_read_back(tmp_path: Path) -> None:
    """Which claim, which recipients, which words; each in its slot."""
    path = tmp_path / "1.talks"
    talks = Talks(path)
    await talks.write(0, (7, 70), DOUBT)
    await talks.write(2, (8, 80), Doubt((1,), ""))
    assert read_talks(path) == {(7, 70): DOUBT, (8, 80): Doubt((1,), "")}
    await talks.write(0, (9, 90), Doubt((2,), "again"))
    assert read_talks(path) == {(9, 90): Doubt((2,), "again"), (8, 80): Doubt((1,), "")}
    talks.close()


def test_no_file_no_records(tmp_path: Path) -> None:
    """A worker that never ran, or an older release's."""
    assert read_talks(tmp_path / "1.talks") == {}


async def test_a_new_worker_begins_with_none(tmp_path: Path) -> None:
    """The old ones have been dealt with by then."""
    path = tmp_path / "1.talks"
    first = Talks(path)
    await first.write(0, (7, 70), DOUBT)
    first.close()
    Talks(path).close()
    assert read_talks(path) == {}


@pytest.mark.parametrize("octets", [0, 4, 8, 10, 16, 20, 30, 40, 60, 100])
async def test_a_torn_record_is_none(tmp_path: Path, octets: int) -> None:
    """A power cut in the middle of it: its fsync had not ended, so its dot is not out."""
    path = tmp_path / "1.talks"
    talks = Talks(path)
    await talks.write(0, (7, 70), DOUBT)
    talks.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:octets])
    assert read_talks(path) == {}
    path.write_bytes(whole[:octets] + bytes(len(whole) - octets))
    assert read_talks(path) == {}


class Disk:
    """An fdatasync that waits for the test."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.fails = False

    def __call__(self, file: int) -> None:
        self.calls += 1
        self.begun.release()
        assert self.go.acquire(timeout=10)
        if self.fails:
            raise OSError(5, "Input/output error")
        os.fdatasync(file)


async def begun(disk: Disk) -> None:
    assert await asyncio.get_running_loop().run_in_executor(None, lambda: disk.begun.acquire(timeout=10))


async def test_one_fsync_is_for_all_that_wait(tmp_path: Path) -> None:
    """Who comes while one is under way waits for the next, together with all the others: its own record may have missed
    the first. And the event loop goes on all the while."""
    disk = Disk()
    talks = Talks(tmp_path / "1.talks", disk)
    first = asyncio.create_task(talks.write(0, (100, 1), DOUBT))
    await begun(disk)
    others = [asyncio.create_task(talks.write(slot, (slot, 1), DOUBT)) for slot in range(1, 30)]
    await asyncio.sleep(0)
    disk.go.release()
    await first
    await begun(disk)
    assert not any(other.done() for other in others)
    disk.go.release()
    await asyncio.gather(*others)
    assert disk.calls == 2
    assert len(read_talks(tmp_path / "1.talks")) == 30
    talks.close()


async def test_a_failed_fsync_is_told_to_all_that_waited_and_to_no_other(tmp_path: Path) -> None:
    """What the kernel gave up it may not tell again: each record counts by its own fsync."""
    disk = Disk()
    talks = Talks(tmp_path / "1.talks", disk)
    disk.fails = True
    first = asyncio.create_task(talks.write(0, (1, 1), DOUBT))
    await begun(disk)
    second = asyncio.create_task(talks.write(1, (2, 1), DOUBT))
    await asyncio.sleep(0)
    disk.go.release()
    with pytest.raises(OSError, match="Input/output error"):
        await first
    await begun(disk)
    disk.fails = False
    disk.go.release()
    await second
    talks.close()


async def test_one_who_gives_up_takes_nobody_along(tmp_path: Path) -> None:
    """A courier that is cancelled while it waits."""
    disk = Disk()
    talks = Talks(tmp_path / "1.talks", disk)
    leaving, staying = (asyncio.create_task(talks.write(slot, (slot, 1), DOUBT)) for slot in (1, 2))
    await begun(disk)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    disk.go.release()
    await staying
    talks.close()


async def test_marks_of_both_kinds_share_slots(tmp_path: Path) -> None:
    """A slot is free again after either; one whose record could not be written, too."""
    dots = DotMarks(tmp_path / "1.dots")
    assert dots.mark(1, 10) == 0
    assert await dots.mark_durably(2, 20, DOUBT) == 1
    dots.release(1)
    assert dots.mark(3, 30) == 1
    with pytest.raises(struct.error):
        await dots.mark_durably(4, 40, Doubt(("no number",), ""))
    assert await dots.mark_durably(5, 50, DOUBT) == 2
    assert set(read_talks(path_of(tmp_path / "1.dots"))) == {(2, 20), (5, 50)}
    dots.close()


def test_a_record_survives_sigkill(tmp_path: Path) -> None:
    """Whole, with its words."""
    program = (
        "import sys, asyncio, pathlib, os, signal\n"
        "from hedwig.spool import Doubt\n"
        "from hedwig.worker.dots import DotMarks\n"
        "async def main():\n"
        "    await DotMarks(pathlib.Path(sys.argv[1])).mark_durably(123, 456, Doubt((7,), '> DATA'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    path = tmp_path / "1.dots"
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False, env=os.environ)
    assert ended.returncode == -signal.SIGKILL
    assert read_talks(path_of(path)) == {(123, 456): Doubt((7,), "> DATA")}


async def test_a_long_conversation_keeps_its_ends(tmp_path: Path) -> None:
    """Fifty recipients with long answers: how it began and how it ended is there, and says that something is not."""
    lines = ["* mx.example.com"] + [f"< 250 {number} {'x' * 300}" for number in range(100)] + ["> DATA", "< 354 go"]
    talks = Talks(tmp_path / "1.talks")
    await talks.write(0, (1, 1), Doubt(tuple(range(50)), "\n".join(lines)))
    talk = read_talks(tmp_path / "1.talks")[1, 1].talk.split("\n")
    assert talk[:2] == lines[:2]
    assert talk[-2:] == lines[-2:]
    assert talk.count("* (some lines are left out)") == 1
    assert (tmp_path / "1.talks").stat().st_size <= RECORD
    talks.close()


def test_a_host_that_talks_without_end_is_cut_short() -> None:
    """What is kept in memory and history is what a record holds."""
    lines = ["* mx.example.com", *["< 250-" + "x" * 1990] * 1000, "> DATA"]
    kept = fitting(lines)
    assert len(kept) < RECORD
    assert kept.startswith("* mx.example.com\n")
    assert kept.endswith("\n> DATA")
    assert fitting(lines[:2]) == "\n".join(lines[:2])


@given(
    st.lists(st.text(st.characters(blacklist_characters="\n"), max_size=50), min_size=1, max_size=30),
    st.integers(40, 500),
)
def test_it_always_fits(lines: list[str], octets: int) -> None:
    """Whole where there is room; else lines of it and the remark, in their order, and never half a line."""
    kept = _cut(lines, octets)
    assert len(kept) <= octets
    whole = "\n".join(lines).encode("utf-8", "replace")
    if len(whole) < octets:
        assert kept == whole
    else:
        known = [line.encode("utf-8", "replace") for line in lines] + [b"* (some lines are left out)"]
        assert all(line in known for line in kept.split(b"\n"))
