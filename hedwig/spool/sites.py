"""Sites: where the backlog lies, and how it goes there lately; for `hedwig top`. Reads only.

All that waits is counted along one index, site by site: some 65 ms with a million deliveries, which two halves of the
sites side by side share (abreast.py). The oldest deliveries of
the sites that are shown are looked for among the oldest of all: a large site has one there, and a small one is quickly
walked by its own index. How it goes is told by the newest LATELY seconds or RECENT events of the history, whichever is
less; where these say nothing of a site's last error, the reply to the delivery that is due last does, which is one of
the latest.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hedwig.spool.abreast import Beside, middle
from hedwig.spool.history import Line, text_of
from hedwig.spool.operate import Backlog, SiteRow
from hedwig.spool.words import Kind

LATELY = 300.0  # seconds
RECENT = 4000  # events
OLDEST_AMONG = 100_000  # deliveries: some 10 ms at the most

_WAITS = "token IS NULL AND state <> 'held'"
# From site to site by seeks: counting alone takes less of SQLite than a GROUP BY. The answer is one row, as each of
# thousands takes Python a moment.
_WAITING = f"""
WITH RECURSIVE site (name) AS (
    SELECT min(destination) FROM deliveries INDEXED BY waiting
        WHERE {_WAITS} AND destination >= :first AND destination < :end
    UNION ALL
    SELECT (SELECT destination FROM deliveries INDEXED BY waiting
        WHERE {_WAITS} AND destination > site.name AND destination < :end
        ORDER BY destination LIMIT 1) FROM site WHERE name IS NOT NULL)
SELECT json_group_object(name,
    (SELECT count(*) FROM deliveries INDEXED BY waiting WHERE {_WAITS} AND destination = name))
