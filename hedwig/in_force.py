"""The settings that a daemon works with, over its reloads.

Most keys of a file take effect at a reload; some (hedwig/settings: `at_start`) can't be changed under a running daemon,
such as `spool`. For these the value of the start stays in force, and log and status say so until the file agrees again
or the daemon is started anew.
"""

from dataclasses import replace
from typing import Generic, TypeVar

from hedwig import log
from hedwig.settings import Mailman, Postoffice, Worker, needs_restart

S = TypeVar("S", Mailman, Postoffice, Worker)


class InForce(Generic[S]):
    """`settings`: as they are in force now. For one thread; others may read."""

    def __init__(self, started_with: S) -> None:
        self._started_with: S = started_with
        self._waiting: list[str] = []
        self.settings: S = started_with

    @property
    def trouble(self) -> str:
        """What waits for a restart, for the status; "" for nothing."""
        return f"{', '.join(self._waiting)}: changed in the file, needs a restart" if self._waiting else ""

    def take(self, new: S) -> S:
        """Settings that were read again; as they are in force from now on."""
        started_with = self._started_with
        self._waiting = needs_restart(started_with, new)
        for name in self._waiting:
            text = f"{name} has changed in the file; it takes effect at the next start"
            log.event(log.Matter.NEEDS_RESTART, text, log.Level.WARNING, reason=name)
        taken: S = replace(new, **{name: getattr(started_with, name) for name in self._waiting})
        self.settings = taken
        return taken
