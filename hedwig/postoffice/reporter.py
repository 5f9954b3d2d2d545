"""What `systemctl status hedwig-postoffice` shows: what was accepted, how much is queued, what is wrong.

A thread of its own tells it every few seconds: counting a million waiting deliveries takes 40 ms, which no client
should wait for.
"""

import threading
from collections.abc import Callable

from hedwig.spool import Look, SpoolTrouble
from hedwig.supervisor import Supervisor

ROUND = 5.0  # seconds


class Reporter:
    """`done` and `troubles` give words that need no spool: what was done, and what is wrong ("" for nothing)."""

    def __init__(
        self, supervisor: Supervisor, look: Look, done: Callable[[], str], troubles: Callable[[], list[str]]
    ) -> None:
        self._supervisor = supervisor
        self._look = look
        self._done = done
        self._troubles = troubles
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Say no more."""
        self._stopping.set()
        self._thread.join(ROUND)

    def words(self) -> str:
        """The whole line."""
        try:
            queued = f"{self._look.depth()} queued"
        except SpoolTrouble as trouble:
            queued = f"the spool can't be read: {trouble}"
        return "; ".join(part for part in (self._done(), queued, *self._troubles()) if part)

    def _run(self) -> None:
        while not self._stopping.wait(ROUND):
            words = self.words()
            if not self._stopping.is_set():
                self._supervisor.status(words)
