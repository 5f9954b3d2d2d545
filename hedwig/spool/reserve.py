"""The reserve: octets beside the spool that are given up when its disk is full, so that outcomes can be written.

Who can't record a delivery sends it again after a restart (I4, I5). So `PATH.reserve` keeps SIZE octets allocated (a
sixteenth of a small disk). When the disk is full for a job that carries on or ends what is in the spool already, the
writer gives them up and tries that job once more. New mail must not eat them: it is refused while less than that is
free (I8). So on a disk that hedwig itself fills, as much again is left for the claims and outcomes of what lies there.

The file comes back by itself when there is twice its room. A process makes it only after SETTLED seconds of life:
commands that look in for a moment, and short tests, leave none.

How it fails: another program may be quicker to take what was given up. Outcomes then wait in their worker's memory.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from hedwig.spool import SpoolFull
from hedwig.spool.turn import share

SIZE = 8 << 20
SETTLED = 5.0


class Reserve:
    """One a process; `keep` and `spend` are for the writer's thread, in its turn. `clock` is monotonic."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._spool = path
        self._file = Path(f"{path}.reserve")
        self._folder = Path(path).absolute().parent
        self._clock = clock
        self._since = clock()

    def room(self, octets: int) -> None:
        """See that `octets` of new mail may come: SpoolFull where they would leave too little. Some 3 µs."""
        free, size = self._measure()
        if free - octets < size:
            left = f"{free >> 20} MiB are left, which are kept for what is in the spool"
            raise SpoolFull(f"the disk under {self._spool} is full ({left}): free some space, it goes on by itself")

    def keep(self) -> None:
        """Make the file where it is missing and there is room for it."""
        if self._clock() - self._since < SETTLED or (self._file.exists() and self._file.stat().st_size):
            return
        free, size = self._measure()
        if free < 2 * size:
            return
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:  # full in this very moment, or a file system that can't: then there is none
            self._file.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
        if self._file.exists():
            share(str(self._file), self._spool)

    def spend(self) -> bool:
        """Give the octets up; whether there were any."""
        try:
            self._file.unlink()
        except OSError:  # it was spent before; or the disk is read-only, and nothing helps
            return False
        return True

    def _measure(self) -> tuple[int, int]:
        """What is free, and the size of the reserve on this disk; both in octets."""
        state = os.statvfs(self._folder)
        return state.f_bavail * state.f_frsize, min(SIZE, state.f_blocks * state.f_frsize >> 4)
