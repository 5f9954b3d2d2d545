"""What is known of claims whose owner died, and what became of them (free.py). Values."""

from dataclasses import dataclass

from hedwig.spool.streams import Waiting
from hedwig.spool.words import Kind


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is known of a claim whose worker died after its dot mark. `numbers`: the recipients that the message was
    handed over for. `talk`: the conversation up to the dot, in lines that begin with "* ", "> " or "< "."""

    numbers: tuple[int, ...]
    talk: str


@dataclass(frozen=True, slots=True)
class Freed:
    """A claim of a dead owner that is nobody's now. `kind`: RETURNED, as it was before; IN_DOUBT, to be tried again; or
    HELD, all that is left of it, for the operator. `doubted`: the recipients that are in doubt."""

    waiting: Waiting
    kind: Kind
    queue_id: str
    doubted: tuple[str, ...] = ()
