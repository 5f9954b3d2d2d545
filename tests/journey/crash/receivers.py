"""Far sides that take their time, cut, put off and refuse, each by its mood, and note every letter that came whole."""

import random
import re
import threading
from dataclasses import dataclass

from ..farside import FarSide, Letter, Rule
from .letters import number_in, numbered

_ID = re.compile(r"\bid ([0-9A-Z]{26})\b")


@dataclass(frozen=True)
class Mood:
    """`delay`: seconds until the reply to the dot, from and to; `pensive`: the share of dots that wait a second.
    `cut`, `later`: shares of dots that are answered by hanging up, and by 451. `grey`: the share of recipients that are
    put off once. `refuses`: no recipient is known here."""

    delay: tuple[float, float] = (0.0, 0.005)
    pensive: float = 0.0
    cut: float = 0.0
    later: float = 0.0
    grey: float = 0.0
    refuses: bool = False


@dataclass(frozen=True)
class Arrival:
    """One letter at one recipient. `whole`: it is the numbered letter, octet for octet. `at`: counts arrivals."""

    rcptto: str
    queue_id: str
    whole: bool


class _Wait(threading.Event):
    """For Rule.hold: over by itself."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(self._seconds)


class Receiver(FarSide):
    """A site's MX. What it has got is in `arrivals`: the letters that it took, and those that it cut without a word,
    which a real one may have taken."""

    def __init__(self, address: str, mood: Mood, seed: int) -> None:
        self.arrivals: list[Arrival] = []
        self._mood = mood
        self._random = random.Random(seed)
        self._greylisted: set[str] = set()
        super().__init__(address)

    def record(self, number: int, text: str) -> None:
        """Commands are not kept: there are too many."""

    def keep(self, letter: Letter) -> None:
        """Note who got what. Before the reply goes out."""
        if letter.reply[:1] not in ("2", ""):
            return
        found = _ID.search(letter.header)
        whole = letter.body == numbered(number_in(letter.rcpttos[0])).body
        arrivals = [Arrival(rcptto, found[1] if found else "", whole) for rcptto in letter.rcpttos]
        with self.lock:
            self.arrivals += arrivals

    def find(self, stage: str, text: str) -> Rule | None:
        """The mood decides."""
        with self.lock:
            if stage == "rcpt":
                return self._at_rcpt(text)
            return self._at_dot() if stage == "dot" else None

    def _at_rcpt(self, text: str) -> Rule | None:
        if self._mood.refuses:
            return Rule("rcpt", reply="550 5.1.1 no such user here")
        if text not in self._greylisted and self._random.random() < self._mood.grey:
            self._greylisted.add(text)
            return Rule("rcpt", reply="450 4.7.1 greylisted: come back later")
        return None

    def _at_dot(self) -> Rule:
        mood, chance = self._mood, self._random.random()
        pensive = self._random.random() < mood.pensive
        hold = _Wait(1.0 if pensive else self._random.uniform(*mood.delay))
        if chance < mood.cut:
            return Rule("dot", hang_up=True, reset=chance < mood.cut / 2, hold=hold)
        if chance < mood.cut + mood.later:
            return Rule("dot", reply="451 4.3.0 not now", hold=hold)
        return Rule("dot", hold=hold)
