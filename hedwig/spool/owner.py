"""Who holds which claims: an owner's name and its lock (I12).

Worker N of a host is the owner "host/N" of its claims, and holds a flock on RUN_DIR/workers/N for life; a mailman is
the owner "host/0" in its own spool, with a lock beside that. The kernel gives the lock back when the process ends,
however it ends; so whoever obtains the lock of another owner knows that it is dead, and may free its claims. No clock
takes part in this.
"""

import fcntl
import os
import socket
from pathlib import Path


class Lock:
    """The flock of one owner. `take` again after `give_back` is allowed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> bool:
        """Try to obtain the lock at once; True if it is ours now. OSError where the folder can't be used."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._file = handle
        return True

    def give_back(self) -> None:
        """Release it; the file stays, since removing it would let two processes lock two files of one name."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def path(self) -> str:
        """For messages to the operator."""
        return str(self._path)


def worker_lock(run_dir: str, number: str) -> Lock:
    """The lock of worker `number`."""
    return Lock(Path(run_dir) / "workers" / number)


def owner_name(number: str) -> str:
    """The owner of this host's worker `number`."""
    return f"{socket.gethostname()}/{number}"


def number_of(owner: str) -> str | None:
    """The worker's number in an owner's name. Only digits: no name becomes a path (I11).

    The host in the name is for the reader. A SQLite spool belongs to one machine, so every owner in it has its lock
    here, also one from before the machine was renamed.
    """
    number = owner.rpartition("/")[2]
    return number if number.isascii() and number.isdigit() else None
