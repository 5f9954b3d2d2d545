"""hedwig against Postfix: one table, and all figures as JSON.

    make bench [MESSAGES=4000] [ROUNDS=3] [JSON=build/bench.json] [ONLY="500 domains"]

hedwig as a whole on one host (mailman, postoffice, beanstalkd, one or two workers) and Postfix twice, as it comes
and tuned, each a relay between the same smtp-source and the same smtp-sink. All are there at once; they are loaded
by turns, ROUNDS times, and what is told are medians. Then one letter at a time, by msmtp and by smtplib. ONLY: none but
the loads whose titles have these words.

hedwig's limits of a site are lifted to Postfix's tuned ones (peers.py). hedwig asks a resolver for its receivers,
whose CPU is not counted; Postfix knows its relay by address, but with many domains it asks as well. Log daemons are
counted where they run: Postfix has postlogd, hedwig writes lines to a file itself. A message counts when it is at the
far side; what is lost or comes twice has columns. As root: Postfix wants it.
"""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from alone import Times, letters
from counted import Load
from journey.world import World
from peers import Field, Runs
from scene import in_a_scene, say_what_is_wrong

MESSAGES = int(os.environ.get("MESSAGES", "4000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
LETTERS = int(os.environ.get("LETTERS", "100"))  # one at a time, of each kind, in all rounds
JSON = Path(os.environ.get("JSON") or "build/bench.json")
ONLY = os.environ.get("ONLY", "")
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
# Ratios of the better hedwig to the better Postfix: of rates at least, of CPU at the most.
GOALS = {
    LOADS[0].title: (2.0, 0.45),
    LOADS[1].title: (2.0, 0.45),
    LOADS[2].title: (3.0, 0.35),
    LOADS[3].title: (3.0, 0.35),
    LOADS[5].title: (1.8, None),
    MANY.title: (1.8, None),
}
MSMTP_GOAL, SMTPLIB_GOAL = 0.2, 1.3


def is_ours(name: str) -> bool:
    """Whether that peer is hedwig."""
    return name.startswith("hedwig")


def show(load: Load, found: dict[str, Runs]) -> None:
    """The lines of one load, and how the goal was met."""
    print(f"\n{load.title} ({load.messages} messages of {load.size} octets)")
    for name, runs in found.items():
        print(
            f"  {name:18} {runs.middle('accepted'):6.0f}/s accepted {runs.middle('delivered'):6.0f}/s delivered "
            f"{runs.middle('cpu'):6.2f} ms CPU {runs.middle('pss'):6.0f} MiB PSS "
            f"{runs.total('lost'):4} lost {runs.total('doubled'):4} doubled"
        )
    rate = _best(found, "delivered", ours=True) / _best(found, "delivered", ours=False)
    cpu = _best(found, "cpu", ours=True) / _best(found, "cpu", ours=False)
    least, most = GOALS.get(load.title, (None, None))
    print(
        f"  {'':18} rate {_judged(rate, least, rate >= (least or 0))}, CPU {_judged(cpu, most, cpu <= (most or cpu))}"
    )


def _best(found: dict[str, Runs], what: str, *, ours: bool) -> float:
    figures = [runs.middle(what) for name, runs in found.items() if is_ours(name) == ours]
    return min(figures) if what == "cpu" else max(figures)


def _judged(ratio: float, goal: float | None, met: bool) -> str:
    return f"{ratio:.2f}x" + (f" (goal {goal:g}x: {'met' if met else 'NOT MET'})" if goal is not None else "")


def one_by_one(field: Field) -> dict[str, Any]:
    """Latencies, printed."""
    times = {peer.name: Times() for peer in field.peers}
    for number in range(ROUNDS):
        for peer in field.peers if number % 2 == 0 else field.peers[::-1]:
            peer.begin()
            letters(peer, field.far, max(2, LETTERS // ROUNDS), f"a{number}", times[peer.name])
            peer.end()
    told = {name: one.milliseconds() for name, one in times.items()}
    print("\none letter at a time, ms (p50, p99): msmtp from start to exit; to the far side; smtplib")
    for name, kinds in told.items():
        print(f"  {name:18}" + "".join(f" {one['p50']:8.1f} {one['p99']:7.1f}" for one in kinds.values()))
    for kind, goal in (("msmtp", MSMTP_GOAL), ("smtplib", SMTPLIB_GOAL)):
        ours = min(kinds[kind]["p50"] for name, kinds in told.items() if is_ours(name))
        ratio = ours / min(kinds[kind]["p50"] for name, kinds in told.items() if not is_ours(name))
        print(f"  {kind:18} p50 {_judged(ratio, goal, ratio <= goal)}")
    return told


def machine() -> dict[str, str]:
    """On what it was measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    postfix = subprocess.run(["postconf", "-d", "-h", "mail_version"], capture_output=True, text=True, check=True)
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postfix": postfix.stdout.strip(),
        "load when begun": f"{os.getloadavg()[0]:.1f}",
    }


def play(world: World, in_memory: Path) -> list[str]:
    """All of it, printed and written; what is wrong."""
    on = machine()
    print(", ".join(f"{name} {value}" for name, value in on.items()))
    field = Field(world, in_memory, workers=(1, 2))
    told: dict[str, Any] = {"machine": on, "idle": {}, "start": field.started, "loads": {}}
    print("\nidle: PSS and RSS in MiB; seconds from start to ready")
    for name, memory in field.idle().items():
        told["idle"][name] = asdict(memory)
        print(f"  {name:18} {memory.pss:6.1f} {memory.rss:6.1f} {field.started.get(name, 0.0):6.2f}")
    field.warm(LOADS[0].shortened(300))
    wrong = []
    for load in (load for load in (*LOADS, MANY) if ONLY in load.title):
        field.to_domains(load.domains)
        found = field.rounds(load, ROUNDS)
        show(load, found)
        told["loads"][load.title] = {name: [asdict(run) for run in runs.runs] for name, runs in found.items()}
        wrong += say_what_is_wrong(found)
    field.to_domains(1)
    if not ONLY:
        told["alone"] = one_by_one(field)
    JSON.parent.mkdir(parents=True, exist_ok=True)
    JSON.write_text(json.dumps(told, indent=1))
    print(f"\nall figures: {JSON}")
    return wrong


if __name__ == "__main__":
    in_a_scene(play)
