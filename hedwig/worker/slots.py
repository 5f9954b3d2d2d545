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
        folder = self._sites / hashlib.sha256(f"{receiver}\0{source}".encode()).hexdigest()[:32]
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

    def fair(self, most: int) -> int:
        """A worker's share of so many."""
        return max(1, -(-most // self._running))

    def count_workers(self) -> None:
        """Look how many workers run now."""
        running = 0
        for path in self._workers.glob("*"):
            if (handle := _locked(self._workers, path.name)) is None:
                running += 1
            else:
                os.close(handle)
        self._running = max(1, running)


def _locked(folder: Path, name: int | str) -> int | None:
    """The file's handle, with its lock; None where another has it."""
    path = folder / str(name)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
