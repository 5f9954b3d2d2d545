"""Claims: from a hint to a delivery that one owner alone may send (I2, I12).

A delivery can be claimed when it is nobody's, not held, and due; one past its expiry counts as due, so that it ends in
time whatever its next try would have been. What a claim takes is decided in one transaction behind the turn, so two
processes never get the same. Bodies are loaded after the commit: no transaction is open during SMTP.
"""

import json
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hedwig.options import PLAIN, Options, unpacked
from hedwig.spool import Claim, Pause, Preview, Recipient, bodies, stops, suppress
from hedwig.spool.schema import see_release

SIBLINGS = 30  # deliveries of the same message, before and behind a hinted one, that are looked at
_FREE = "d.token IS NULL AND d.state <> 'held' AND (d.due <= ? OR d.expires <= ?)"
# The list leads (CROSS JOIN), so that SQLite goes by row numbers and never by an index of all that waits.
_PREVIEW = f"""
SELECT d.delivery, d.destination, m.size, d.expires, d.priority, d.message, m.client, m.open
FROM json_each(?) j CROSS JOIN deliveries d CROSS JOIN messages m
WHERE d.delivery = j.value AND m.message = d.message AND {_FREE}"""  # noqa: S608 (constants only)
_NEXT = f"""
SELECT DISTINCT d.delivery, d.destination, m.size, d.expires, d.priority, d.message, m.client
FROM json_each(?) j CROSS JOIN deliveries h CROSS JOIN deliveries d CROSS JOIN messages m
WHERE h.delivery = j.value AND d.delivery BETWEEN h.delivery - {SIBLINGS} AND h.delivery + {SIBLINGS}
AND d.message = h.message AND m.message = d.message AND {_FREE}"""  # noqa: S608 (constants only)
_CANDIDATES = f"""
SELECT d.delivery, d.message, m.queue_id, m.client, m.mailfrom, d.destination, m.size, m.smtputf8, m.accepted_at,
    d.expires, d.warned, m.origin, d.priority, m.options, m.submitter, d.extended
FROM json_each(?) j CROSS JOIN deliveries d CROSS JOIN messages m
WHERE d.delivery = j.value AND m.message = d.message AND {_FREE}"""  # noqa: S608 (constants only)
_RECIPIENTS = """
SELECT r.delivery, r.number, r.address, r.tries, r.due, r.last_reply, r.doubts, r.fault_since
FROM json_each(?) j CROSS JOIN recipients r
WHERE r.delivery = j.value AND r.state IN ('ready', 'deferred') ORDER BY r.delivery, r.number"""
_TAKE = "UPDATE deliveries SET owner = ?, token = ?, claimed_at = ? WHERE delivery = ?"
_PAUSE = """
INSERT OR REPLACE INTO pauses (destination, owner, since, until, reason, priority, lasts)
VALUES (?, ?, ?, ?, ?, ?, ?)"""
# It stays to be seen: hints that were put before it were dropped.
_LIFT = "UPDATE pauses SET until = ?, lasts = 0 WHERE destination = ? AND owner = ? AND since = ?"


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What `Work.claim` was asked."""

    deliveries: Sequence[int]
    owner: str
    now: float
    pauses: Sequence[Pause]
    load_up_to: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What a request got: rows of _CANDIDATES, the recipients of each, and the token of all."""

    token: int
    rows: list[tuple[Any, ...]]
    recipients: dict[int, list[Recipient]]


def preview(db: sqlite3.Connection, deliveries: Sequence[int], now: float) -> list[Preview]:
    """Those that could be claimed now, in the order asked; then others of the same messages: whichever of them a worker
    has got the hint of, it finds the same ones, and who is first claims them all."""
    wanted = json.dumps(list(dict.fromkeys(deliveries)))
    rows = db.execute(_PREVIEW, (wanted, now, now)).fetchall()
    found = {row[0]: Preview(*row[:-1]) for row in rows}
    if several := [row[0] for row in rows if row[-1] > 1]:
        for row in db.execute(_NEXT, (json.dumps(several), now, now)):
            if row[0] not in found:
                found[row[0]] = Preview(*(*row, False))
    return list(found.values())


def take_claims(db: sqlite3.Connection, requests: Sequence[ClaimRequest]) -> list[Taken]:
    """Write claims and pauses; a request after another in the same transaction finds its claims taken.

    A process that was here before an upgrade claims no more (`see_release`); what it has claimed it may still settle.
    """
    see_release(db)
    return [_take(db, request) for request in requests]


def _take(db: sqlite3.Connection, request: ClaimRequest) -> Taken:
    now, token = request.now, secrets.randbits(63)
    _publish(db, request)
    wanted = json.dumps(list(dict.fromkeys(request.deliveries)))
    rows = db.execute(_CANDIDATES, (wanted, now, now)).fetchall() if request.deliveries else []
    if paused := stops.sites(db, now):  # but what is past its expiry is given up all the same
        rows = [row for row in rows if row[5] not in paused or row[9] <= now]
    if not rows:
        return Taken(token, [], {})
    expired = {row[0] for row in rows if row[9] <= now}
    recipients: dict[int, list[Recipient]] = {row[0]: [] for row in rows}
    for delivery, *recipient in db.execute(_RECIPIENTS, (json.dumps(list(recipients)),)):
        if recipient[3] <= now or delivery in expired:
            recipients[delivery].append(Recipient(*recipient))
    suppress.mark(db, {row[0]: row[5] for row in rows}, recipients, now)
    db.executemany(_TAKE, [(request.owner, token, now, delivery) for delivery in recipients])
    return Taken(token, rows, recipients)


def _publish(db: sqlite3.Connection, request: ClaimRequest) -> None:
    for pause in request.pauses:
        if pause.until > request.now:
            named = (pause.destination, request.owner)
            db.execute(_PAUSE, (*named, pause.since, pause.until, pause.reason, pause.priority, pause.lasts))
        else:
            db.execute(_LIFT, (pause.until, pause.destination, request.owner, pause.since))


def load_claims(db: sqlite3.Connection | None, taken: Taken, load_up_to: int) -> list[Claim]:
    """The claims with their bodies. They are on disk already, so a body that can't be read now is no reason to lose
    one: its `content` is None, and `Work.body` says what is wrong when it is asked."""
    contents: dict[int, bytes] = {}
    if db is not None:
        try:
            contents = bodies.load(db, list({row[1] for row in taken.rows if row[6] <= load_up_to}))
        except sqlite3.Error:
            contents = {}
    claims = []
    for row in taken.rows:
        *named, accepted, expires, warned, origin, priority, options, submitter, extended = row
        delivery, message, queue_id, client, mailfrom, destination, size, utf8 = named
        content = contents.get(message)
        claims.append(
            Claim(
                delivery,
                taken.token,
                message,
                queue_id,
                client,
                mailfrom,
                destination,
                tuple(taken.recipients[delivery]),
                size,
                bool(utf8),
                accepted,
                expires,
                bool(warned),
                origin,
                content if content is None or len(content) == size else None,
                priority,
                options_of(options),
                submitter,
                bool(extended),
            )
        )
    return claims


def options_of(text: str) -> Options:
    """A message's options as they lie in the spool."""
    try:
        return unpacked(text)
    except ValueError:  # a newer release wrote a word that isn't known here: the message goes, without it
        return PLAIN
