"""Freeing what a dead owner held (I5, I12): what no dot mark is about is as it was before the claim; the rest is in
doubt, and its client's policy says whether it is tried again or held for the operator.

A plain dot mark doesn't tell which of the claim's recipients were in the transaction: then all are in doubt, and one
delivery has no more of them than intake.py allows. Where more was kept (a Doubt) only those are, and the conversation
up to the dot goes into the history.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hedwig import verdict
from hedwig.options import OnDoubt
from hedwig.spool import Doubt, Event, Freed, Kind, RecipientResult, State, Waiting, recall, stops
from hedwig.spool.claim import options_of
from hedwig.spool.ends import Ends, derive
from hedwig.spool.history import Line, line, record
from hedwig.spool.supersede import end_marked

_HELD_BY = """
SELECT d.delivery, d.token, d.destination, d.priority, d.claimed_at, d.expires, m.queue_id, m.client, m.options
FROM deliveries d INDEXED BY active CROSS JOIN messages m
WHERE d.token IS NOT NULL AND d.owner = ? AND m.message = d.message"""
_OPEN = "SELECT number, address, doubts, state, due FROM recipients WHERE delivery = ? AND state <> 'done'"
_HAND_BACK = "UPDATE deliveries SET owner = NULL, token = NULL, claimed_at = NULL WHERE delivery = ?"
_LIFT = "DELETE FROM pauses WHERE owner = ?"  # its word on what it could take
_ENDED = "the worker ended between the final dot and its reply"


@dataclass(frozen=True, slots=True)
class FreeRequest:
    """What `Work.free` was asked."""

    owner: str
    doubtful: Callable[[int, int], bool | Doubt]
    now: float
    retry_after: float


def free(db: sqlite3.Connection, requests: Sequence[FreeRequest]) -> list[list[Freed]]:
    """Free all claims of dead owners; those of each."""
    return [_Freeing(db, request).run() for request in requests]


@dataclass(frozen=True, slots=True)
class _Held:
    """A row of _HELD_BY."""

    delivery: int
    token: int
    destination: str
    priority: int
    claimed_at: float
    expires: float
    queue_id: str
    client: str
    options: str


class _Freeing:
    """One owner's."""

    def __init__(self, db: sqlite3.Connection, request: FreeRequest) -> None:
        self._db = db
        self._request = request
        self._ends = Ends(db)
        self._lines: list[Line] = []

    def run(self) -> list[Freed]:
        freed, over = [], {}
        self._db.execute(_LIFT, (self._request.owner,))
        for held in [_Held(*row) for row in self._db.execute(_HELD_BY, (self._request.owner,))]:
            found = self._request.doubtful(held.delivery, held.token)
            freed.append(self._hand_back(held) if found is False else self._doubted(held, found))
            over[held.delivery] = held.token
        self._ends.write()
        _, recalled = recall.over(self._db, over, self._request.now)
        deliveries = [each.waiting.delivery for each in freed]
        _, more = end_marked(self._db, deliveries, self._request.now)
        stops.hold_back(self._db, deliveries, self._request.now)
        record(self._db, self._lines + recalled + more)
        return freed

    def _hand_back(self, held: _Held) -> Freed:
        self._db.execute(_HAND_BACK, (held.delivery,))
        event = Event(self._request.now, Kind.RETURNED, detail=f"its worker {self._request.owner} has ended")
        self._lines.append(line(event, held.queue_id, held.client))
        return self._freed(held, Kind.RETURNED, min(held.claimed_at, self._request.now))

    def _doubted(self, held: _Held, found: bool | Doubt) -> Freed:
        recipients = self._db.execute(_OPEN, (held.delivery,)).fetchall()
        states = {number: (state, due) for number, _, _, state, due in recipients}
        policy = options_of(held.options).on_doubt
        doubted = []
        for number, address, doubts in _in_question(held, recipients, found):
            result = self._result(number, policy, doubts)
            states[number] = (result.state.value, result.due)
            self._ends.result(held.delivery, result)
            self._lines += [line(event, held.queue_id, held.client) for event in self._events(address, policy, doubts)]
            doubted.append(address)
        if isinstance(found, Doubt) and found.talk:
            event = Event(self._request.now, Kind.IN_DOUBT, detail=found.talk)
            self._lines.append(line(event, held.queue_id, held.client))
        state, due = derive(states.values())
        self._ends.goes_on(held.delivery, state, due)
        return self._freed(held, Kind.HELD if state == State.HELD else Kind.IN_DOUBT, due, tuple(doubted))

    def _result(self, number: int, policy: OnDoubt, doubts: int) -> RecipientResult:
        reply = f"in doubt: {_ENDED}"
        if verdict.held_in_doubt(policy, doubts):
            return RecipientResult(number, State.HELD, reply, in_doubt=True)
        due = self._request.now + self._request.retry_after
        return RecipientResult(number, State.DEFERRED, reply, due, in_doubt=True)

    def _events(self, address: str, policy: OnDoubt, doubts: int) -> Iterator[Event]:
        yield Event(self._request.now, Kind.IN_DOUBT, address, detail=_ENDED)
        if why := verdict.held_in_doubt(policy, doubts):
            yield Event(self._request.now, Kind.HELD, address, detail=why)

    @staticmethod
    def _freed(held: _Held, kind: Kind, due: float, doubted: tuple[str, ...] = ()) -> Freed:
        return Freed(Waiting(held.delivery, held.destination, held.priority, due), kind, held.queue_id, doubted)


def _in_question(held: _Held, recipients: Sequence[Any], found: bool | Doubt) -> Iterator[tuple[int, str, int]]:
    """Number, address and earlier doubts of the recipients that the message may have reached."""
    for number, address, doubts, state, due in recipients:
        claimed = state != State.HELD and (due <= held.claimed_at or held.expires <= held.claimed_at)
        if claimed and (not isinstance(found, Doubt) or number in found.numbers):
            yield number, address, doubts
