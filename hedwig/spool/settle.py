"""Settlements: outcomes, next due times, bounces and history, all in the caller's one transaction.

A settlement counts only while its claim's token stands (I12). What it makes of deliveries and messages is written in
ends.py. A recipient that was superseded while it was claimed (supersede.py) ends here, unless it has its outcome: it is
not tried again. One that the operator has recalled meanwhile (recall.py) is held. What remains is told by the history.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hedwig.spool import RecipientResult, Settled, Settlement, State, Superseded, digests, recall, stops, suppress
from hedwig.spool.ends import Ends, derive
from hedwig.spool.history import Line, line, record
from hedwig.spool.supersede import line_of, result_of

_CLAIMED = """
SELECT d.delivery, d.token, d.message, d.state, d.due, m.queue_id, m.client, m.size, m.open
FROM json_each(?) j CROSS JOIN deliveries d CROSS JOIN messages m
WHERE d.delivery = j.value AND d.token IS NOT NULL AND m.message = d.message"""
_OPEN = """
SELECT r.delivery, r.number, r.state, r.due, r.successor FROM json_each(?) j CROSS JOIN recipients r
WHERE r.delivery = j.value AND r.state <> 'done'"""
_ADDRESS = "SELECT address FROM recipients WHERE delivery = ? AND number = ?"


class Settling:
    """One transaction's settlements: gathers what each one changes, then writes it all at once."""

    def __init__(self, db: sqlite3.Connection, settlements: Sequence[Settlement], now: float) -> None:
        self._db = db
        self._now = now
        self._settlements = settlements
        wanted = json.dumps(list({settlement.delivery for settlement in settlements}))
        self._claims = {row[0]: row[1:] for row in db.execute(_CLAIMED, (wanted,))}
        self._open: dict[int, dict[int, tuple[str, float]]] = {delivery: {} for delivery in self._claims}
        self._successors: dict[int, dict[int, str]] = {}  # delivery: {recipient: the queue ID that supersedes it}
        for delivery, number, state, due, successor in db.execute(_OPEN, (json.dumps(list(self._claims)),)):
            self._open[delivery][number] = (state, due)
            if successor:
                self._successors.setdefault(delivery, {})[number] = successor
        self._ends = Ends(db)
        self._over: dict[int, int] = {}  # delivery: token, of the claims that end here
        self._lines: list[Line] = []

    @property
    def left_rubbish(self) -> bool:
        """A large body is to be swept."""
        return self._ends.left_rubbish

    def run(self) -> list[Settled]:
        """Write everything; the answers in order."""
        answers = [self._settle(settlement) for settlement in self._settlements]
        self._ends.write()
        held, lines = recall.over(self._db, self._over, self._now)
        if held:
            answers = self._with_held(answers, held)
            self._lines += lines
        stops.hold_back(self._db, (settlement.delivery for settlement in self._settlements), self._now)
        record(self._db, self._lines)
        return answers

    def _with_held(self, answers: list[Settled], held: Mapping[int, tuple[str, ...]]) -> list[Settled]:
        pairs = zip(self._settlements, answers, strict=True)
        return [
            replace(answer, held=held.get(settlement.delivery, ())) if answer.held_token else answer
            for settlement, answer in pairs
        ]

    def _settle(self, settlement: Settlement) -> Settled:
        delivery = settlement.delivery
        claim = self._claims.get(delivery)
        if claim is None or claim[0] != settlement.token:
            return Settled(held_token=False)
        del self._claims[delivery]  # a second settlement of it in this transaction comes too late
        self._over[delivery] = settlement.token
        _, message, state, due, queue_id, client, size, left = claim
        recipients = self._open[delivery]
        _take_results(delivery, settlement.results, recipients)
        gone = self._superseded(delivery, queue_id) if delivery in self._successors else {}
        if recipients:
            for result in (*settlement.results, *map(result_of, gone.items())):
                self._ends.result(delivery, result)
            if settlement.results or gone:
                state, due = derive(recipients.values())
            self._ends.goes_on(delivery, state, due, settlement.warned)
        else:
            self._ends.ends(delivery, message, left, size)
        suppress.add(self._db, settlement.suppress)
        self._lines += [line(event, queue_id, client) for event in settlement.events]
        self._lines += [line_of(each, client, self._now) for each in gone.values()]
        # What was superseded needs no report that it waits.
        told = settlement.bounces and not (gone and all(result.number in gone for result in settlement.results))
        if not told:
            return Settled(True, (), tuple(gone.values()))
        posted = digests.post(self._db, [(queue_id, client, bounce) for bounce in settlement.bounces], self._now)
        self._lines += posted.lines
        return Settled(True, posted.deliveries, tuple(gone.values()), posted.digested)

    def _superseded(self, delivery: int, queue_id: str) -> dict[int, Superseded]:
        """Take out of the open recipients those that a newer message supersedes."""
        gone = {}
        for number, successor in self._successors[delivery].items():
            if self._open[delivery].pop(number, None) is not None:
                [(address,)] = self._db.execute(_ADDRESS, (delivery, number)).fetchall()
                gone[number] = Superseded(queue_id, address, successor)
        return gone


def _take_results(delivery: int, results: Iterable[RecipientResult], recipients: dict[int, tuple[str, float]]) -> None:
    """Take the done ones out of the open `recipients`; ValueError for one that isn't open."""
    for result in results:
        if recipients.pop(result.number, None) is None:
            raise ValueError(f"recipient {result.number} of delivery {delivery} has its outcome, or never was")
        if result.state not in (State.DONE, State.DEFERRED, State.HELD):
            raise ValueError(f"recipient {result.number} of delivery {delivery} can't become {result.state}")
        if result.state is not State.DONE:
            recipients[result.number] = (result.state.value, result.due)
