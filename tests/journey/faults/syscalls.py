"""A disk that fails one daemon's system calls, by strace: the kernel is never asked, and says what the test wants.

It is attached to a daemon that runs and let go again, so the daemon needs nothing for it and notices nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..network import tool
from ..process import Process
from ..waiting import until

WRITING = "pwrite64,ftruncate,fallocate"
SYNCING = "fsync,fdatasync"
READING = "pread64"


@contextmanager
def failing(daemon: Process, calls: str, error: str, *files: Path) -> Iterator[None]:
    """Meanwhile these calls on these files have this error, in all threads of the daemon."""
    command = [tool("strace"), "-f", "-p", str(daemon.pid), "-o", "/dev/null"]
    for file in files:
        command += ["-P", str(file)]
    command += ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
    tracer = Process("strace", command, daemon.log.with_name("strace.log"))
    tracer.start(lambda: _traced(daemon.pid, tracer.pid))
    try:
        yield
    finally:
        if daemon.alive:
            tracer.stop()
            until("strace to let go", lambda: not _traced(daemon.pid, tracer.pid))
        else:
            tracer.wait()


def _traced(pid: int, by: int) -> bool:
    """Whether all threads of this process are."""
    line = f"TracerPid:\t{by}\n"
    try:
        return all(line in (task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:  # a thread has just ended
        return False


def wal_of(spool: Path) -> Path:
    """SQLite's log of the spool, where a commit is written and synced."""
    return spool.with_name(f"{spool.name}-wal")
