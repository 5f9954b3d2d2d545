"""Dropping: the reports of what an operator drops, made before the transaction that drops it (acts.py).

A report says that the operator of this host ended the delivery; the reason that the operator wrote down stays here, in
history and journal. Nobody is told of a null sender's message (I7), nor who wanted no report of failures (RFC 3461).
"""

import sqlite3
from collections.abc import Sequence

from hedwig import dsn
from hedwig.options import Options, unpacked
from hedwig.reply import Stage
from hedwig.spool import Claim, NewMessage, Recipient
from hedwig.spool.bodies import chunk_number
from hedwig.spool.bounces import About, bounce
from hedwig.spool.listing import Row
from hedwig.spool.operate import Telling

WORDS = "the operator of this host ended its delivery"
MAX_ORIGINAL = 256 << 10  # octets, of which a report takes what it needs

_MESSAGE = "SELECT smtputf8, origin, options, submitter FROM messages WHERE message = ?"
_HEAD = "SELECT substr(content, 1, ?) FROM bodies WHERE chunk = ?"


def reports(db: sqlite3.Connection, rows: Sequence[Row], telling: Telling, now: float) -> dict[int, NewMessage]:
    """The report of each message, of those of its recipients that are in `rows`. Reads only."""
    by_message: dict[int, list[Row]] = {}
    for row in rows:
        by_message.setdefault(row.place[0], []).append(row)
    made = {message: _report(db, message, its, telling, now) for message, its in by_message.items()}
    return {message: report for message, report in made.items() if report is not None}


def _report(db: sqlite3.Connection, message: int, rows: list[Row], telling: Telling, now: float) -> NewMessage | None:
    found = db.execute(_MESSAGE, (message,)).fetchone()
    if found is None or not rows[0].shown.mailfrom:
        return None
    smtputf8, origin, packed, submitter = found
    options = unpacked(packed)
    told = [row for row in rows if _wanted(options, row.shown.rcptto)]
    head = db.execute(_HEAD, (MAX_ORIGINAL, chunk_number(message, 0))).fetchone()
    shown = rows[0].shown
    claim = Claim(
        delivery=rows[0].place[1],
        token=0,
        message=message,
        queue_id=shown.queue_id,
        client=shown.client,
        mailfrom=shown.mailfrom,
        destination=shown.destination,
        recipients=tuple(
            Recipient(row.place[2], row.shown.rcptto, row.shown.tries, row.shown.due, row.shown.last_reply)
            for row in told
        ),
        size=shown.size,
        smtputf8=bool(smtputf8),
        accepted_at=shown.accepted_at,
        expires_at=0.0,
        warned=False,
        origin=origin,
        content=None,
        options=options,
        submitter=submitter,
    )
    undelivered = tuple(dsn.Undelivered(row.shown.rcptto, Stage.LOCAL, None, WORDS) for row in told)
    about = About(claim, head[0] if head else b"", telling.reporting, telling.expire)
    return bounce(about, dsn.Action.FAILED, undelivered, now, telling.destination)


def _wanted(options: Options, rcptto: str) -> bool:
    """RFC 3461 §5.2.6: without NOTIFY a failure is reported."""
    when = options.of(rcptto).when
    return not when or "FAILURE" in when
