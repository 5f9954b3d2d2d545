"""Stops: what the operator has paused, and how it goes on afterwards.

A paused *site* (destination) is hinted and claimed no more; transactions under way finish, and what a worker has
claimed and not begun goes back within a second or two. Its mail stays as it is: the pause stops no clock, and what
expires meanwhile is given up and bounced, for its sender must learn of it in time.

A site's name may be a receiver's in worker.yml, such as google: a word without a dot, which no domain is. Then workers
see to it: they know whose a destination is. What they publish for the feeder meanwhile (`paused_because`) ends with it.

A paused *client* has all its deliveries held, its reports too. New ones are held as they are registered, those under
way as their claims end; those that wait are swept in slices by `step`, which goes on where another process left off.
The delivery alone is held: its recipients keep state and due, and by this it is told from what the operator holds by
hand (there the recipients are held). What is held does not expire. When the pause ends, `step` derives each delivery
from its recipients again.

Whatever was held and goes out again (`extend`): what is past its expiry by then has LAST_CHANCE more; so has what is
due and within NEAR of it, for that might be given up before it could be tried. None of it goes past its sender's
deadline, and what has time left keeps its expiry. A delivery that was given more time is marked `extended`, or the
worker's own rule, which goes by age, would end it at the first deferral.

A pause has an end, FOREVER where none was given. Who pauses a name again changes its end, its reason, or both. A
client's pause that is over has `until` 0 while it is unwound, so that a clock that is set back does not revive it.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from hedwig.spool.operate import Pausing, Stop, StopKind

FOREVER = 253_402_300_799.0  # the end of the year 9999
EVERYWHERE = "*"  # the name of a pause that only says: look at all destinations anew
LAST_CHANCE = 86400.0  # seconds, for what was held past its expiry
NEAR = 900.0  # seconds before it, in which what is due may not find its turn
SLICE = 20_000  # deliveries that a step walks over, some 5 ms;
HELD_SLICE = 2500  # or held ones, each of which is looked at more closely
MOST = 200  # deliveries that a step changes, some 6 ms

_NAMES = "SELECT name FROM stops WHERE kind = ? AND until > ?"
_SET = """
INSERT INTO stops (kind, name, since, until, who, reason, swept, last)
VALUES (:kind, :name, :at, coalesce(:until, :forever), :who, coalesce(:reason, ''), 0, (SELECT delivery FROM numbers))
ON CONFLICT (kind, name) DO UPDATE SET
    until = coalesce(:until, iif(until > :at, until, :forever)), who = :who,
    reason = coalesce(:reason, iif(until > :at, reason, '')),
    since = iif(until > :at, since, :at), swept = iif(until > :at, swept, 0),
    last = iif(until > :at, last, excluded.last)
RETURNING kind, name, since, until, who, reason"""
_SLICE_END = """
SELECT max(delivery) FROM (SELECT delivery FROM deliveries WHERE delivery > ? AND delivery <= ? ORDER BY delivery
LIMIT ?)"""
_TO_HOLD = """
SELECT d.delivery FROM deliveries d CROSS JOIN messages m WHERE d.delivery > ? AND d.delivery <= ?
AND m.message = d.message AND m.client = ? AND d.token IS NULL AND d.state <> 'held' ORDER BY d.delivery LIMIT ?"""
_HOLD = "UPDATE deliveries SET state = 'held' WHERE delivery IN (SELECT value FROM json_each(?))"
_HOLD_BACK = f"""{_HOLD} AND token IS NULL
AND (SELECT client FROM messages m WHERE m.message = deliveries.message) IN (SELECT value FROM json_each(?))"""  # noqa: S608 (constants only)
_HELD_END = """
SELECT max(delivery) FROM (SELECT delivery FROM deliveries WHERE state = 'held' AND delivery > ? ORDER BY delivery
LIMIT ?)"""
_TO_FREE = """
SELECT d.delivery FROM deliveries d CROSS JOIN messages m WHERE d.state = 'held' AND d.delivery > ? AND d.delivery <= ?
AND m.message = d.message AND m.client = ? AND EXISTS
    (SELECT 1 FROM recipients r WHERE r.delivery = d.delivery AND r.state IN ('ready', 'deferred'))
ORDER BY d.delivery LIMIT ?"""
_DERIVE = """
UPDATE deliveries SET
    state = coalesce((SELECT r.state FROM recipients r WHERE r.delivery = deliveries.delivery
        AND r.state IN ('ready', 'deferred') ORDER BY r.due, r.state LIMIT 1), 'held'),
    due = coalesce((SELECT min(r.due) FROM recipients r WHERE r.delivery = deliveries.delivery
        AND r.state IN ('ready', 'deferred')), 0.0)
WHERE delivery IN (SELECT value FROM json_each(?)) AND token IS NULL"""
_EXTEND = """
UPDATE deliveries SET extended = 1, expires = max(expires, min(:chance, coalesce((
    SELECT json_extract(m.options, '$.deadline') FROM messages m
    WHERE m.message = deliveries.message AND m.options <> ''), :chance)))
