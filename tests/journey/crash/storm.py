"""Carries the plan out: each process suffers its strokes one after the other, all processes at the same time.

One thread does it all, as the kernel wants it (victims.py): each process's course is a generator that yields whenever
it waits for something. No course lasts longer than its strokes' PATIENCE.
"""

import random
import threading
import time
from collections.abc import Callable, Generator, Iterable

from ..host import Host
from .fate import Act
from .plan import NAMES, SOMETIME, Plan, Stroke
from .victims import Condition, Victim

PATIENCE = 25.0  # seconds for a point to be reached, and for a restart that comes there
_SHORT = 5.0  # for what happens at once or not at all
_TRIES = 3
_BREATH = 0.01  # seconds between two looks
_WORTH_KEEPING = 0.7  # seconds of letters that mailman keeps before the postoffice is back

Course = Generator[None, None, None]


class Storm:
    """Over the processes of `host`, which run. `reached`: (daemon, point, act) of the strokes that met their point."""

    def __init__(self, host: Host, seed: int) -> None:
        self.victims = {name: Victim(host, name) for name in NAMES}
        self.reached: set[tuple[str, str, Act]] = set()
        self.missed: list[str] = []
        self._chance = random.Random(seed)
        self._postoffice = threading.Lock()  # held by the course that may strike or need it just now

    def rage(self, plan: Plan) -> None:
        """All of the plan, by turns; or as far as it goes as planned."""
        courses = [self._course(self.victims[name], strokes) for name, strokes in plan.items()]
        while courses and not self.faults:
            for course in list(courses):
                try:
                    next(course)
                except StopIteration:
                    courses.remove(course)
            time.sleep(_BREATH)

    def pass_over(self) -> None:
        """Everything runs again."""
        for victim in self.victims.values():
            victim.resume()
            if victim.condition is Condition.ENDED:
                victim.start()

    @property
    def faults(self) -> list[str]:
        """What went otherwise than planned: a daemon ended by itself, or never came to a point."""
        return [*self.missed, *(fault for victim in self.victims.values() for fault in victim.faults)]

    # --- courses

    def _course(self, victim: Victim, planned: Iterable[Stroke]) -> Course:
        for stroke in planned:
            if victim.name == "mailman" and stroke.keeps_a_letter:
                yield from self._held(self._without_postoffice(victim, stroke))
            elif victim.name == "postoffice":
                yield from self._held(self._stroke(victim, stroke))
            else:
                yield from self._stroke(victim, stroke)
            yield from _pause(self._chance.uniform(0.0, 0.3))
        yield from self._held(self._revived(victim))

    def _revived(self, victim: Victim) -> Course:
        """It runs again, at once."""
        if victim.condition is Condition.ENDED:
            victim.start()
        yield

    def _stroke(self, victim: Victim, stroke: Stroke, meanwhile: Callable[[], Course] | None = None) -> Course:
        if stroke.point == SOMETIME:
            yield from self._sometime(victim, stroke)
            return
        for _ in range(_TRIES):
            if stroke.point.startswith("free."):  # there must be a dead one's claims
                yield from self._stroke(victim, Stroke("data.before", 3, Act.KILL, 0.0))
            if victim.condition is not Condition.ENDED:
                victim.terminate()
                yield from _until(lambda: victim.condition is Condition.ENDED, PATIENCE)
            victim.start(stroke.fate)
            if meanwhile is not None:
                yield from meanwhile()
            yield from _until(lambda: not victim.runs, _patience(stroke))
            if not victim.runs:
                victim.was_struck(stroke.fate)
                self.reached.add((victim.daemon, stroke.point, stroke.act))
                yield from self._afterwards(victim, stroke)
                return
            victim.kill()
        self.missed.append(f"{victim.name} never came to {stroke.point} ({stroke.passing})")

    def _sometime(self, victim: Victim, stroke: Stroke) -> Course:
        if not victim.runs:
            victim.start()
        yield from _pause(self._chance.uniform(0.2, 2.0))
        if not victim.runs:  # beanstalkd, which other courses strike too
            return
        if stroke.act is Act.KILL:
            victim.kill()
        elif stroke.act is Act.RESTART:
            victim.terminate()
            yield from _until(lambda: victim.condition is Condition.ENDED, _patience(stroke))
        else:
            victim.freeze()
        yield from self._afterwards(victim, stroke)

    def _afterwards(self, victim: Victim, stroke: Stroke) -> Course:
        """Frozen or dead for a while; then it runs again."""
        if stroke.act is Act.QUEUE_KILL:
            self.victims["beanstalkd"].kill()
            self.victims["beanstalkd"].start()
        if stroke.act is not Act.RESTART:
            yield from _pause(stroke.seconds)
        if stroke.act is Act.FREEZE_KILL:
            victim.kill()
        victim.resume()
        if victim.name == "beanstalkd" and victim.condition is Condition.ENDED:
            victim.start()

    def _without_postoffice(self, victim: Victim, stroke: Stroke) -> Course:
        """Mailman keeps letters while the postoffice is away, and sends them on when it is back."""
        postoffice = self.victims["postoffice"]

        def meanwhile() -> Course:
            if postoffice.runs:
                postoffice.kill()
            yield from _until(lambda: not victim.runs, _WORTH_KEEPING)
            if not stroke.point.startswith("register."):
                yield from self._revived(postoffice)

        yield from self._stroke(victim, stroke, meanwhile)
        yield from self._revived(postoffice)

    def _held(self, course: Course) -> Course:
        """`course`, while no other has the postoffice."""
        while not self._postoffice.acquire(blocking=False):
            yield
        try:
            yield from course
        finally:
            self._postoffice.release()


def _patience(stroke: Stroke) -> float:
    """What a dead worker held is freed at the start, if another has not done it before."""
    return _SHORT if stroke.point == SOMETIME or stroke.point.startswith("free.") else PATIENCE


def _pause(seconds: float) -> Course:
    yield from _until(lambda: False, seconds)


def _until(done: Callable[[], bool], seconds: float) -> Course:
    """Until it is done, or the time is over."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        yield
