"""When a recipient is tried next, as far as that is known: what an operator has paused, and what workers leave alone,
come before its own time. Pure; all from outside is cleaned (I11).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hedwig.cli.terminal import clean, due, moment
from hedwig.spool.operate import Stop, StopKind
from hedwig.spool.shown import QueuedRecipient
from hedwig.spool.stops import is_receiver, paused_because
from hedwig.spool.streams import NORMAL, Pause

BRIEF = 1.5  # seconds: a pause as short as that is a receiver at work


class Kept(NamedTuple):
    """What keeps mail from being tried: `stops` are the operator's, `pauses` the workers', one for a destination."""

    stops: Sequence[Stop] = ()
    pauses: Sequence[Pause] = ()


NOTHING = Kept()


def kept(stops: Sequence[Stop], pauses: Iterable[Pause]) -> Kept:
    """Of each destination the pause that lasts longest; one that is about all its mail before one that is about bulk,
    as each worker has its own."""
    longest: dict[str, Pause] = {}
    for pause in sorted(pauses, key=lambda each: (each.priority <= NORMAL, each.until)):
        longest[pause.destination] = pause
    return Kept(stops, sorted(longest.values(), key=lambda each: (each.until, each.destination)))


def concerning(rows: Sequence[QueuedRecipient], known: Kept) -> Kept:
    """What of it is about these recipients."""
    destinations = {row.destination for row in rows}
    clients = {row.client for row in rows}
    pauses = [pause for pause in known.pauses if pause.destination in destinations]
    names = destinations | {stop.name for stop in known.stops if any(_by(stop, pause) for pause in pauses)}
    stops = [stop for stop in known.stops if stop.name in (names if stop.kind is StopKind.SITE else clients)]
    return Kept(stops, pauses)


def operators(pause: Pause, stops: Iterable[Stop]) -> bool:
    """Whether workers leave it alone because an operator has paused its receiver."""
    return any(_by(stop, pause) for stop in stops)


def next_try(row: QueuedRecipient, now: float, known: Kept) -> str:
    """As in "next try in 4 min"; of a recipient that is ready or deferred."""
    for stop in known.stops:
        if stop.name == (row.client if stop.kind is StopKind.CLIENT else row.destination):
            return f"its {stop.kind.value} is paused"
    for pause in known.pauses:
        if pause.destination != row.destination or pause.priority > NORMAL:
            continue
        for stop in known.stops:
            if _by(stop, pause):
                return f"its receiver, {clean(stop.name)}, is paused"
        if pause.until > max(row.due, now + BRIEF):
            return f"next try not before {moment(pause.until)}"
    return f"next try {due(row.due, now)}"


def _by(stop: Stop, pause: Pause) -> bool:
    return is_receiver(stop.kind, stop.name) and pause.reason == paused_because(stop.name)
