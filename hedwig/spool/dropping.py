"""Dropping: the reports of what an operator drops, made before the transaction that drops it (acts.py).

A report says that the operator of this host ended the delivery; the reason that the operator wrote down stays here, in
history and journal. Nobody is told of a null sender's message (I7), nor who wanted no report of failures (RFC 3461).
"""

import sqlite3
from collections.abc import Sequence

from hedwig import dsn
from hedwig.options import Options
from hedwig.reply import Stage
from hedwig.spool import Claim, NewMessage, Recipient
from hedwig.spool.bodies import chunk_number
from hedwig.spool.bounces import About, bounce, is_wanted
from hedwig.spool.claim import options_of
from hedwig.spool.listing import Row
from hedwig.spool.operate import Telling

WORDS = "the operator of this host ended its delivery"
MAX_ORIGINAL = 256 << 10  # octets, of which a report takes what it needs

_MESSAGE = "SELECT smtputf8, origin, options, submitter FROM messages WHERE message = ?"
_DOUBTED = "SELECT 1 FROM recipients WHERE delivery = ? AND number = ? AND doubts > 0"
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
    options = options_of(packed)
    told = [row for row in rows if is_wanted(options.of(row.shown.rcptto), dsn.Action.FAILED)]
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
    undelivered = tuple(_undelivered(db, row, options) for row in told)
    about = About(claim, head[0] if head else b"", telling.reporting, telling.expire, telling.most)
    return bounce(about, dsn.Action.FAILED, undelivered, now, telling.destination)


def _undelivered(db: sqlite3.Connection, row: Row, options: Options) -> dsn.Undelivered:
    """What is said of a recipient. One that was in doubt may have got the letter: its sender must not think it did not
    (I5)."""
    orcpt, doubtful = options.of(row.shown.rcptto).orcpt, bool(db.execute(_DOUBTED, row.place[1:]).fetchall())
    words = f"{WORDS}; it may have been delivered" if doubtful else WORDS
    return dsn.Undelivered(row.shown.rcptto, Stage.LOCAL, None, words, doubtful=doubtful, orcpt=orcpt)
