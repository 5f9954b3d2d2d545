"""The spool of a daemon that takes mail: its own, locked, and open as soon as its disk allows.

mailman and postoffice must answer whoever connects, also while the disk is full or read-only when they start: "not now"
(I8), with the reason in log and status, and they must go on by themselves when that is over. So a trouble that may pass
ends no start. The spool is given out all the same; each call of it raises SpoolTrouble, and a thread tries to open it
every second. Until then nobody writes: the owner's lock (I12) is a file on the same disk.

What won't pass does end the start, in a sentence: another process has the spool, the file is damaged or no spool, a
newer release has reshaped it, its folder or a permission is missing.
"""

import threading
import time
from collections.abc import Callable

from hedwig.spool import SpoolTrouble
from hedwig.spool.examine import examined
from hedwig.spool.owner import Lock
from hedwig.spool.sqlite import SqliteSpool
from hedwig.spool.trouble import may_pass, trouble

RETRY = 1.0  # seconds between attempts
ENDING = 5.0  # seconds for an attempt under way when the spool is closed


class InUse(SpoolTrouble):
    """Another process of the same kind has this spool."""


def open_own(path: str, lock: Lock, daemon: str) -> SqliteSpool:
    """The spool at `path` for `daemon` alone, made where there is none. `lock`: its owner's; held once it is open.

    Raises InUse, or SpoolTrouble for what won't pass.
    """
    own = _Own(path, lock, daemon)
    try:
        own.open()
    except SpoolTrouble as error:
        if not may_pass(error):
            raise
        return SqliteSpool(path, time.time, Opening(own.open, error), keeper=True)
    return SqliteSpool(path, time.time, keeper=True)


class _Own:
    """What it takes to have the spool; `open` may be called until it raises nothing."""

    def __init__(self, path: str, lock: Lock, daemon: str) -> None:
        self._path = path
        self._lock = lock
        self._daemon = daemon
        self._has_lock = False

    def open(self) -> None:
        """Lock it, and see that it can be used; or SpoolTrouble."""
        try:
            self._has_lock = self._has_lock or self._lock.take()
        except OSError as error:
            raise trouble(error, self._path) from error
        if not self._has_lock:
            raise InUse(f"another {self._daemon} uses {self._path}: it holds {self._lock.path}")
        examined(self._path, create=True)


class Opening:
    """A thread that calls `attempt` until it raises no SpoolTrouble. `trouble`: why it did last, at first `began`; None
    once it is over."""

    def __init__(self, attempt: Callable[[], None], began: SpoolTrouble, retry: float = RETRY) -> None:
        self.trouble: SpoolTrouble | None = began
        self._attempt = attempt
        self._retry = retry
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-opening", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise the trouble, if there is one."""
        trouble = self.trouble
        if trouble is not None:
            raise type(trouble)(*trouble.args)  # another one each time: many threads would share its traceback

    def close(self) -> None:
        """Try no more."""
        self._stop.set()
        self._thread.join(ENDING)

    def _run(self) -> None:
        while not self._stop.wait(self._retry):
            try:
                self._attempt()
            except SpoolTrouble as error:
                self.trouble = error
            else:
                self.trouble = None
                return
