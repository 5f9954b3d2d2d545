"""Addresses with which TLS has failed, and that get their mail in the clear for an hour: all workers of the host know
them (spool/tls_memory.py), and so does the next one after a restart.

Only where a host's mail may go in the clear at all is this asked. After that hour TLS is tried again.
"""

import time

from hedwig.spool.receivers import Sharing
from hedwig.spool.tls_memory import BrokenTls, broken_addresses, remember_broken

MEMORY = 3600.0  # seconds


class BrokenAddresses:
    """Of one worker."""

    def __init__(self, spool: Sharing) -> None:
        self._spool = spool
        self._known: dict[str, BrokenTls] = {}

    def look(self) -> None:
        """See what all workers know. Blocks. SpoolTrouble."""
        now = time.time()
        own = {address: each for address, each in self._known.items() if each.until > now}
        self._known = own | broken_addresses(self._spool, now)

    def why(self, address: str) -> str:
        """How TLS failed there within the hour; "" if nothing is known of that."""
        known = self._known.get(address)
        return known.reason if known is not None and known.until > time.time() else ""

    def remember(self, address: str, reason: str) -> None:
        """TLS has just failed there. What can't be written is known here all the same."""
        known = self._known[address] = BrokenTls(address, time.time() + MEMORY, reason)
        remember_broken(self._spool, known)
