"""Settlements: outcomes, next due times, bounces and history, all in the caller's one transaction.

A settlement counts only while its claim's token stands (I12). A delivery's next state follows from its recipients: the
least due of those that still wait; held when only held ones are left; gone, with its recipients, when all have their
outcome; and with a message's last delivery go the message and its body. Done recipients of a delivery that goes on stay
marked, so that no later claim has them (I4). What remains is told by the history.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from hedwig.spool import Kind, Outcome, RecipientResult, Settled, Settlement, State, Waiting, bodies
from hedwig.spool.history import Line, line, plain, record
from hedwig.spool.intake import register
from hedwig.spool.numbers import count_out

_CLAIMED = """
SELECT d.delivery, d.token, d.message, d.state, d.due, m.queue_id, m.client, m.size, m.open
FROM json_each(?) j CROSS JOIN deliveries d CROSS JOIN messages m
WHERE d.delivery = j.value AND d.token IS NOT NULL AND m.message = d.message"""
_OPEN = """
SELECT r.delivery, r.number, r.state, r.due FROM json_each(?) j CROSS JOIN recipients r
WHERE r.delivery = j.value AND r.state <> 'done'"""
_RECIPIENT = (
    "UPDATE recipients SET state = ?, due = ?, tries = tries + ?, doubts = doubts + ?, last_reply = ?"
    " WHERE delivery = ? AND number = ?"
)
_DELIVERY = """
UPDATE deliveries SET state = ?, due = ?, warned = warned OR ?, owner = NULL, token = NULL, claimed_at = NULL
WHERE delivery = ?"""
_END_RECIPIENTS = "DELETE FROM recipients WHERE delivery IN (SELECT value FROM json_each(?))"
_END_DELIVERIES = "DELETE FROM deliveries WHERE delivery IN (SELECT value FROM json_each(?))"
_END_MESSAGES = "DELETE FROM messages WHERE message IN (SELECT value FROM json_each(?))"


class Settling:
    """One transaction's settlements: gathers what each one changes, then writes it all at once."""

    def __init__(self, db: sqlite3.Connection, settlements: Sequence[Settlement], now: float) -> None:
        self._db = db
        self._now = now
        self._settlements = settlements
        wanted = json.dumps(list({settlement.delivery for settlement in settlements}))
        self._claims = {row[0]: row[1:] for row in db.execute(_CLAIMED, (wanted,))}
        self._open: dict[int, dict[int, tuple[str, float]]] = {delivery: {} for delivery in self._claims}
        for delivery, number, state, due in db.execute(_OPEN, (json.dumps(list(self._claims)),)):
            self._open[delivery][number] = (state, due)
        self._changed: list[tuple[Any, ...]] = []  # recipients
        self._waiting: list[tuple[Any, ...]] = []  # deliveries that go on
        self._ended: list[int] = []  # deliveries that don't
        self._left: dict[int, list[Any]] = {}  # message: [deliveries left, size]
        self._lines: list[Line] = []
        self.left_rubbish = False  # a large body is to be swept

    def run(self) -> list[Settled]:
        """Write everything; the answers in order."""
        answers = [self._settle(settlement) for settlement in self._settlements]
        self._db.executemany(_RECIPIENT, self._changed)
        self._db.executemany(_DELIVERY, self._waiting)
        self._end()
        record(self._db, self._lines)
        return answers

    def _settle(self, settlement: Settlement) -> Settled:
        claim = self._claims.get(settlement.delivery)
        if claim is None or claim[0] != settlement.token:
            return Settled(held_token=False)
        del self._claims[settlement.delivery]  # a second settlement of it in this transaction comes too late
        _, message, state, due, queue_id, client, size, left = claim
        recipients = self._open[settlement.delivery]
        changed = self._results(settlement.delivery, settlement.results, recipients)
        if recipients:
            self._changed += changed
            if settlement.results:
                state, due = _derive(recipients.values())
            self._waiting.append((state, due, settlement.warned, settlement.delivery))
        else:
            self._ended.append(settlement.delivery)
            self._left.setdefault(message, [left, size])[0] -= 1
        self._lines += [line(event, queue_id, client) for event in settlement.events]
        return Settled(True, self._bounce(settlement, queue_id, client) if settlement.bounces else ())

    @staticmethod
    def _results(
        delivery: int, results: Iterable[RecipientResult], recipients: dict[int, tuple[str, float]]
    ) -> list[tuple[Any, ...]]:
        """Rows for _RECIPIENT; takes the done ones out of `recipients`. ValueError for one that isn't open."""
        changed = []
        for result in results:
            if recipients.pop(result.number, None) is None:
                raise ValueError(f"recipient {result.number} of delivery {delivery} has its outcome, or never was")
            if result.state not in (State.DONE, State.DEFERRED, State.HELD):
                raise ValueError(f"recipient {result.number} of delivery {delivery} can't become {result.state}")
            if result.state is not State.DONE:
                recipients[result.number] = (result.state.value, result.due)
            said = (result.state.value, result.due, result.counted, result.in_doubt, result.reply)
            changed.append((*said, delivery, result.number))
        return changed

    def _bounce(self, settlement: Settlement, queue_id: str, client: str) -> tuple[Waiting, ...]:
        """Register the bounces through the door that all messages take."""
        waiting: list[Waiting] = []
        for message, answer in zip(settlement.bounces, register(self._db, settlement.bounces, self._now), strict=True):
            if answer.outcome is Outcome.ACCEPTED:
                waiting += answer.deliveries
                detail = f"report {message.queue_id} to {', '.join(message.envelope.rcpttos)}"
                self._lines.append(plain(self._now, Kind.BOUNCED, queue_id, client, detail))
        return tuple(waiting)

    def _end(self) -> None:
        """Delete the deliveries that ended, and the messages whose last one did."""
        if not self._ended:
            return
        db, ended = self._db, json.dumps(self._ended)
        db.execute(_END_RECIPIENTS, (ended,))
        db.execute(_END_DELIVERIES, (ended,))
        going = [(left, message) for message, (left, _) in self._left.items() if left]
        db.executemany("UPDATE messages SET open = ? WHERE message = ?", going)
        gone = [(message, size) for message, (left, size) in self._left.items() if not left]
        db.execute(_END_MESSAGES, (json.dumps([message for message, _ in gone]),))
        count_out(db, bodies.delete(db, gone))
        self.left_rubbish = any(size > bodies.CHUNK for _, size in gone)


def _derive(recipients: Iterable[tuple[str, float]]) -> tuple[str, float]:
    """A delivery's state and due from its open recipients'."""
    waiting = [(due, state) for state, due in recipients if state != State.HELD]
    if not waiting:
        return State.HELD.value, 0.0
    due, state = min(waiting)
    return state, due