FROM site WHERE name IS NOT NULL"""  # noqa: S608 (constants only)
_LAST = "\U0010ffff"  # behind every site's name
_SAMPLES = """
SELECT (SELECT destination FROM deliveries WHERE delivery >= value ORDER BY delivery LIMIT 1) FROM json_each(?)
ORDER BY 1"""
_SOME = 64  # samples
_ACTIVE = """
SELECT json_group_object(destination, number) FROM
    (SELECT destination, count(*) AS number FROM deliveries INDEXED BY active WHERE token IS NOT NULL GROUP BY 1)"""
_HELD = """
SELECT json_group_object(destination, number) FROM
    (SELECT destination, count(*) AS number FROM deliveries INDEXED BY held_sites WHERE state = 'held' GROUP BY 1)"""
_AMONG = f"""
SELECT delivery, destination FROM deliveries WHERE delivery > ? AND delivery < ? AND {_WAITS}
AND +destination IN (SELECT value FROM json_each(?)) ORDER BY delivery LIMIT 1"""  # noqa: S608 (constants only)
_END = "SELECT delivery FROM deliveries ORDER BY delivery LIMIT 1 OFFSET ?"
_OLDEST = f"SELECT min(delivery) FROM deliveries INDEXED BY waiting WHERE {_WAITS} AND destination = ?"  # noqa: S608 (constants only)
_ACCEPTED = "SELECT m.accepted_at FROM deliveries d CROSS JOIN messages m ON m.message = d.message WHERE d.delivery = ?"
_LAST_DUE = f"""
SELECT delivery FROM deliveries INDEXED BY waiting WHERE {_WAITS} AND destination = ? AND due > 0
ORDER BY priority DESC, due DESC LIMIT 1"""  # noqa: S608 (constants only)
_REPLY = "SELECT last_reply FROM recipients WHERE delivery = ? AND last_reply <> '' LIMIT 1"
_RATED = {Kind.DELIVERED: 0, Kind.DEFERRED: 1, Kind.FAILED: 2, Kind.EXPIRED: 2}
_ERRORS = frozenset({Kind.DEFERRED, Kind.FAILED, Kind.EXPIRED, Kind.IN_DOUBT})


class Lately(NamedTuple):
    """What the newest events say. `rates`: delivered, deferred, failed a minute, by site. `errors`: the newest of each
    site, with its time. `seconds`: how long a time they cover."""

    seconds: float
    rates: dict[str, list[float]]
    errors: dict[str, tuple[float, str]]


def lately(lines: Sequence[Line], now: float) -> Lately:
    """From the newest lines of the history, the newest last."""
    known = [line for line in lines if now - LATELY <= line[0] <= now + 1]
    if not known:
        return Lately(0.0, {}, {})
    seconds = LATELY if len(known) < len(lines) else max(now - known[0][0], 1.0)
    rated: dict[str, Counter[int]] = {}
    errors: dict[str, tuple[float, str]] = {}
    sites: dict[str, str] = {}
    for line in known:
        kind, rcptto = line[3], line[4]
        if not rcptto or kind not in _ERRORS | _RATED.keys():
            continue
        domain = rcptto.rpartition("@")[2]
        site = sites.get(domain) or sites.setdefault(domain, _site_of(rcptto, domain))
        if kind in _RATED:
            rated.setdefault(site, Counter())[_RATED[Kind(kind)]] += 1
        if kind in _ERRORS:
            errors[site] = (line[0], text_of(line))
    minutes = seconds / 60
    rates = {site: [count[column] / minutes for column in range(3)] for site, count in rated.items()}
    return Lately(seconds, rates, errors)


def _site_of(rcptto: str, domain: str) -> str:
    if domain.isascii() and not domain.startswith("["):
        return domain.lower()
    from hedwig.address import Address, AddressError  # it takes a while to load

    try:
        return Address.parse(rcptto).destination
    except AddressError:  # an address that an older release took
        return domain.lower()


class Counts(NamedTuple):
    """Deliveries by site."""

    waiting: "Counter[str]"
    active: "Counter[str]"
    held: "Counter[str]"

    def largest(self, limit: int) -> list[str]:
        """The sites with most, all taken together."""
        number = dict(self.waiting)
        for each in (self.active, self.held):
            for site, count in each.items():
                number[site] = number.get(site, 0) + count
        return sorted(number, key=lambda site: (-number[site], site))[:limit]


def counts(db: sqlite3.Connection) -> Counts:
    """Of all sites."""
    if split := _split(db):
        beside = Beside(db, lambda other: _waiting(other, split, _LAST), 0)
        try:
            waiting, active, held = _waiting(db, "", split), _counted(db, _ACTIVE), _counted(db, _HELD)
            waiting.update(beside.answer())
        finally:
            beside.give_up()
        return Counts(waiting, active, held)
    return Counts(_waiting(db, "", _LAST), _counted(db, _ACTIVE), _counted(db, _HELD))


def _split(db: sqlite3.Connection) -> str:
    """The site at which two halves of all deliveries part, by the sites of a few; "" where one walk is quick enough."""
    half = middle(db, "deliveries", "delivery")
    if not half:
        return ""
    first, *_ = db.execute("SELECT min(delivery) FROM deliveries").fetchone()
    step = 2 * (half - first) / _SOME
    some = db.execute(_SAMPLES, (json.dumps([first + int(step * one) for one in range(_SOME)]),)).fetchall()
    return str(some[_SOME // 2][0] or "")


def _waiting(db: sqlite3.Connection, first: str, end: str) -> "Counter[str]":
    return _counted(db, _WAITING, {"first": first, "end": end})


def _counted(db: sqlite3.Connection, query: str, values: dict[str, str] | None = None) -> "Counter[str]":
    return Counter(json.loads(db.execute(query, values or {}).fetchone()[0]))


def backlog(db: sqlite3.Connection, limit: int, recent: Lately) -> Backlog:
    """See Operate."""
    counted = counts(db)
    largest = counted.largest(limit)
    oldest = _oldest(db, [site for site in largest if counted.waiting[site]])
    rows = tuple(_row(db, site, counted, oldest.get(site), recent) for site in largest)
    delivered, deferred, failed = (sum(rates[column] for rates in recent.rates.values()) for column in range(3))
    totals = counted.waiting.total(), counted.active.total(), counted.held.total()
    return Backlog(*totals, delivered, deferred, failed, recent.seconds, rows)


def _oldest(db: sqlite3.Connection, sites: Sequence[str]) -> dict[str, int]:
    """The oldest delivery that waits for each of these."""
    found: dict[str, int] = {}
    missing = set(sites)
    place, end = -1, int(_first(db, _END, (OLDEST_AMONG,)) or 1 << 62)
    while missing and (row := db.execute(_AMONG, (place, end, json.dumps(list(missing)))).fetchone()):
        place, site = row
        found[site] = place
        missing.remove(site)
    for site in missing:
        if oldest := _first(db, _OLDEST, (site,)):
            found[site] = int(oldest)
    return found


def _row(db: sqlite3.Connection, site: str, counted: Counts, oldest: int | None, recent: Lately) -> SiteRow:
    accepted = _first(db, _ACCEPTED, (oldest,)) if oldest else None
    delivered, deferred, failed = recent.rates.get(site, (0.0, 0.0, 0.0))
    at, error = recent.errors.get(site, (0.0, ""))
    if not error and oldest:
        error = str(_first(db, _REPLY, (_first(db, _LAST_DUE, (site,)),)) or "")
    its = counted.waiting[site], counted.active[site], counted.held[site]
    return SiteRow(site, *its, float(accepted or 0), delivered, deferred, failed, error, at)


def _first(db: sqlite3.Connection, query: str, values: Iterable[object]) -> float | str | None:
    row = db.execute(query, tuple(values)).fetchone()
    return row[0] if row else None
