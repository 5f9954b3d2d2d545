"""A record: one ring of the bell, as a file of JSON. Pure.

Texts and facts may come from outside (a receiver's reply): they are lines of bounded length, and only ever data (I11).
"""

import enum
import json
from dataclasses import asdict, dataclass, field

from hedwig import queueid
from hedwig.reply import one_line

MAX_TEXT = 1000  # characters
MAX_RECORD = 64 * 1024  # octets; more is none of ours


class Edge(enum.StrEnum):
    """What a record says: a trouble begins, or ends; something happened, which has no end; a daemon has started, or has
    ended as it should."""

    BEGINS = "begins"
    ENDS = "ends"
    HAPPENED = "happened"
    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Record:
    """`id`: a ULID; `at`: Unix seconds. `lapse`: the trouble counts as over when it was not heard of for so many
    seconds; 0: not by itself. `facts`: names in small letters, as in the journal's HEDWIG_ fields."""

    id: str
    at: float
    source: str
    edge: Edge
    kind: str = ""
    subject: str = ""
    text: str = ""
    lapse: float = 0.0
    facts: dict[str, str] = field(default_factory=dict)

    def packed(self) -> bytes:
        """JSON, as the file has it."""
        return json.dumps(asdict(self)).encode() + b"\n"


def unpacked(content: bytes) -> Record:
    """A Record from a file's content. ValueError for anything else, whatever it is."""
    try:
        found = json.loads(content)
        facts = found.pop("facts", {})
        record = Record(
            str(found["id"]),
            float(found["at"]),
            str(found["source"]),
            Edge(found["edge"]),
            str(found.get("kind", "")),
            short(found.get("subject", "")),
            short(found.get("text", "")),
            float(found.get("lapse", 0.0)),
            {short(name): short(value) for name, value in facts.items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no record of an alert: {type(error).__name__}") from None
    if not queueid.is_valid(record.id) or not 0 <= record.at < 1e11 or not record.lapse >= 0:
        raise ValueError("no record of an alert: its ID or its time is none")
    return record


def short(text: object) -> str:
    """One line of at most MAX_TEXT characters."""
    return one_line(str(text))[:MAX_TEXT]
