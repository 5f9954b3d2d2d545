"""The plan: who is struck at which point, and how. A round strikes each process at each of its named points once.

In the first round every point is struck by SIGKILL, and each process besides at some moment by each other act. In the
rounds after it the acts go round, so that within six of them each point has met each act; half of them are SIGKILL.
"""

import random
from dataclasses import dataclass

from .fate import Act, Fate
from .seams import POINTS

WORKERS = ("worker-1", "worker-2")
NAMES = ("beanstalkd", "postoffice", "mailman", *WORKERS)
SOMETIME = ""  # the point of a stroke that comes from outside, at whatever moment
_TURNS = (Act.KILL, Act.FREEZE, Act.KILL, Act.RESTART, Act.KILL, Act.FREEZE_KILL)
_OTHERS = (Act.FREEZE, Act.FREEZE_KILL, Act.RESTART)
_QUEUE_POINTS = {"postoffice": ("hint.before", "hint.after"), "worker": ("hint.taken", "done.before")}
# How often a point is passed before it strikes, at the most; 20 for those that are not here.
_SELDOM = {"claim": 3, "settle": 3}  # mailman's backlog goes in batches
_ONCE = {"free": 1, "large": 4, "history": 2, "register": 10}
LONG = 11.0  # seconds: mailman waits 10 for a verdict
QUEUE_LONG = 6.0  # seconds: the queue's clients wait 4 for an answer
DEAD_LONG = 17.0  # seconds: another worker looks for dead ones every 15


@dataclass(frozen=True)
class Stroke:
    """`seconds`: how long it stays frozen, or dead."""

    point: str
    passing: int
    act: Act
    seconds: float

    @property
    def fate(self) -> Fate:
        """For the process that is struck at a point."""
        return Fate(self.point, self.passing, self.act)

    @property
    def keeps_a_letter(self) -> bool:
        """For mailman: this point is passed only where the postoffice is away."""
        return self.point.endswith("-commit")


Plan = dict[str, list[Stroke]]  # by the process's name


def matrix(turn: int, chance: random.Random) -> Plan:
    """Round `turn`, which counts from 0."""
    return {name: strokes(name, turn, chance) for name in NAMES}


def without_dead_workers(chance: random.Random) -> Plan:
    """Each point once: workers are frozen or restarted there, all others killed."""
    plan = {}
    for name in NAMES:
        daemon = name.partition("-")[0]
        acts = (Act.FREEZE, Act.RESTART) if name in WORKERS else (Act.KILL,)
        points = [point for point in POINTS.get(daemon, (SOMETIME,) * 4) if not point.startswith("free.")]
        plan[name] = [_at(daemon, point, chance.choice(acts), chance) for point in points]
        chance.shuffle(plan[name])
    return plan


def strokes(name: str, turn: int, chance: random.Random) -> list[Stroke]:
    """What befalls this process in round `turn`, which counts from 0."""
    if name == "beanstalkd":
        acts = (Act.KILL, *_OTHERS, Act.KILL)
        return [Stroke(SOMETIME, 0, act, chance.uniform(0.1, 1.0)) for act in acts] + [
            Stroke(SOMETIME, 0, Act.FREEZE, QUEUE_LONG)
        ]
    daemon = name.partition("-")[0]
    points = POINTS[daemon]
    if daemon == "worker":  # each takes every other one
        points = points[(turn + WORKERS.index(name)) % len(WORKERS) :: len(WORKERS)]
    planned = [_at(daemon, point, _act(turn, index), chance) for index, point in enumerate(points)]
    if turn == 0:
        planned += [_at(daemon, chance.choice(points), act, chance) for act in _OTHERS]
        planned += [Stroke(SOMETIME, 0, act, chance.uniform(0.1, 1.5)) for act in _OTHERS]
    planned += [_at(daemon, point, Act.QUEUE_KILL, chance) for point in _QUEUE_POINTS.get(daemon, ())]
    chance.shuffle(planned)
    return [*planned, *_long(name, turn)]


def _act(turn: int, index: int) -> Act:
    return _TURNS[(turn + index) % len(_TURNS)] if turn else Act.KILL


def _at(daemon: str, point: str, act: Act, chance: random.Random) -> Stroke:
    kind = point.partition(".")[0]
    most = _ONCE.get(kind, 20)
    if daemon == "mailman":
        most = _SELDOM.get(kind, most)
    return Stroke(point, chance.randint(1, most), act, chance.uniform(0.1, 1.2))


def _long(name: str, turn: int) -> list[Stroke]:
    """What only time brings out, once a round."""
    if name == "postoffice":
        return [
            Stroke(("answer.before", "register.before-commit", "register.after-commit")[turn % 3], 5, Act.FREEZE, LONG)
        ]
    if name in WORKERS:  # one is dead for so long, the other frozen: its claims are freed, or must not be (I12)
        point = ("dot.after", "data.before", "settle.before")[turn % 3]
        act = Act.KILL if WORKERS.index(name) == turn % len(WORKERS) else Act.FREEZE
        return [Stroke(point, 5, act, DEAD_LONG)]
    return []
