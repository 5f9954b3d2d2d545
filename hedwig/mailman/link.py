"""Whether the postoffice answers: one view, shared by the lanes and the backlog of a mailman.

A new mailman believes that it does. The first request without a verdict says otherwise; from then on only the backlog
asks, one probe at a time, and its first verdict opens the link again. What only the operator can mend is said loudly: a
wrong key (401), or no postoffice configured at all.
"""

import threading

from hedwig import log
from hedwig.mailman.client import NoPostoffice, NoVerdict
from hedwig.settings import Mailman


class Link:
    """Thread-safe. `generation` counts the reloads of settings: clients made before the last one are out of date.
    `changed` is set by what makes it worth asking again at once, never by bad news."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_up = True
        self.why = ""
        self.generation = 0
        self.changed = threading.Event()

    def configured(self, settings: Mailman) -> None:
        """Look at new settings before anything is sent: without a postoffice the link is down from the start."""
        if settings.missing:
            self._down(NoPostoffice(settings.missing))

    def up(self) -> None:
        """A verdict came."""
        with self._lock:
            was_down, self.is_up = not self.is_up, True
            self.why = ""
        if was_down:
            self.changed.set()
            back = "the postoffice answers again: what waits in the spool is sent on"
            log.event(log.Matter.POSTOFFICE_BACK, back, log.Level.NOTICE)

    def no_verdict(self, trouble: NoVerdict) -> None:
        """A request ended without a verdict: the link is down, unless it is about one message only, which the
        postoffice could not read or which was too large to get through in time; the others must not wait for that."""
        if trouble.too_slow:
            log.say(log.Level.WARNING, f"a large message waits in this host's spool: {trouble}")
            return
        if trouble.whole_batch:
            log.say(log.Level.ERROR, f"a message waits in this host's spool: {trouble}")
            return
        self._down(trouble)

    def _down(self, trouble: NoVerdict) -> None:
        with self._lock:
            news = str(trouble) != self.why
            self.is_up, self.why = False, str(trouble)
        if news:
            level = log.Level.ALERT if trouble.operators_turn else log.Level.WARNING
            mend = "; compare fqdn and key in mailman.yml with `hedwig key list` there" if trouble.status == 401 else ""
            text = f"{trouble}{mend}: new mail waits in this host's spool"
            log.event(trouble.matter, text, level, reason=str(trouble))

    def reloaded(self, settings: Mailman) -> None:
        """URL, key or CA may be others now: ask again at once."""
        with self._lock:
            self.generation += 1
            self.is_up, self.why = True, ""
        self.configured(settings)
        self.changed.set()
