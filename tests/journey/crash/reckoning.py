"""What became of each letter, and what must not be: lost, doubled without a doubt, changed, or told wrongly.

Everything is counted by recipient: a letter to two is two. *Delivered*: a far side has it. *Bounced*: the sender's own
far side has the notification. *Queued*: a spool shows it to the operator. *In doubt*: its history says so. *Doubled*: a
far side has more than one copy; each copy beyond the first needs a doubt of its own in the history (I5), and where the
client's policy is `hold` there is none, where it is `retry-once` there is one at the most.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from hedwig.options import OnDoubt
from hedwig.spool import Kind

from .letters import DEAD, number_in, numbered
from .receivers import Arrival

_MOST_COPIES = {OnDoubt.HOLD: 1, OnDoubt.RETRY_ONCE: 2}
_COLUMNS = ("sent", "accepted", "delivered", "bounced", "queued", "in doubt", "doubled", "lost")


@dataclass(frozen=True)
class Notice:
    """A notification that arrived: its own queue ID, and the recipients that it says were not reached."""

    queue_id: str
    failed: tuple[str, ...]


@dataclass
class Evidence:
    """All that is known when the storm is over. `sent`: numbers; `accepted`: number to queue ID; `queued`: recipients;
    `told`: what the history says, by queue ID and recipient; `policies`: by number, `retry` where it is not there;
    `doubts`: what the history says of each, in words."""

    sent: set[int] = field(default_factory=set)
    accepted: dict[int, str] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    queued: set[str] = field(default_factory=set)
    told: dict[tuple[str, str], Counter[Kind]] = field(default_factory=dict)
    policies: dict[int, OnDoubt] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)


class Reckoning:
    """`counts` by column, and `faults` in words."""

    def __init__(self, evidence: Evidence) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.doubts = evidence.doubts
        self._evidence = evidence
        self._copies: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in evidence.arrivals:
            self._copies[arrival.rcptto].append(arrival)
        self._bounced = Counter(rcptto for notice in evidence.notices for rcptto in notice.failed)
        self.counts["sent"] = sum(len(numbered(number).rcpttos) for number in evidence.sent)
        for number, queue_id in evidence.accepted.items():
            for rcptto in numbered(number).rcpttos:
                self._promised(queue_id, rcptto)
        for rcptto, copies in self._copies.items():
            self._look_at_copies(rcptto, copies)
        self._look_at_notices()

    def table(self) -> str:
        """The counts in two lines."""
        cells = [f"{self.counts[column]:,}" for column in _COLUMNS]
        widths = [max(len(column), len(cell)) for column, cell in zip(_COLUMNS, cells, strict=True)]
        rows = (_COLUMNS, cells)
        return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)

    def _promised(self, queue_id: str, rcptto: str) -> None:
        """A 250 was said for this one."""
        told = self._evidence.told.get((queue_id, rcptto), Counter())
        copies = [copy for copy in self._copies.get(rcptto, ()) if copy.queue_id == queue_id]
        queued = rcptto in self._evidence.queued
        bounced = self._bounced[rcptto] > 0
        self.counts["accepted"] += 1
        self.counts["delivered"] += bool(copies)
        self.counts["bounced"] += bounced
        self.counts["queued"] += queued
        self.counts["in doubt"] += told[Kind.IN_DOUBT] > 0
        if not (copies or bounced or queued):
            self.counts["lost"] += 1
            self.faults.append(f"{queue_id} to {rcptto} is lost; its history: {dict(told) or 'none'}")
        if told[Kind.DELIVERED] and not copies:
            self.faults.append(f"{queue_id} to {rcptto}: said to be delivered, and is not")
        if copies and not queued and not told[Kind.DELIVERED]:
            self.faults.append(f"{queue_id} to {rcptto}: delivered, and its history does not say so: {dict(told)}")
        if bounced and (copies or not told[Kind.FAILED] or not rcptto.endswith(DEAD)):
            self.faults.append(f"{queue_id} to {rcptto}: bounced without reason: {dict(told)}")

    def _look_at_copies(self, rcptto: str, copies: list[Arrival]) -> None:
        """Also of a letter for which no 250 was heard: hedwig may deliver it, but not twice."""
        ids = {copy.queue_id for copy in copies}
        if len(ids) > 1:
            self.faults.append(f"{rcptto} came under several queue IDs: {sorted(ids)}")
        queue_id = self._evidence.accepted.get(number_in(rcptto), "")
        if queue_id and ids != {queue_id}:
            self.faults.append(f"{rcptto} was accepted as {queue_id} and came as {sorted(ids)}")
        if not all(copy.whole for copy in copies):
            self.faults.append(f"{sorted(ids)} to {rcptto} did not come as it was sent")
        if len(copies) > 1:
            self.counts["doubled"] += 1
            self._need_doubts(copies[0].queue_id, rcptto, len(copies))
        policy = self._evidence.policies.get(number_in(rcptto), OnDoubt.RETRY)
        if len(copies) > _MOST_COPIES.get(policy, len(copies)):
            self.faults.append(f"{sorted(ids)} to {rcptto}: {len(copies)} copies, and its policy is {policy}")

    def _look_at_notices(self) -> None:
        """A notification is a letter too; and there is one of a failure."""
        for queue_id, copies in Counter(notice.queue_id for notice in self._evidence.notices).items():
            if copies > 1:
                sender = next((key[1] for key in self._evidence.told if key[0] == queue_id and key[1]), "")
                self._need_doubts(queue_id, sender, copies)
        different = {(notice.queue_id, rcptto) for notice in self._evidence.notices for rcptto in notice.failed}
        for rcptto, count in Counter(rcptto for _, rcptto in different).items():
            if count > 1:
                self.faults.append(f"{rcptto}: {count} different notifications of one failure")

    def _need_doubts(self, queue_id: str, rcptto: str, copies: int) -> None:
        told = self._evidence.told.get((queue_id, rcptto), Counter())
        if copies > 1 + told[Kind.IN_DOUBT]:
            self.faults.append(f"{queue_id} to {rcptto}: {copies} copies, and its history: {dict(told)}")
