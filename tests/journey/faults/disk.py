"""A small disk of a daemon's own: a tmpfs in a mount namespace, which can be filled and emptied while it is in use.

The test's own thread moves into a mount namespace, once, and stays there: what is mounted later is seen by it and by
the processes that it starts, and by nobody else on this machine.
"""

import ctypes
import errno
import functools
import os
import subprocess
from pathlib import Path

from ..network import tool

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS, linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


@functools.cache
def _own_mounts() -> None:
    """Give this thread a mount namespace. The files stay where they are, so nothing else of the test run notices."""
    if _libc.unshare(_NEW_MOUNTS) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"unshare: {os.strerror(error)}; run the tests as root or under `unshare -r`")
    _run("mount", "--make-rprivate", "/")


def _run(name: str, *arguments: str) -> None:
    done = subprocess.run([tool(name), *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{name} {' '.join(arguments)}: {done.stderr}"


class Disk:
    """A tmpfs of `size` octets on `folder`, which must be empty."""

    def __init__(self, folder: Path, size: int) -> None:
        _own_mounts()
        self.folder = folder
        self._ballast = folder / "ballast"
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder))

    @property
    def left(self) -> int:
        """Octets that are free."""
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Somebody else's file takes all but `leave` octets."""
        with self._ballast.open("ab") as ballast:
            while (left := self.left - leave) > 0:
                try:
                    os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, left)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        """The operator has made room."""
        self._ballast.unlink()

    def read_only(self, yes: bool = True) -> None:
        """Nobody may have a file open for writing on it."""
        _run("mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(self.folder))

    def close(self) -> None:
        """Take it away, even from processes that still use it."""
        _run("umount", "--lazy", str(self.folder))
