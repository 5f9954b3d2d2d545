"""Slots: the connections that a receiver allows, shared by all workers of this host.

A connection to a receiver needs one of its slots: an octet of the file RUN_DIR/slots that is locked for as long as the
connection lives. The kernel gives a slot back when its process ends, however it ends; no clock takes part. The locks
are of the open file (F_OFD_SETLK, fcntl(2)); the file itself stays empty, however many receivers there are. Where in it
a receiver's slots lie is a hash of its name, so no name becomes a path (I11).

How they are divided: while others run, no worker takes more than its `share`, so that each of them, which gets its part
of the mail from the queue, can send it. All shares together are what the receiver allows, if that is one for each.
"""

import fcntl
import hashlib
import os
import struct
import zlib
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from hedwig.spool.turn import share

_FLOCK = struct.Struct("hhqqi")  # struct flock with 64-bit offsets: type, whence, start, length, process
_BITS = 10  # of a place, for the slots of one receiver; more than a host has connections to one


class Slots:
    """All slots of the worker `number`. OSError where RUN_DIR can't be used."""

    def __init__(self, run_dir: str, number: str = "") -> None:
        self._path = Path(run_dir) / "slots"
        self._workers = Path(run_dir) / "workers"
        self._number = number
        self._file: int | None = None
        self._held: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._running = [number]

    def take(self, receiver: str, source: str, most: int) -> int | None:
        """The first of the `most` slots of that receiver for mail from that source that is free; None: none is."""
        held = self._held.get((receiver, source), ())
        place = _place(receiver, source)
        for slot in range(most):
            if slot not in held and self._lock(fcntl.F_WRLCK, place + slot):
                self._held[receiver, source].add(slot)
                return slot
        return None

    def give(self, receiver: str, source: str, slot: int) -> None:
        """The connection is gone."""
        held = self._held[receiver, source]
        held.discard(slot)
        if not held:
            del self._held[receiver, source]
        self._lock(fcntl.F_UNLCK, _place(receiver, source) + slot)

    def others(self, receiver: str, source: str) -> bool:
        """Whether other workers have any of these."""
        return self._others_have(_place(receiver, source), 1 << _BITS)

    def in_use(self, receiver: str, source: str) -> int:
        """How many of these are taken now, by whichever process. Makes nothing, and is in nobody's way."""
        own = len(self._held.get((receiver, source), ()))
        if self._file is None and not self._path.exists():
            return own
        place = _place(receiver, source)
        if not self._others_have(place, 1 << _BITS):
            return own
        return own + sum(self._others_have(place + slot, 1) for slot in range(1 << _BITS))

    def workers(self) -> int:
        """How many workers run now."""
        return sum(map(_is_locked, self._workers.glob("*")))

    def share(self, receiver: str, most: int) -> int:
        """This worker's part of so many."""
        each, left = divmod(most, len(self._running))
        turn = (self._running.index(self._number) + zlib.crc32(receiver.encode())) % len(self._running)
        return max(1, each + (turn < left))

    def count_workers(self) -> None:
        """Look which workers run now. Any thread may do so."""
        running = {self._number} | {path.name for path in self._workers.glob("*") if _is_locked(path)}
        self._running = sorted(running)

    def close(self) -> None:
        """Give all back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _others_have(self, place: int, slots: int) -> bool:
        wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, slots, 0)
        found = fcntl.fcntl(self._open(), fcntl.F_OFD_GETLK, wanted)
        return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)

    def _lock(self, kind: int, place: int) -> bool:
        wanted = _FLOCK.pack(kind, os.SEEK_SET, place, 1, 0)
        try:
            fcntl.fcntl(self._open(), fcntl.F_OFD_SETLK, wanted)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: another has it
            return False
        return True

    def _open(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            share(str(self._path), str(self._path.parent))  # what root's command makes is the workers', too
        return self._file


def _place(receiver: str, source: str) -> int:
    digest = hashlib.sha256(f"{receiver}\0{source}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> (_BITS + 2)) << _BITS


def _is_locked(path: Path) -> bool:
    """Whether the worker of that lock runs. The lock that is tried here is a shared one: two who look at a time do not
    take each other for it."""
    with suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
