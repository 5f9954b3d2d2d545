"""Ends: what becomes of recipients, deliveries and messages in one transaction, gathered and then written at once.

A delivery's state follows from its recipients that are open, that is: without outcome. It has the least due of those
that wait; it is held when only held ones are left, and gone, with its recipients, when there are none. With a message's
last delivery go the message and its body. Done recipients of a delivery that goes on stay marked, so that no later
claim has them (I4).
"""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from hedwig.spool import RecipientResult, State, bodies
from hedwig.spool.numbers import count_out

_RECIPIENT = (
    "UPDATE recipients SET state = ?, due = ?, tries = tries + ?, doubts = doubts + ?, last_reply = ?,"
    " fault_since = ? WHERE delivery = ? AND number = ?"
)
_DELIVERY = """
UPDATE deliveries SET state = ?, due = ?, warned = warned OR ?, owner = NULL, token = NULL, claimed_at = NULL
WHERE delivery = ?"""
_END_RECIPIENTS = "DELETE FROM recipients WHERE delivery IN (SELECT value FROM json_each(?))"
_END_DELIVERIES = "DELETE FROM deliveries WHERE delivery IN (SELECT value FROM json_each(?))"
_END_MESSAGES = "DELETE FROM messages WHERE message IN (SELECT value FROM json_each(?))"


class Ends:
    """One transaction's. Each delivery is named once, by `goes_on` or `ends`; `write` comes last."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._recipients: list[tuple[Any, ...]] = []
        self._waiting: list[tuple[Any, ...]] = []  # deliveries that go on
        self._ended: list[int] = []  # deliveries that don't
        self._left: dict[int, list[int]] = {}  # message: [deliveries left, size]
        self.left_rubbish = False  # a large body is to be swept

    def result(self, delivery: int, result: RecipientResult) -> None:
        """A recipient of a delivery that goes on. (Of one that ends there will be no row.)"""
        said = (result.state.value, result.due, result.counted, result.in_doubt, result.reply, result.fault_since)
        self._recipients.append((*said, delivery, result.number))

    def goes_on(self, delivery: int, state: str, due: float, warned: bool = False) -> None:
        """It waits, or is held, and is nobody's."""
        self._waiting.append((state, due, warned, delivery))

    def ends(self, delivery: int, message: int, left: int, size: int) -> None:
        """All its recipients have their outcome. `left`: how many deliveries of the message were open before this
        transaction; `size`: the body's octets."""
        self._ended.append(delivery)
        self._left.setdefault(message, [left, size])[0] -= 1

    def write(self) -> None:
        """Write everything, and delete what ended."""
        self._db.executemany(_RECIPIENT, self._recipients)
        self._db.executemany(_DELIVERY, self._waiting)
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


def derive(recipients: Iterable[tuple[str, float]]) -> tuple[str, float]:
    """A delivery's state and due from those of its open recipients, of which there is at least one."""
    waiting = [(due, state) for state, due in recipients if state != State.HELD]
    if not waiting:
        return State.HELD.value, 0.0
    due, state = min(waiting)
    return state, due
