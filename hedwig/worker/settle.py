"""The settler: ends claims, many in one transaction, and only then tells the journal (step 8).

The order of effects: outcomes, bounces and history are committed together; then the dot marks are free, the bag has
room, the journal is told, and the bounces are hinted to the queue. While the spool can't take them (disk full)
they are kept and tried again: what was delivered must not be forgotten, or it would go out twice. Nothing new is
claimed meanwhile (`trouble`).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hedwig import log
from hedwig.spool import Claim, Kind, Settled, Settlement, SpoolTrouble, Waiting, Work
from hedwig.spool.trouble import matter_of
from hedwig.worker import journal
from hedwig.worker.alarms import Alarms
from hedwig.worker.delivery import Conclusion

MOST_AT_ONCE = 500
MOST_OCTETS = 1 << 20  # of reports, in one transaction
TROUBLE_PAUSE = 1.0  # seconds between tries while the spool can't write


@dataclass(frozen=True, slots=True)
class Ending:
    """A claim's conclusion; `after` is called when it is on disk (it frees the dot mark and the bag's room)."""

    claim: Claim
    conclusion: Conclusion
    after: Callable[[], None]


def handed_back(claim: Claim, after: Callable[[], None]) -> Ending:
    """The claim ends as if it had not been."""
    return Ending(claim, Conclusion(Settlement(claim.delivery, claim.token), ()), after)


class Settler:
    """Belongs to the event loop. `hint` is called with deliveries that are due at once (bounces, and what was handed
    back); `now` gives Unix seconds."""

    def __init__(self, spool: Work, hint: Callable[[list[Waiting]], None], now: Callable[[], float]) -> None:
        self._spool = spool
        self._hint = hint
        self._now = now
        self._waiting: list[Ending] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._alarms = Alarms(time.monotonic)
        self.trouble = ""
        self.counts: dict[Kind, int] = dict.fromkeys(Kind, 0)

    def add(self, ending: Ending) -> None:
        """Settle this with whatever else waits."""
        self._waiting.append(ending)
        self._wake.set()

    @property
    def pending(self) -> int:
        """Endings that are not on disk yet."""
        return len(self._waiting)

    async def run(self) -> None:
        """Settle until `stop`, and then what still waits. Never cancel this: a commit whose answer is not heard would
        be taken for a lost claim."""
        while not (self._stopping and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            await self.drain()

    def stop(self) -> None:
        """Let `run` end once everything is on disk."""
        self._stopping = True
        self._wake.set()

    async def drain(self) -> None:
        """Settle all that waits now."""
        while self._waiting:
            batch = self._batch()
            try:
                settled = await asyncio.wrap_future(self._spool.settle([each.conclusion.settlement for each in batch]))
            except SpoolTrouble as trouble:
                self._troubled(trouble)
                await asyncio.sleep(TROUBLE_PAUSE)
                continue
            self._recovered()
            del self._waiting[: len(batch)]
            due: list[Waiting] = []
            for ending, answer in zip(batch, settled, strict=True):
                ending.after()
                if not answer.held_token:
                    log.say(
                        log.Level.ERROR,
                        f"{ending.claim.queue_id}: the claim was no longer ours; its outcome is not recorded",
                    )
                    continue
                self._tell(ending, answer)
                due += answer.bounces
                if len(ending.conclusion.settlement.results) < len(ending.claim.recipients):
                    due.append(Waiting(ending.claim.delivery, ending.claim.destination, ending.claim.priority))
            if due:
                self._hint(due)

    def _batch(self) -> list[Ending]:
        """The first that wait, as many as one transaction may hold."""
        batch = self._waiting[:MOST_AT_ONCE]
        octets = 0
        for count, ending in enumerate(batch):
            octets += sum(bounce.body.size for bounce in ending.conclusion.settlement.bounces)
            if octets > MOST_OCTETS and count:
                return batch[:count]
        return batch

    def _troubled(self, trouble: SpoolTrouble) -> None:
        why = str(trouble)
        if why != self.trouble:
            text = f"outcomes can't be written: {why}; nothing new is sent until they can"
            log.event(matter_of(trouble), text, log.Level.ALERT, reason=why)
        self.trouble = why

    def _recovered(self) -> None:
        if self.trouble:
            log.event(log.Matter.SPOOL_BACK, "outcomes can be written again", log.Level.NOTICE)
        self.trouble = ""

    def _tell(self, ending: Ending, answer: Settled) -> None:
        gone = {*(each.rcptto for each in answer.superseded), *answer.held}
        for line in ending.conclusion.lines:
            self.counts[line.kind] += 1
            last = line.recipient.address in gone
            journal.tell(ending.claim, replace(line, due=0.0) if last else line, self._now())
        for rcptto in answer.held:
            self.counts[Kind.HELD] += 1
            journal.tell_recalled(ending.claim, rcptto)
        for superseded in answer.superseded:
            self.counts[Kind.SUPERSEDED] += 1
            journal.tell_superseded(ending.claim, superseded)
        for alarm in ending.conclusion.alarms:
            self._alarms.sound(alarm)
        for bounce in ending.conclusion.settlement.bounces:
            if bounce.queue_id in answer.digested:
                journal.tell_digested(ending.claim)
            elif answer.bounces:
                self.counts[Kind.BOUNCED] += 1
                journal.tell_bounce(ending.claim, bounce)
