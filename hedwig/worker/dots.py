"""Dot marks: which messages were on the point of being handed over (I5).

Before the final dot of a message goes out, the worker writes (delivery, token) into its own file with one pwrite of
16 bytes. The page cache survives the death of the process, SIGKILL included. When a dead worker's claims are freed, a
claim with a mark and without a settlement may have been delivered: it is in doubt. Where a client's policy asks for
more, the mark is a record in a file beside this one (talks.py), which survives a power cut.

A mark needs no erasing: once its claim is settled the token is nobody's any more, and the slot is used again. Slots for
all that a worker may have claimed are allocated at its start, so that a disk that becomes full stops no mark.
"""

import os
import struct
from contextlib import suppress
from pathlib import Path

from hedwig.spool import Doubt
from hedwig.worker import talks

_RECORD = struct.Struct("<qq")
_SLOTS = 8192  # more than the bag may hold


def path_of(state_dir: str, number: str) -> Path:
    """The file of worker `number`."""
    return Path(state_dir) / f"{number}.dots"


def read_marks(path: Path) -> frozenset[tuple[int, int]]:
    """All (delivery, token) in a file; none where there is no file. A torn last record is left out."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return frozenset()
    whole = len(content) - len(content) % _RECORD.size
    return frozenset((delivery, token) for delivery, token in _RECORD.iter_unpack(content[:whole]) if token)


class DotMarks:
    """The running worker's file. Not thread-safe: it belongs to the event loop."""

    def __init__(self, path: Path) -> None:
        """Begin with no marks: the caller has freed the claims that the old ones were about."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with suppress(OSError):  # the disk is full already: then a mark that finds no room puts its letter off (I8)
            os.posix_fallocate(self._file, 0, _SLOTS * _RECORD.size)
        self._talks = talks.Talks(talks.path_of(path))
        self._free: list[int] = []
        self._slots = 0

    def mark(self, delivery: int, token: int) -> int:
        """Write the mark; returns its slot, which stays taken until `release`."""
        slot = self._take()
        os.pwrite(self._file, _RECORD.pack(delivery, token), slot * _RECORD.size)
        return slot

    async def mark_durably(self, delivery: int, token: int, doubt: Doubt) -> int:
        """The same, on disk when this returns, with what else is known (talks.py). OSError: it can't be."""
        slot = self._take()
        try:
            await self._talks.write(slot, (delivery, token), doubt)
        except BaseException:
            self.release(slot)
            raise
        return slot

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        self._slots += 1
        return self._slots - 1

    def release(self, slot: int) -> None:
        """The claim's settlement is on disk: the slot may be used again."""
        self._free.append(slot)

    def close(self) -> None:
        """Close the files; what is written stays for whoever frees this worker's claims."""
        self._talks.close()
        os.close(self._file)
