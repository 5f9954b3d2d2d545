"""Processes die at every named point while mail flows: nothing is lost, and nothing doubled without a doubt on record.

One round in `make test`; HEDWIG_CRASH_ROUNDS says how many (`make crash-test ROUNDS=10`).
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable

from hedwig.spool import Kind, Look
from hedwig.spool.sqlite import open_spool

from .. import reports
from ..farside import FarSide
from ..host import Host
from ..waiting import until
from ..world import HOME, World, mx
from .letters import DEAD, QUICK, RUDE, SLOW
from .plan import NAMES
from .receivers import Mood, Receiver
from .reckoning import Evidence, Notice, Reckoning
from .seams import POINTS
from .storm import Storm
from .stream import Stream

ROUNDS = int(os.environ.get("HEDWIG_CRASH_ROUNDS", "1"))
RATE = 100.0  # messages a second
CALM = (
    60.0  # seconds for the queue to be empty after the last stroke; what is dropped and found only later takes longer
)
MOODS = {
    QUICK: Mood(),
    SLOW: Mood(delay=(0.01, 0.1), pensive=0.02),
    RUDE: Mood(cut=0.02, later=0.02, grey=0.1),
    DEAD: Mood(refuses=True),
}
_ID = re.compile(r"<([0-9A-Z]{26})@")
_WORKER = {"stop_time": "10s", "retry": {"schedule": ["1s"], "jitter": "0%"}}


def receivers(world: World) -> list[Receiver]:
    """A far side for each mood, and DNS that leads to them."""
    made = []
    for number, mood in enumerate(MOODS.values(), 1):
        made.append(Receiver(f"192.0.2.{number}", mood, seed=number))
        world.fars.append(made[-1])
        world.at_end(made[-1].close)
    world.dns(*(mx(domain, f"192.0.2.{number}") for number, domain in enumerate(MOODS, 1)))
    return made


def evidence(host: Host, stream: Stream, far: list[Receiver], home: FarSide) -> Evidence:
    """What everybody has written down."""
    found = Evidence(set(stream.accepted) | set(stream.unheard), dict(stream.accepted))
    found.arrivals = [arrival for each in far for arrival in each.arrivals]
    for letter in home.accepted():
        name = _ID.search(letter.field("Message-ID"))
        found.notices.append(Notice(name[1] if name else "", tuple(reports.read(letter).failed)))
    ids = {*found.accepted.values(), *(each.queue_id for each in (*found.arrivals, *found.notices))}
    with_spools(host, lambda look: found.queued.update(queued(look)))
    with_spools(host, lambda look: told(look, ids, found))
    return found


def with_spools(host: Host, ask: Callable[[Look], None]) -> None:
    """Ask the postoffice's spool and mailman's."""
    for path in (host.spool, host.directory / "mailman" / "spool.db"):
        spool = open_spool(str(path), create=False)
        try:
            ask(spool)
        finally:
            spool.close()


def queued(look: Look) -> set[str]:
    """The recipients that wait."""
    found, after = set(), 0
    while True:
        rows, after = look.queued(limit=1000, after=after)
        found.update(row.rcptto for row in rows)
        if not after:
            return found


def told(look: Look, ids: set[str], found: Evidence) -> None:
    """What the history says of these."""
    for queue_id in ids:
        for line in look.history(queue_id):
            found.told.setdefault((queue_id, line.rcptto), Counter[Kind]())[line.kind] += 1


def is_drained(host: Host) -> bool:
    """Whether nothing waits."""
    waiting: set[str] = set()
    with_spools(host, lambda look: waiting.update(row.rcptto for row in look.queued(limit=1)[0]))
    return not waiting


def words(storm: Storm, stream: Stream, reckoning: Reckoning, seconds: tuple[float, float]) -> str:
    """What is printed, and recorded in docs/crash-test.md."""
    deaths = {name: victim.deaths for name, victim in storm.victims.items()}
    sums = sum(deaths.values(), Counter[str]())
    by_name = ", ".join(f"{name} {counts['kill']}" for name, counts in deaths.items())
    return (
        f"crash matrix, {ROUNDS} round(s): {sums['kill']} kills ({by_name}), {sums['freeze']} freezes, "
        f"{sums['restart']} restarts within {seconds[0]:.0f} s; {len({key[:2] for key in storm.reached})} points in "
        f"{len(storm.reached)} ways; {stream.sent:,} messages; the queue was empty {seconds[1]:.1f} s after the storm\n"
        f"{reckoning.table()}"
    )


def test_never_lost_never_doubled_without_a_doubt(world: World, record_property: Callable[[str, object], None]) -> None:
    """Every message that got a 250 is delivered, bounced or queued; a second copy has its doubt in the history; all
    that was queued goes once everything runs again (I1 to I5, I12)."""
    far = receivers(world)
    home = world.far(HOME)
    host = world.host(worker=_WORKER)
    host.start(*NAMES)
    stream = Stream(host.http, world.msmtp, RATE)
    storm = Storm(host, seed=4)
    started = time.monotonic()
    stream.start()
    storm.rage(ROUNDS)
    raged = time.monotonic() - started
    stream.stop()
    until("an empty queue", lambda: is_drained(host), seconds=CALM, pause=0.2)
    calm = time.monotonic() - started - raged
    reckoning = Reckoning(evidence(host, stream, far, home))
    record_property("printed", words(storm, stream, reckoning, (raged, calm)))
    faults = [*reckoning.faults, *storm.faults, *stream.faults]
    assert not faults, "\n".join([f"{len(faults)} faults:", *faults])
    assert reckoning.counts["lost"] == 0
    assert reckoning.counts["bounced"] and reckoning.counts["delivered"] and reckoning.counts["in doubt"]
    met = {(daemon, point) for daemon, point, _ in storm.reached}
    assert {(daemon, point) for daemon in POINTS for point in POINTS[daemon]} == met
