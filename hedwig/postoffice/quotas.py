"""Who has sent how much: quotas are asked and charged here, before a letter is registered.

Counts come from the spool once and go on in memory; the spool has each letter's own with the letter (spool/usage.py).
A letter is charged when it passes, so that of many threads none lets one too many through, and given back where it is
not accepted after all (a repeat, a conflict, a full disk). What a crash leaves is what the spool has.

A container is known by its name, where mailman was told that, or else by its address.
"""

import threading
from collections.abc import Callable, Iterable, Sequence

from hedwig.options import submitter_of
from hedwig.policy import Refused, over_quota
from hedwig.quota import SLOT, Counter, slot_of
from hedwig.settings import Client
from hedwig.spool.usage import Used

Names = tuple[str, str]  # client, container
_UNNAMED = "?"  # all containers that nobody names are one: else leaving out the name would leave out the quota


class Quotas:
    """For many threads. `load` gives what counts, from the spool; SpoolTrouble of it comes through."""

    def __init__(self, load: Callable[[float], Sequence[Used]]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._counters: dict[Names, Counter] | None = None
        self._tidied = 0.0

    def charge(self, client: Client, submitter: str | None, recipients: int, now: float) -> tuple[str, ...] | Refused:
        """Count one letter to so many, if there is room; under which names, for `give_back` and the spool. `submitter`:
        None where it is no container's, but mailman's own."""
        if not client.quota and (submitter is None or not client.container_quota):
            return ()
        contained = client.container_quota and submitter is not None
        container = (submitter_of(submitter or "").name or _UNNAMED) if contained else ""
        with self._lock:
            counters = self._read(now)
            host = counters.setdefault((client.fqdn, ""), Counter())
            own = counters.setdefault((client.fqdn, container), Counter()) if container else None
            refused = over_quota(client, (host, own), recipients, now)
            if refused:
                return refused
            slot = slot_of(now)
            host.add(slot, 1, recipients)
            if own is not None:
                own.add(slot, 1, recipients)
        return ("", container) if container else ("",)

    def give_back(self, client: str, charges: Iterable[str], recipients: int, when: float) -> None:
        """It was not accepted."""
        with self._lock:
            for container in charges:
                counter = (self._counters or {}).get((client, container))
                if counter is not None:
                    counter.add(slot_of(when), -1, -recipients)

    def _read(self, now: float) -> dict[Names, Counter]:
        if self._counters is None:
            counters: dict[Names, Counter] = {}
            for slot, client, container, messages, recipients in self._load(now):
                counters.setdefault((client, container), Counter()).add(slot, messages, recipients)
            self._counters = counters
        if abs(now - self._tidied) >= SLOT:
            self._tidied = now
            for counter in self._counters.values():
                counter.forget(now)
            self._counters = {names: counter for names, counter in self._counters.items() if counter.slots}
        return self._counters
