"""Slots: the connections that a receiver allows, shared by all workers of this host (DESIGN: sites/HASH/K).

A connection to a receiver needs one of its slots: a file RUN_DIR/sites/HASH/K that is flocked for as long as the
connection lives. The kernel gives a slot back when its process ends, however it ends; no clock takes part. The name of
a receiver never becomes a path (I11): its hash does.

How they are divided: no worker takes more than its share while others run (`fair`), so that each of them, which gets
its part of the mail from the queue, can send it.
"""

import fcntl
import hashlib
import os
from collections import defaultdict
from pathlib import Path

from hedwig.spool.turn import share


class Slots:
    """All slots of one worker. OSError where RUN_DIR can't be used."""

    def __init__(self, run_dir: str) -> None:
        self._sites = Path(run_dir) / "sites"
        self._workers = Path(run_dir) / "workers"
        self._held: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
        self._running = 1

    def take(self, receiver: str, source: str, most: int) -> int | None:
        """One of the `most` slots of that receiver for mail from that source; None where all are taken."""
        key = (receiver, source)
        held = self._held[key]
        folder = self._folder(receiver, source)
        for slot in range(most):
            if slot not in held and (handle := _locked(folder, slot)) is not None:
                held[slot] = handle
                return slot
        if not held:
            del self._held[key]
        return None

    def give(self, receiver: str, source: str, slot: int) -> None:
        """The connection is gone."""
        key = (receiver, source)
        os.close(self._held[key].pop(slot))
        if not self._held[key]:
            del self._held[key]

    def in_use(self, receiver: str, source: str) -> int:
        """How many of its slots are taken now, by whichever process. Makes nothing; who wants a slot just while it is
        looked at takes the next one."""
        return sum(map(_is_locked, self._folder(receiver, source).glob("*")))

    def workers(self) -> int:
        """How many workers run now; makes nothing."""
        return sum(map(_is_locked, self._workers.glob("*")))

    def fair(self, most: int) -> int:
        """A worker's share of so many."""
        return max(1, -(-most // self._running))

    def count_workers(self) -> None:
        """Look how many workers run now."""
        self._running = max(1, self.workers())

    def _folder(self, receiver: str, source: str) -> Path:
        return self._sites / hashlib.sha256(f"{receiver}\0{source}".encode()).hexdigest()[:32]


def _locked(folder: Path, slot: int) -> int | None:
    """The slot's handle, with its lock; None where another has it. What root's command makes is the workers', too."""
    path = folder / str(slot)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        share(str(folder), str(folder.parent))
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    share(str(path), str(folder))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _is_locked(path: Path) -> bool:
    """Whether somebody holds that file's lock. A shared lock asks, so that two who ask don't see each other."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
