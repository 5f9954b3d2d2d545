"""What all workers of a host know together of TLS, and keep over restarts: tables `sts_policies` and `broken_tls`.

*MTA-STS policies*, as they were fetched, until their max_age is over (RFC 8461 §5.1). A policy of mode "none" is kept,
too: it takes the place of what was there.

*Broken TLS*: addresses with which a handshake failed, and that take mail in the clear, until `until`.

Both are written seldom. Chores (chores.py) forget what is over.
"""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from hedwig.spool.job import Job
from hedwig.spool.receivers import Sharing

_KEEP = """
INSERT OR REPLACE INTO sts_policies (domain, id, policy, fetched_at, until) VALUES (?, ?, ?, ?, ?)"""
_KEPT = "SELECT domain, id, policy, fetched_at, until FROM sts_policies WHERE domain = ? AND until > ?"
_DOMAINS = "SELECT domain FROM sts_policies WHERE until > ?"
_BROKEN = "INSERT OR REPLACE INTO broken_tls (host, until, reason) VALUES (?, ?, ?)"
_ALL_BROKEN = "SELECT host, until, reason FROM broken_tls WHERE until > ?"
_FORGET = (
    "DELETE FROM sts_policies WHERE domain IN (SELECT domain FROM sts_policies WHERE until <= ? LIMIT ?)",
    "DELETE FROM broken_tls WHERE host IN (SELECT host FROM broken_tls WHERE until <= ? LIMIT ?)",
)


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A domain's policy. `policy_id`: of its record when it was fetched; `content`: as it came. Unix seconds."""

    domain: str
    policy_id: str
    content: str
    fetched_at: float
    until: float


@dataclass(frozen=True, slots=True)
class BrokenTls:
    """With this address TLS is not tried before `until` (Unix seconds); `reason`: how it failed."""

    address: str
    until: float
    reason: str


def keep_policy(spool: Sharing, kept: KeptPolicy) -> "Future[Any]":
    """Keep it, in place of what was known of that domain."""
    return spool.put(Job(_keep, [kept], octets=len(kept.content), finish=lambda _, results: None))


def policy_of(spool: Sharing, domain: str, now: float) -> KeptPolicy | None:
    """What is kept of a domain and not over."""
    rows = spool.read(_select, _KEPT, (domain, now))
    return KeptPolicy(*rows[0]) if rows else None


def domains_with_policies(spool: Sharing, now: float) -> set[str]:
    """Domains of which a policy is kept."""
    return {str(domain) for (domain,) in spool.read(_select, _DOMAINS, (now,))}


def remember_broken(spool: Sharing, broken: BrokenTls) -> "Future[Any]":
    """Remember that."""
    return spool.put(Job(_remember, [broken], finish=lambda _, results: None))


def broken_addresses(spool: Sharing, now: float) -> dict[str, BrokenTls]:
    """All that is remembered, by address."""
    return {row[0]: BrokenTls(*row) for row in spool.read(_select, _ALL_BROKEN, (now,))}


def forget(db: sqlite3.Connection, now: float, step: int) -> bool:
    """Forget what is over, a step; whether there is more."""
    return max([db.execute(query, (now, step)).rowcount for query in _FORGET]) >= step


def _keep(db: sqlite3.Connection, entries: Sequence[KeptPolicy]) -> list[None]:
    rows = [(each.domain, each.policy_id, each.content, each.fetched_at, each.until) for each in entries]
    db.executemany(_KEEP, rows)
    return [None] * len(entries)


def _remember(db: sqlite3.Connection, entries: Sequence[BrokenTls]) -> list[None]:
    db.executemany(_BROKEN, [(each.address, each.until, each.reason) for each in entries])
    return [None] * len(entries)


def _select(db: sqlite3.Connection, query: str, values: tuple[object, ...]) -> list[Any]:
    return db.execute(query, values).fetchall()
