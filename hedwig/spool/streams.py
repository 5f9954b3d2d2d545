"""What feeder and workers say to each other of deliveries that are due: hints, pauses and previews. Values without
behaviour, as in records.py."""

from dataclasses import dataclass
from typing import NamedTuple

from hedwig.choices import Priority

NORMAL = int(Priority.NORMAL)


class Stream(NamedTuple):
    """What goes to one destination in one priority."""

    destination: str
    priority: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery as the feeder sees it. `due`: since when, in Unix seconds."""

    delivery: int
    destination: str
    priority: int = NORMAL
    due: float = 0.0


class Pause(NamedTuple):
    """A worker's word to the feeder: don't hint `destination` before `until`. `since`: hints older than this that
    were not claimed have been dropped by the worker and must be put anew afterwards. `reason` is for the operator.
    `priority`: the best one that this is about; what is better goes on. `lasts`: when what keeps it from being tried
    ends, as far as is known, where that is later than `until`, at which it is looked at again."""

    destination: str
    since: float
    until: float
    reason: str
    priority: int = 0
    lasts: float = 0.0


@dataclass(frozen=True, slots=True)
class Preview:
    """What a worker must know of a hinted delivery before it claims it. Only deliveries that are due appear.

    `hinted` is False of one that was not asked for: it is of the same message as one that was, and due too, so that
    both may go in one transaction.
    """

    delivery: int
    destination: str
    size: int
    expires_at: float
    priority: int = NORMAL
    message: int = 0
    client: str = ""
    hinted: bool = True
