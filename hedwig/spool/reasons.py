"""Why mail waits: messages by what was last said of them; for `hedwig spool` on a host that sends. Reads only."""

import sqlite3
from typing import NamedTuple

from hedwig.spool.words import State

IN_DOUBT = "in doubt: the postoffice may have it"

_REASONS = """
SELECT CASE WHEN d.token IS NOT NULL THEN 'active' ELSE d.state END AS state, r.last_reply,
    count(*), min(m.accepted_at), sum(m.size), min(r.due), r.doubts > 0
FROM deliveries d CROSS JOIN messages m ON m.message = d.message
CROSS JOIN recipients r ON r.delivery = d.delivery AND r.number =
    (SELECT min(number) FROM recipients o WHERE o.delivery = d.delivery AND o.state <> 'done')
GROUP BY 1, 2, 7 ORDER BY 3 DESC LIMIT ?"""


class Reason(NamedTuple):
    """Deliveries in one state of which the same was said last, "" where nothing was: how many, since when the oldest
    waits, how many octets, and when the first is tried again. `in_doubt`: they may have been taken all the
    same (I5)."""

    state: State
    words: str
    deliveries: int
    oldest: float
    octets: int
    due: float
    in_doubt: bool = False


def reasons(db: sqlite3.Connection, limit: int) -> list[Reason]:
    """The most frequent first."""
    return [Reason(*[State(row[0]), *row[1:6], bool(row[6])]) for row in db.execute(_REASONS, (limit,))]
