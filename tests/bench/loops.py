"""What uvloop brings: hedwig with it and without. There is no goal: hedwig's packages depend on it."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from counted import Load
from goals import Found
from journey.process import Process
from journey.world import World
from options import MESSAGES, ROUNDS
from peers import Field, Hedwig
from rates import show
from scene import say_what_is_wrong

LOADS = (
    Load("one a connection, 20 sessions", 20, MESSAGES),
    Load("connections reused, 20 sessions", 20, MESSAGES, reused=True),
)
SWITCHED = ("mailman", "worker-1")
_PLAIN = Path(__file__).with_name("plain_loop.py")


@dataclass
class Plain(Hedwig):
    """On asyncio's own loop while its turn lasts."""

    def begin(self) -> None:
        """Start mailman and the worker anew without it."""
        for name in SWITCHED:
            _, *arguments = self.host.command(name)
            room = name.partition("-")[0]
            command = [sys.executable, str(_PLAIN), room, *arguments]
            self._start(name, command)

    def end(self) -> None:
        """And with it."""
        for name in SWITCHED:
            self._start(name, self.host.command(name))

    def _start(self, name: str, command: list[str]) -> None:
        self.host[name].stop()
        self.host.processes[name] = Process(name, command, self.host.directory / f"{name}.log")
        self.host.start(name)


def play(world: World, in_memory: Path) -> Found:
    """By turns."""
    field = Field(world, in_memory, workers=(1,), postfix={})
    field.peers.append(Plain("hedwig, no uvloop", field.host))
    field.warm(LOADS[0].shortened(300))
    told = Found()
    for load in LOADS:
        found = field.rounds(load, ROUNDS)
        show(load, found)
        with_it, without = found.values()
        brought = {what: with_it.middle(what) / without.middle(what) for what in ("delivered", "cpu")}
        print(f"  with uvloop against without: rate {brought['delivered']:.2f}x, CPU {brought['cpu']:.2f}x")
        told.figures[load.title] = {name: [asdict(run) for run in runs.runs] for name, runs in found.items()}
        told.wrong += say_what_is_wrong(found)
    return told
