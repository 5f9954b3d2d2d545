"""A whole system with its far sides, a stream through it, and a storm over it: from the start to the reckoning."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from hedwig.options import OnDoubt
from hedwig.spool import Kind, Look, QueuedRecipient, State
from hedwig.spool.sqlite import open_spool

from .. import reports
from ..farside import FarSide
from ..waiting import until
from ..world import HOME, World, mx
from .letters import DEAD, QUICK, RUDE, SLOW
from .plan import NAMES, Plan
from .receivers import Mood, Receiver
from .reckoning import Evidence, Notice, Reckoning
from .storm import Storm
from .stream import Stream

RATE = 100.0  # messages a second
CALM = (
    60.0  # seconds for the queue to be empty after the last stroke: what was dropped and is found by chance takes more
)
KIND = Mood()
MOODS = {
    QUICK: KIND,
    SLOW: Mood(delay=(0.01, 0.1), pensive=0.02),
    RUDE: Mood(cut=0.02, later=0.02, grey=0.1),
    DEAD: Mood(refuses=True),
}
_ID = re.compile(r"<([0-9A-Z]{26})@")
_WORKER = {"stop_time": "10s", "retry": {"schedule": ["1s"], "jitter": "0%"}}


class Scene:
    """`moods`: those of the sites, by domain. After `play`: `storm`, `reckoning`, and `faults` of all kinds."""

    def __init__(self, world: World, moods: Mapping[str, Mood] = MOODS) -> None:
        self._far = [Receiver(f"192.0.2.{number}", mood, number) for number, mood in enumerate(moods.values(), 1)]
        for far in self._far:
            world.fars.append(far)
            world.at_end(far.close)
        world.dns(*(mx(domain, f"192.0.2.{number}") for number, domain in enumerate(moods, 1)))
        self._home: FarSide = world.far(HOME)
        self._host = world.host(worker=_WORKER)
        clients = {OnDoubt.RETRY: self._host.http}
        for policy in (OnDoubt.HOLD, OnDoubt.RETRY_ONCE):
            clients[policy] = self._host.client(f"{policy}.nankai.edu.cn", on_doubt=policy)
        self._host.start(*NAMES)
        self._spools = (self._host.spool, self._host.directory / "mailman" / "spool.db")
        self.stream = Stream(clients, world.msmtp, RATE)
        self.storm = Storm(self._host, seed=4)
        self.reckoning = Reckoning(Evidence())
        self._raged = self._calmed = 0.0

    def play(self, plans: Sequence[Plan]) -> None:
        """The storm while letters flow, the calm after it, the reckoning."""
        started = time.monotonic()
        self.stream.start()
        for plan in plans:
            self.storm.rage(plan)
        self.storm.pass_over()
        self._raged = time.monotonic() - started
        self.stream.stop()
        until("an empty queue", self._is_drained, seconds=CALM, pause=0.2)
        self._calmed = time.monotonic() - started - self._raged
        self.reckoning = Reckoning(self._evidence())

    @property
    def faults(self) -> list[str]:
        """Of the letters, the processes, and the ways in."""
        return [*self.reckoning.faults, *self.storm.faults, *self.stream.faults]

    def words(self, what: str) -> str:
        """What is printed, and recorded in docs/crash-test.md."""
        deaths = {name: victim.deaths for name, victim in self.storm.victims.items()}
        sums = sum(deaths.values(), Counter[str]())
        by_name = ", ".join(f"{name} {counts['kill']}" for name, counts in deaths.items())
        points = len({(daemon, point) for daemon, point, _ in self.storm.reached})
        return (
            f"{what}: {self.stream.sent:,} messages, by recipient below; the storm took {self._raged:.0f} s, and "
            f"{self._calmed:.1f} s later the queue was empty\n"
            f"{sums['kill']} kills ({by_name}),\n{sums['freeze']} freezes, {sums['restart']} restarts; "
            f"{points} named points met in {len(self.storm.reached)} ways\n\n{self.reckoning.table()}"
        )

    def _is_drained(self) -> bool:
        """What is held waits for the operator, and for nothing else."""
        waiting: list[bool] = []
        self._ask(lambda look: waiting.append(any(row.state is not State.HELD for row in _queued(look))))
        return not any(waiting)

    def _ask(self, question: Callable[[Look], None]) -> None:
        """Of the postoffice's spool and of mailman's."""
        for path in self._spools:
            spool = open_spool(str(path), create=False)
            try:
                question(spool)
            finally:
                spool.close()

    def _evidence(self) -> Evidence:
        """What everybody has written down."""
        stream = self.stream
        found = Evidence(set(stream.accepted) | set(stream.unheard), dict(stream.accepted))
        found.arrivals = [arrival for each in self._far for arrival in each.arrivals]
        for letter in self._home.accepted():
            name = _ID.search(letter.field("Message-ID"))
            found.notices.append(Notice(name[1] if name else "", tuple(reports.read(letter).failed)))
        ids = {*found.accepted.values(), *(each.queue_id for each in (*found.arrivals, *found.notices))}
        found.policies = stream.policies
        self._ask(lambda look: found.queued.update(row.rcptto for row in _queued(look)))
        self._ask(lambda look: _read_history(look, ids, found))
        return found


def _queued(look: Look) -> Iterator[QueuedRecipient]:
    after = 0
    while True:
        rows, after = look.queued(limit=1000, after=after)
        yield from rows
        if not after:
            return


def _read_history(look: Look, ids: set[str], found: Evidence) -> None:
    for queue_id in ids:
        for line in look.history(queue_id):
            found.told.setdefault((queue_id, line.rcptto), Counter())[line.kind] += 1
            if line.kind is Kind.IN_DOUBT:
                found.doubts.append(f"{queue_id} to {line.rcptto}, {line.at:.3f}: {line.text}")
