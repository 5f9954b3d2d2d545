"""What of a spool is watched from outside while daemons use it: how long mail has waited, how much lies there, and
which receivers are left alone. Reads only, of a file that is there.
"""

from contextlib import closing
from typing import NamedTuple

from hedwig.spool.desk import open_desk
from hedwig.spool.look import used
from hedwig.spool.operate import Filter
from hedwig.spool.receivers import standing
from hedwig.spool.schema import connect_reader
from hedwig.spool.trouble import SPOOL_ERRORS, trouble
from hedwig.spool.words import State


class Watched(NamedTuple):
    """`oldest`: when the oldest letter was accepted that waits for its turn (not for the operator), Unix seconds; 0:
    none waits. `used`: octets. `resting`: receivers with a back-off in force."""

    oldest: float
    used: int
    resting: frozenset[str]


def watched(path: str, now: float) -> Watched:
    """Some milliseconds. SpoolTrouble."""
    try:
        with closing(open_desk(path)) as desk:
            heads = [desk.listed(Filter(state=state), 1)[0] for state in (State.READY, State.DEFERRED)]
        with closing(connect_reader(path)) as db:
            octets = used(db)
            resting = frozenset(each.site for each in standing(db, now) if each.until > now)
    except SPOOL_ERRORS as error:
        raise trouble(error, path) from error
    return Watched(min((row.accepted_at for rows in heads for row in rows), default=0.0), octets, resting)