WHERE delivery IN (SELECT value FROM json_each(:of)) AND state <> 'held'
AND (expires <= :now OR (expires <= :near AND due <= :now))"""
_NUDGE = "INSERT OR REPLACE INTO pauses (destination, owner, since, until, reason) VALUES (?, 'operator', ?, ?, '')"


def sites(db: sqlite3.Connection, now: float) -> set[str]:
    """Destinations that are paused."""
    return {name for (name,) in db.execute(_NAMES, ("site", now))}


def clients(db: sqlite3.Connection, now: float) -> set[str]:
    """Clients whose deliveries are to be held."""
    return {name for (name,) in db.execute(_NAMES, ("client", now))}


def listed(db: sqlite3.Connection, now: float) -> list[Stop]:
    """Pauses in force, the oldest first."""
    query = "SELECT kind, name, since, until, who, reason FROM stops WHERE until > ? ORDER BY since, kind, name"
    return [Stop(StopKind(row[0]), *row[1:]) for row in db.execute(query, (now,))]


def put(db: sqlite3.Connection, order: Pausing) -> Stop:
    """Pause; or change a pause's end, and who says why. What is in force now."""
    [row] = db.execute(_SET, {**order._asdict(), "kind": order.kind.value, "forever": FOREVER}).fetchall()
    return Stop(StopKind(row[0]), *row[1:])


def is_receiver(kind: StopKind, name: str) -> bool:
    """Whether a pause is of a receiver by its name in worker.yml."""
    return kind is StopKind.SITE and "." not in name and not name.startswith("[")


def paused_because(receiver: str) -> str:
    """What workers say of the destinations of a receiver that is paused by name."""
    return f"an operator has paused {receiver}"


def lift(db: sqlite3.Connection, kind: StopKind, name: str, now: float) -> bool:
    """End a pause, and what workers have published because of it; whether there was one. A client's deliveries come
    free by `step`."""
    db.execute("DELETE FROM pauses WHERE reason = ?", (paused_because(name),))
    return (
        db.execute(
            "UPDATE stops SET until = 0, swept = 0 WHERE kind = ? AND name = ? AND until > ?", (kind.value, name, now)
        ).rowcount
        > 0
    )


def hold_back(db: sqlite3.Connection, deliveries: Iterable[int], now: float) -> None:
    """Hold those of these whose client is paused; called wherever deliveries come to wait. Costs 2 µs where none is."""
    if names := clients(db, now):
        db.execute(_HOLD_BACK, (json.dumps(list(deliveries)), json.dumps(list(names))))


def derive(db: sqlite3.Connection, deliveries: Sequence[int], now: float) -> None:
    """State and due of these, where they are nobody's, from their recipients' (the rule of ends.py)."""
    db.execute(_DERIVE, (json.dumps(deliveries),))
    hold_back(db, deliveries, now)


def extend(db: sqlite3.Connection, deliveries: Sequence[int], now: float) -> None:
    """Give what is held no longer, and has no time for it, the time to go out."""
    values = {"now": now, "near": now + NEAR, "chance": now + LAST_CHANCE, "of": json.dumps(deliveries)}
    db.execute(_EXTEND, values)


def nudge(db: sqlite3.Connection, now: float) -> None:
    """Have the feeder look at all destinations: something became due that was not deferred until now."""
    db.execute(_NUDGE, (EVERYWHERE, now, now))


def step(db: sqlite3.Connection, now: float) -> bool:
    """A step with what is paused and what is so no longer; whether there is more to do at once."""
    for kind, name, until, swept, last in db.execute("SELECT kind, name, until, swept, last FROM stops").fetchall():
        if until > now:
            if kind == StopKind.CLIENT and swept < last:
                _sweep(db, name, swept, last)
                return True
        elif kind == StopKind.SITE:
            db.execute("DELETE FROM stops WHERE kind = ? AND name = ?", (kind, name))
        else:
            _unwind(db, name, swept if until == 0 else 0, now)
            return True
    return False


def progress(db: sqlite3.Connection, name: str) -> tuple[int, int]:
    """How far a client's pause, or its end, has come: (deliveries passed, of how many numbers); (1, 1) when done."""
    query = "SELECT until, swept, last FROM stops WHERE kind = 'client' AND name = ?"
    row = db.execute(query, (name,)).fetchone()
    if row is None or (row[0] and row[1] >= row[2]):
        return 1, 1
    first = db.execute("SELECT min(delivery) FROM deliveries").fetchone()[0] or 0
    end = row[2] if row[0] else db.execute("SELECT delivery FROM numbers").fetchone()[0]
    return max(row[1] - first, 0), max(end - first, 1)


def _sweep(db: sqlite3.Connection, client: str, swept: int, last: int) -> None:
    end = db.execute(_SLICE_END, (swept, last, SLICE)).fetchone()[0]
    if end is not None:
        found = [delivery for (delivery,) in db.execute(_TO_HOLD, (swept, end, client, MOST))]
        db.execute(_HOLD, (json.dumps(found),))
        end = found[-1] if len(found) == MOST else end
    db.execute("UPDATE stops SET swept = ? WHERE kind = 'client' AND name = ?", (last if end is None else end, client))


def _unwind(db: sqlite3.Connection, client: str, swept: int, now: float) -> None:
    end = db.execute(_HELD_END, (swept, HELD_SLICE)).fetchone()[0]
    if end is None:
        db.execute("DELETE FROM stops WHERE kind = 'client' AND name = ?", (client,))
        nudge(db, now)
        return
    found = [delivery for (delivery,) in db.execute(_TO_FREE, (swept, end, client, MOST))]
    derive(db, found, now)
    extend(db, found, now)
    end = found[-1] if len(found) == MOST else end
    db.execute("UPDATE stops SET until = 0, swept = ? WHERE kind = 'client' AND name = ?", (end, client))
