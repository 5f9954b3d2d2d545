"""Known names: to which sites mail goes, and from which clients it comes, as far as spool and history tell; so that a
misspelled name is noticed before anything is done by it. Reads only.

Clients are those of the last 30 days (`seen`). Sites are those to which something waits, or went lately: the history
is asked as far back as a second of looking takes one.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable

from hedwig.address import Address, AddressError

MOST = 20_000  # names
LOOK = 1.0  # seconds

_CLIENTS = """
WITH RECURSIVE known (name) AS (
    SELECT min(client) FROM seen
    UNION ALL SELECT (SELECT min(client) FROM seen WHERE client > known.name) FROM known WHERE known.name IS NOT NULL)
SELECT name FROM known WHERE name IS NOT NULL LIMIT ?"""
_WAITING = """
WITH RECURSIVE known (name) AS (
    SELECT min(destination) FROM deliveries INDEXED BY waiting WHERE token IS NULL AND state <> 'held'
    UNION ALL SELECT (SELECT min(destination) FROM deliveries INDEXED BY waiting
        WHERE token IS NULL AND state <> 'held' AND destination > known.name) FROM known WHERE known.name IS NOT NULL)
SELECT name FROM known WHERE name IS NOT NULL LIMIT ?"""
_HELD = "SELECT DISTINCT destination FROM deliveries INDEXED BY held_sites WHERE state = 'held' LIMIT ?"
_ACTIVE = "SELECT DISTINCT destination FROM deliveries INDEXED BY active WHERE token IS NOT NULL LIMIT ?"


def clients(db: sqlite3.Connection) -> set[str]:
    """A seek for each."""
    return {name for (name,) in db.execute(_CLIENTS, (MOST,))}


def sites(db: sqlite3.Connection) -> set[str]:
    """With something waiting, held or under way. A seek for each; what is held or under way is walked over."""
    return {name for query in (_WAITING, _HELD, _ACTIVE) for (name,) in db.execute(query, (MOST,))}


def sites_of(rcpttos: Iterable[str], until: float, running: Callable[[], float] = time.monotonic) -> set[str]:
    """The sites of these, as far as there is time for them: `until` is of the monotonic clock `running`."""
    found: dict[str, str] = {}  # by domain
    for rcptto in rcpttos:
        domain = rcptto.rpartition("@")[2]
        if domain not in found:
            found[domain] = _site_of(rcptto, domain)
            if len(found) > MOST or running() > until:
                break
    return set(found.values())


def _site_of(rcptto: str, domain: str) -> str:
    try:
        return Address.parse(rcptto).destination
    except AddressError:  # an address that an older release took
        return domain.lower()
