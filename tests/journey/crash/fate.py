"""What is to befall a daemon: at which named point, at which passing of it, and how. Written POINT:PASSING:ACT."""

import enum
import signal
from dataclasses import dataclass

VARIABLE = "HEDWIG_CRASH_AT"


class Act(enum.StrEnum):
    """How a process is struck. FREEZE: stopped and resumed; FREEZE_KILL: stopped and then killed; RESTART: SIGTERM and
    a new start; QUEUE_KILL: beanstalkd is killed while this process stands still at the point."""

    KILL = "kill"
    FREEZE = "freeze"
    FREEZE_KILL = "freeze-kill"
    RESTART = "restart"
    QUEUE_KILL = "queue-kill"

    @property
    def signal(self) -> signal.Signals:
        """What the process gets first."""
        if self is Act.KILL:
            return signal.SIGKILL
        return signal.SIGTERM if self is Act.RESTART else signal.SIGSTOP


@dataclass(frozen=True)
class Fate:
    """`passing` counts from 1: the daemon is struck when it comes to `point` for that time."""

    point: str
    passing: int
    act: Act

    def __str__(self) -> str:
        return f"{self.point}:{self.passing}:{self.act}"

    @classmethod
    def parse(cls, text: str) -> "Fate":
        """The other way round. ValueError for what is none."""
        point, passing, act = text.split(":")
        return cls(point, int(passing), Act(act))
