"""Sites: where the backlog lies, and how it goes there lately; for `hedwig top`. Reads only.

All that waits is counted by one walk over an index (some 80 ms with a million deliveries); the rest is asked for the
sites that are shown. The oldest delivery of a site is looked for among the OLDEST_AMONG oldest of all first: a large
site has one there, and a small one is quickly walked by its own index. How it goes is told by the newest LATELY
seconds or RECENT events of the history, whichever is less; where these say nothing of a site's last error, the reply
to the delivery that is due last does, which is one of the latest.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hedwig.spool.history import Line, text_of
from hedwig.spool.operate import Backlog, SiteRow
from hedwig.spool.words import Kind

LATELY = 300.0  # seconds
RECENT = 4000  # events
OLDEST_AMONG = 20_000

_WAITS = "token IS NULL AND state <> 'held'"
_WAITING = f"SELECT destination, count(*) FROM deliveries INDEXED BY waiting WHERE {_WAITS} GROUP BY destination"  # noqa: S608 (constants only)
_ACTIVE = "SELECT destination, count(*) FROM deliveries INDEXED BY active WHERE token IS NOT NULL GROUP BY destination"
_HELD = "SELECT destination, count(*) FROM deliveries INDEXED BY held_sites WHERE state = 'held' GROUP BY destination"
_AMONG = """
SELECT delivery FROM (SELECT delivery, destination FROM deliveries WHERE token IS NULL AND state <> 'held'
    ORDER BY delivery LIMIT ?) WHERE destination = ? LIMIT 1"""
_OLDEST = f"SELECT min(delivery) FROM deliveries INDEXED BY waiting WHERE {_WAITS} AND destination = ?"  # noqa: S608 (constants only)
_ACCEPTED = "SELECT m.accepted_at FROM deliveries d CROSS JOIN messages m ON m.message = d.message WHERE d.delivery = ?"
_LAST_DUE = f"""
SELECT delivery FROM deliveries INDEXED BY waiting WHERE {_WAITS} AND destination = ? AND due > 0
ORDER BY priority DESC, due DESC LIMIT 1"""  # noqa: S608 (constants only)
_REPLY = "SELECT last_reply FROM recipients WHERE delivery = ? AND last_reply <> '' LIMIT 1"
_RATED = {Kind.DELIVERED: 0, Kind.DEFERRED: 1, Kind.FAILED: 2, Kind.EXPIRED: 2}
_ERRORS = frozenset({Kind.DEFERRED, Kind.FAILED, Kind.EXPIRED, Kind.IN_DOUBT})


@dataclass(slots=True)
class Lately:
    """What the newest events say. `rates`: delivered, deferred, failed a minute, by site. `errors`: the newest of each
    site, with its time. `seconds`: how long a time they cover."""

    seconds: float = 0.0
    rates: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, tuple[float, str]] = field(default_factory=dict)


def lately(lines: Sequence[Line], now: float) -> Lately:
    """From the newest lines of the history, the newest last."""
    found = Lately()
    known = [line for line in lines if now - LATELY <= line[0] <= now + 1]
    if not known:
        return found
    found.seconds = LATELY if len(known) < len(lines) else max(now - known[0][0], 1.0)
    counts: dict[str, Counter[int]] = {}
    sites: dict[str, str] = {}
    for line in known:
        kind, rcptto = line[3], line[4]
        if not rcptto or kind not in _ERRORS | _RATED.keys():
            continue
        domain = rcptto.rpartition("@")[2]
        site = sites.get(domain) or sites.setdefault(domain, _site_of(rcptto, domain))
        if kind in _RATED:
            counts.setdefault(site, Counter())[_RATED[Kind(kind)]] += 1
        if kind in _ERRORS:
            found.errors[site] = (line[0], text_of(line))
    minutes = found.seconds / 60
    found.rates = {site: [count[column] / minutes for column in range(3)] for site, count in counts.items()}
    return found


def _site_of(rcptto: str, domain: str) -> str:
    if domain.isascii() and not domain.startswith("["):
        return domain.lower()
    from hedwig.address import Address, AddressError  # it takes a while to load

    try:
        return Address.parse(rcptto).destination
    except AddressError:  # an address that an older release took
        return domain.lower()


def backlog(db: sqlite3.Connection, limit: int, recent: Lately) -> Backlog:
    """See Operate."""
    waiting, active, held = (Counter(dict(db.execute(query))) for query in (_WAITING, _ACTIVE, _HELD))
    largest = (waiting + active + held).most_common(limit)
    rows = tuple(_row(db, site, (waiting[site], active[site], held[site]), recent) for site, _ in largest)
    delivered, deferred, failed = (sum(rates[column] for rates in recent.rates.values()) for column in range(3))
    totals = waiting.total(), active.total(), held.total()
    return Backlog(*totals, delivered, deferred, failed, recent.seconds, rows)


def _row(db: sqlite3.Connection, site: str, counts: tuple[int, int, int], recent: Lately) -> SiteRow:
    waiting, active, held = counts
    oldest = _first(db, _AMONG, (OLDEST_AMONG, site)) or _first(db, _OLDEST, (site,)) if waiting else None
    accepted = _first(db, _ACCEPTED, (oldest,)) if oldest else None
    delivered, deferred, failed = recent.rates.get(site, (0.0, 0.0, 0.0))
    at, error = recent.errors.get(site, (0.0, ""))
    if not error and waiting:
        error = str(_first(db, _REPLY, (_first(db, _LAST_DUE, (site,)),)) or "")
    return SiteRow(site, waiting, active, held, float(accepted or 0), delivered, deferred, failed, error, at)


def _first(db: sqlite3.Connection, query: str, values: Iterable[object]) -> float | str | None:
    row = db.execute(query, tuple(values)).fetchone()
    return row[0] if row else None


def unmoved(rows: Iterable[tuple[int, str]]) -> list[Line]:
    """The lines of rows of `happened`, as they lie in the spool."""
    return [tuple(line) for _, text in rows for line in json.loads(text)]
