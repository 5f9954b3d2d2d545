"""Processes that are struck: one life after the other under the same name, each with a fate or without.

All of them start from the thread that made the stage: the kernel ends a child when the thread that started it does.
"""

import enum
import signal
import sys
from collections import Counter
from pathlib import Path

from ..host import Host
from ..network import tool
from ..process import Process
from .fate import VARIABLE, Act, Fate

_TESTS = Path(__file__).parents[2]
_HEEDED = {0, -signal.SIGTERM}  # beanstalkd has no handler for it, and a daemon that has only just started neither


class Condition(enum.Enum):
    """How it is with a process."""

    RUNNING = enum.auto()
    FROZEN = enum.auto()
    ENDED = enum.auto()


class Victim:
    """A process of `host`. `deaths` counts what ended or froze it: kill, freeze, restart."""

    def __init__(self, host: Host, name: str) -> None:
        self.name = name
        self.deaths: Counter[str] = Counter()
        self.faults: list[str] = []
        self._host = host
        self._expected: set[int] = set()  # how this life may end

    @property
    def daemon(self) -> str:
        """Which of hedwig's it is."""
        return self.name.partition("-")[0]

    @property
    def condition(self) -> Condition:
        """As the kernel says. A life that ended as nobody wanted it to becomes a fault."""
        process = self._host[self.name]
        if not process.alive:
            if process.returncode not in self._expected:
                self.faults.append(f"{self.name} ended by itself with {process.returncode}: {process.words()[-2000:]}")
                self._expected.add(process.returncode or 0)
            return Condition.ENDED
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return Condition.FROZEN if state == "T" else Condition.RUNNING

    @property
    def runs(self) -> bool:
        """Neither frozen nor ended."""
        return self.condition is Condition.RUNNING

    def start(self, fate: Fate | None = None) -> None:
        """A new life, where the old one is over; comes back at once."""
        assert self.name not in self._host.processes or not self._host[self.name].alive, f"{self.name} has not ended"
        command = self._host.command(self.name)
        self._expected = set()
        if fate is not None:
            inside = ["-m", "journey.crash.launch", self.daemon, *command[1:]]
            command = [tool("env"), f"PYTHONPATH={_TESTS}", f"{VARIABLE}={fate}", sys.executable, *inside]
            self._expected.update(_HEEDED if fate.act is Act.RESTART else {-fate.act.signal})
        process = Process(self.name, command, self._host.directory / f"{self.name}.log")
        self._host.processes[self.name] = process
        process.start()

    def kill(self) -> None:
        """SIGKILL, whatever its condition; and the end of it."""
        process = self._host[self.name]
        self._expected.add(-signal.SIGKILL)
        if process.alive:
            self.deaths["kill"] += 1
            process.kill()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.deaths["freeze"] += 1
        self._host.freeze(self.name)

    def resume(self) -> None:
        """SIGCONT."""
        if self.condition is Condition.FROZEN:
            self._host.thaw(self.name)

    def terminate(self) -> None:
        """SIGTERM; it may take its time to end."""
        self.deaths["restart"] += 1
        self._expected.update(_HEEDED)
        self._host[self.name].signal(signal.SIGTERM)

    def was_struck(self, fate: Fate) -> None:
        """Its fate has come true: count it."""
        struck = {signal.SIGKILL: "kill", signal.SIGSTOP: "freeze", signal.SIGTERM: "restart"}
        self.deaths[struck[fate.act.signal]] += 1
