"""Whether the postoffice answers: one view, shared by the lanes and the backlog of a mailman.

A new mailman believes that it does. The first request without a verdict says otherwise; from then on only the backlog
asks, one probe at a time, and its first verdict opens the link again. A wrong key (401) is told apart: it is an alert
for the operator, and expires nothing.
"""

import threading

from hedwig import log
from hedwig.mailman.client import NoVerdict

UNAUTHORISED = 401


class Link:
    """Thread-safe. `generation` counts the reloads of settings: clients made before the last one are out of date."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_up = True
        self.wrong_key = False
        self.why = ""
        self.generation = 0
        self.changed = threading.Event()

    def up(self) -> None:
        """A verdict came."""
        with self._lock:
            was_down, self.is_up = not self.is_up, True
            self.why, self.wrong_key = "", False
        if was_down:
            log.say(log.Level.NOTICE, "the postoffice answers again: what waits in the spool is sent on")

    def no_verdict(self, trouble: NoVerdict) -> None:
        """A request ended without a verdict: the link is down, unless the postoffice did answer and could not read this
        one message; the others must not wait for that."""
        if trouble.whole_batch:
            log.say(log.Level.ERROR, f"a message waits in this host's spool: {trouble}")
            return
        self._down(trouble)

    def _down(self, trouble: NoVerdict) -> None:
        with self._lock:
            news = str(trouble) != self.why
            self.is_up, self.why = False, str(trouble)
            self.wrong_key = trouble.status == UNAUTHORISED
        if news:
            level = log.Level.ALERT if self.wrong_key else log.Level.WARNING
            mend = "; compare fqdn and key in mailman.yml with `hedwig key list` there" if self.wrong_key else ""
            log.say(level, f"{trouble}{mend}: new mail waits in this host's spool")
        self.changed.set()

    def reloaded(self) -> None:
        """URL, key or CA may be others now: ask again at once."""
        with self._lock:
            self.generation += 1
            self.is_up = True
        self.changed.set()
