"""Clients with an unknown name or a wrong key (401), as the journal tells of them.

A mailman whose key was revoked asks every few seconds, for days; a script that tries keys asks a thousand times a
second. So a name from an address has one line a minute, with the number of those that had none; and an address that
comes under ever new names has no more than quiet.LINES of them.
"""

import threading
from collections.abc import Callable

from hedwig import log
from hedwig.postoffice.submission import shown
from hedwig.quiet import Quiet


class Strangers:
    """For many threads. `clock` is Unix time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._names = Quiet(lines=1)
        self._addresses = Quiet()

    def tell(self, fqdn: str, peer: str) -> None:
        """Somebody said to be `fqdn`, and was not."""
        name = shown(fqdn)  # cut short: what is remembered is bounded too
        now = self._clock()
        with self._lock:
            speaks, silent = self._names.may_speak(f"{name} {peer}", now)
            if not speaks:
                return
            speaks, unheard = self._addresses.may_speak(peer, now)
        if not speaks:
            return
        more = f" ({silent + unheard} more in the minute before)" if silent + unheard else ""
        text = f"401: fqdn {name} from {peer}: no such client, or a wrong key{more}"
        log.event(log.Matter.STRANGER, text, log.Level.WARNING, client=name, peer=peer)
