"""How many messages a second, and at what CPU, with loads of seven kinds."""

from dataclasses import asdict
from pathlib import Path

import haraka
from counted import Load
from goals import Found, Row, is_ours
from journey.world import World
from options import MESSAGES, PEERS, ROUNDS
from peers import Field, Runs
from scene import say_what_is_wrong

LOADS = (
    Load("one a connection, 20 sessions", 20, MESSAGES),
    Load("one a connection, 50 sessions", 50, MESSAGES),
    Load("connections reused, 20 sessions", 20, MESSAGES, reused=True),
    Load("connections reused, 50 sessions", 50, MESSAGES, reused=True),
    Load("100 KB, 20 sessions", 20, MESSAGES // 10, size=100 * 1024),
    Load("10 recipients, 20 sessions", 20, MESSAGES // 4, recipients=10),
)
# One smtp-source a domain, which computes as long (4 ms) as it takes to accept and deliver two messages: they are more
# than elsewhere, lest it is that start which is measured.
MANY = Load("500 domains, 20 sessions", 20, max(500, 2 * MESSAGES // 500 * 500), domains=500)
# Of rates at least, of CPU at the most.
GOALS = {
    LOADS[0].title: (2.0, 0.45),
    LOADS[1].title: (2.0, 0.45),
    LOADS[2].title: (3.0, 0.35),
    LOADS[3].title: (3.0, 0.35),
    LOADS[5].title: (1.8, None),
    MANY.title: (1.8, None),
}


def show(load: Load, found: dict[str, Runs]) -> None:
    """The lines of one load."""
    print(f"\n{load.title} ({load.messages} messages of {load.size} octets)")
    for name, runs in found.items():
        print(
            f"  {name:22} {runs.middle('accepted'):6.0f}/s accepted {runs.middle('delivered'):6.0f}/s delivered "
            f"{runs.middle('cpu'):6.2f} ms CPU {runs.middle('pss'):6.0f} MiB PSS "
            f"{runs.total('lost'):4} lost {runs.total('doubled'):4} doubled",
            flush=True,
        )


def judged(title: str, found: dict[str, Runs], least: float, most: float | None = None) -> list[Row]:
    """The rows of a load. hedwig's better configuration is the faster one, and its CPU is that one's, too; of Postfix
    it is the faster for rates, and the one that computes less for CPU."""
    ours = max((name for name in found if is_ours(name)), key=lambda name: found[name].middle("delivered"))
    theirs = [runs for name, runs in found.items() if name.startswith("Postfix")]
    rate = found[ours].middle("delivered") / max(runs.middle("delivered") for runs in theirs)
    cpu = found[ours].middle("cpu") / min(runs.middle("cpu") for runs in theirs)
    rows = [Row(f"delivered/s, {title}", rate, least, by=ours)]
    if most is not None:
        rows.append(Row(f"CPU a message, {title}", cpu, most, least=False, by=ours))
    return rows


def play(world: World, in_memory: Path) -> Found:
    """All loads."""
    field = Field(world, in_memory)
    if "haraka" in PEERS:
        field.peers.append(haraka.started(world))
    field.warm(LOADS[0].shortened(300))
    told = Found()
    for load in (*LOADS, MANY):
        field.to_domains(load.domains)
        found = field.rounds(load, ROUNDS, before=max(load.domains, load.messages // 10))
        show(load, found)
        told.figures[load.title] = {name: [asdict(run) for run in runs.runs] for name, runs in found.items()}
        told.wrong += say_what_is_wrong(found)
        if load.title in GOALS:
            told.rows += judged(load.title, found, *GOALS[load.title])
    return told
