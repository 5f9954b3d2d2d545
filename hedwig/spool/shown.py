"""What is read back: values for the operator's lists. Apart from records.py, which takes long to load for commands that
begin anew each time. Times are Unix seconds.
"""

from typing import NamedTuple

from hedwig.spool.words import Kind, State


class QueuedRecipient(NamedTuple):
    """For the operator's list. `doubts`: as in Recipient."""

    queue_id: str
    client: str
    mailfrom: str
    rcptto: str
    destination: str
    state: State
    tries: int
    accepted_at: float
    due: float
    last_reply: str
    size: int
    doubts: int = 0


class HistoryLine(NamedTuple):
    """An Event as it was written, of whichever delivery of the message."""

    at: float
    queue_id: str
    client: str
    kind: Kind
    rcptto: str
    text: str
