"""Dropping: the reports of what an operator drops, made before the transaction that drops it (acts.py).

A report says that the operator of this host ended the delivery; the reason that the operator wrote down stays here, in
history and journal. Nobody is told of a null sender's message (I7), nor who wanted no report of failures (RFC 3461).
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence

from hedwig import dsn
from hedwig.options import Options
from hedwig.reply import Reply, Stage
from hedwig.spool import Claim, NewMessage, Recipient, digests, listing
from hedwig.spool.bodies import chunk_number
from hedwig.spool.bounces import About, bounce, is_wanted
from hedwig.spool.claim import options_of
from hedwig.spool.listing import Row
from hedwig.spool.operate import Filter, Forecast, Telling

WORDS = "the operator of this host ended its delivery"
LOT = 500  # recipients of one message that one report tells of
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


def forecast(db: sqlite3.Connection, wanted: Filter, telling: Telling, now: float) -> Forecast:
    """Whom dropping this would tell, if it was done at once. Walks over all of it: a second or two with a million."""
    null = unwanted = 0
    told: Counter[tuple[str, str]] = Counter()
    for client, mailfrom, messages, lots in listing.per_sender(db, wanted, LOT):
        if mailfrom:
            told[client, mailfrom] += lots
        else:
            null += messages
    for client, mailfrom, packed, rcpttos in listing.with_wishes(db, wanted):
        options = options_of(packed)
        if not mailfrom:
            null += 1
        elif lots := sum(is_wanted(options.of(rcptto), dsn.Action.FAILED) for rcptto in rcpttos):
            told[client, mailfrom] += -(-lots // LOT)
        else:
            unwanted += 1
    alone = sum(min(number, room) for number, room in _with_room(db, told, telling, now))
    return Forecast(alone, told.total() - alone, null, unwanted)


def _with_room(
    db: sqlite3.Connection, told: Counter[tuple[str, str]], telling: Telling, now: float
) -> Iterator[tuple[int, int]]:
    """How many reports each sender would get, and how many may go by themselves."""
    had = digests.alone(db, dsn.Action.FAILED, now) if telling.most else {}
    for sender, number in told.items():
        yield number, max(0, telling.most - had.get(sender, 0)) if telling.most else number


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
    said = Reply(554, "5.7.1", words)  # RFC 3463 §3.8: not authorized, by policy: this host's own
    return dsn.Undelivered(row.shown.rcptto, Stage.LOCAL, said, doubtful=doubtful, orcpt=orcpt)
