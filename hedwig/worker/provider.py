"""A receiver as its limits see it: one site of the settings, or one set of MX hosts, from one source of ours. Pure.

It bounds connections (a figure of the settings, a word of the receiver's own, and below these the window of pace.py)
and how much is claimed for it: what free connections take at once, and beyond that about one second of what its
connections manage at the pace of its last messages. A tarpit so holds a score of messages, a quick receiver thousands.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hedwig.pace import FIRST, Window
from hedwig.settings import SiteRule

if TYPE_CHECKING:
    from hedwig.worker.bag import SiteState

AHEAD_LEAST = 10  # messages claimed beyond the free connections of a slow receiver
AHEAD_NEW = 100  # and of one that has only just been met, one connection's worth
NEW_FOR = 1.0  # seconds
AHEAD_TIME = 1.0  # seconds of a receiver's pace
SMOOTHING = 0.2  # share of the last message in the pace, at the most
SMOOTH_TIME = 0.5  # seconds of a quick receiver's messages that its pace is of: one that was slow says little
SMOOTH_LEAST = 0.02
BUSY_LEAST = 0.05  # seconds
BUSY_MOST = 2.0
NO_SLOT_PAUSE = 0.3  # seconds, while other workers have all of its connections
DRY_MEMORY = 60.0  # seconds after which a rate that was used up may not be any more
FULL_FIRST = 1.0  # seconds that no connection is tried after one too many; doubles each time in a row
FULL_MOST = 60.0


@dataclass(slots=True, eq=False)
class Provider:
    """`met`: when it was first met. `pace`: seconds that one connection takes for a message, smoothed; 0 while unknown.

    Connections: `share` is what this worker may have of those that the rule allows all workers, `bound` the receiver's
    own word on how many all may have, 0 for none. `couriers`: how many there are; of these, `leaving`: those that end
    now, `open`: those with a session, `idle`: those that wait for more to carry. `turned_away`: how often in a row it
    took no connection more. `hungry`: its sites that wait for one, in the order in which they came. `kept`: the window
    as it was kept last. `low`: when no more messages than so many wait, `drained` is told once; -1: never.

    Rest: `resting` is how many families of our addresses it does not want now; `eased`: these have become fewer. Times
    are monotonic."""

    name: str
    source: str = ""
    rule: SiteRule = field(default_factory=SiteRule)
    met: float = 0.0
    window: Window = field(default_factory=Window)
    kept: float = FIRST
    couriers: int = 0
    leaving: int = 0
    open: int = 0
    idle: int = 0
    turned_away: int = 0
    waiting: Counter[int] = field(default_factory=Counter)  # by priority
    hungry: "dict[SiteState, None]" = field(default_factory=dict)
    pace: float = 0.0
    not_before: float = 0.0
    reason: str = ""
    resting: int = 0
    eased: bool = False
    share: int = 0
    bound: int = 0
    no_slot_before: float = 0.0
    dry_until: float = float("-inf")  # its rate is used up
    dry: str = ""
    low: int = -1
    drained: "Callable[[Provider], None]" = lambda _provider: None

    def opens(self) -> float:
        """When something may go there again; 0: now."""
        return max(self.not_before, self.dry_until)

    def forgettable(self, now: float) -> bool:
        """Whether nothing is lost with it: a new one would be no bolder."""
        memory = FULL_MOST if self.turned_away else 0.0  # it counts on when it is turned away soon again
        return not self.couriers and now >= max(self.opens(), self.no_slot_before + memory)

    def closed_for(self, now: float) -> float:
        """For how many seconds no mail more is taken on for it, or about; 0: some is."""
        if now < self.opens():
            return self.opens() - now
        full = self.waiting.total() >= max(1, self.ahead(now)) or not self.couriers
        return self.busy_for() if full and not self.free(now) else 0.0

    def why(self, now: float) -> str:
        """Why nothing goes there now."""
        return self.reason if now < self.not_before else self.dry

    @property
    def limit(self) -> int:
        """How many connections all workers may have."""
        return min(self.rule.connections, self.bound) if self.bound else self.rule.connections

    def allowed(self) -> int:
        """How many connections may be open."""
        return self.window.allows(min(self.share or self.limit, self.limit))

    def free(self, now: float) -> int:
        """How many more may be opened."""
        return 0 if now < self.no_slot_before else max(0, self.allowed() - self.couriers)

    @property
    def surplus(self) -> bool:
        """Whether there are more couriers than there may be."""
        return self.couriers - self.leaving > self.allowed()

    def opened(self) -> None:
        """It took a connection more."""
        self.open += 1
        self.turned_away = 0

    @property
    def others(self) -> int:
        """How many connections there are, or about to be, beside that of the courier that asks."""
        return self.couriers - self.leaving - 1

    def full(self, now: float) -> float:
        """It has as many connections as it wants: it took none more for the courier that says so. For how many seconds
        no other is tried. Those that are turned away together count once."""
        self.window.full(self.others, now)
        if now >= self.no_slot_before:
            self.no_slot_before = now + min(FULL_FIRST * 2.0**self.turned_away, FULL_MOST)
            self.turned_away += 1
        return self.no_slot_before - now

    def before(self, priority: int) -> int:
        """How many messages wait here that go before the next one of this priority, or about."""
        return sum(count for other, count in self.waiting.items() if other <= priority)

    def ahead(self, now: float) -> int:
        """How many messages may wait here beyond those that a free connection takes at once."""
        if now < self.dry_until + DRY_MEMORY:
            return 0  # what its rate does not let through only goes to and fro
        if not self.pace:
            return AHEAD_NEW if now - self.met < NEW_FOR else AHEAD_LEAST
        return max(AHEAD_LEAST, int(self.allowed() * AHEAD_TIME / self.pace))

    def busy_for(self, coming: int = 0) -> float:
        """Seconds until about half of what waits here, or is coming, has been carried; the most, where none has been
        yet."""
        if not self.couriers and not coming:
            return NO_SLOT_PAUSE
        if not self.pace:
            return BUSY_MOST
        there = self.waiting.total() + coming
        return min(max(there * self.pace / self.allowed() / 2, BUSY_LEAST), BUSY_MOST)

    def hungriest(self) -> "SiteState":
        """Of the sites that wait for a connection the one that gets the next: the first of those with the best mail;
        one without mail, where there is any. ValueError where none waits."""
        return min(self.hungry, key=lambda state: state.waiting.best() if state.waiting else -1)

    def hungers_for_better(self, priority: int) -> bool:
        """Whether one of these has mail of a better priority."""
        if not any(count and other < priority for other, count in self.waiting.items()):
            return False
        return any(state.waiting and state.waiting.best() < priority for state in self.hungry)

    def finished(self, seconds: float, now: float) -> None:
        """One message more was carried; it took one connection so long."""
        share = min(SMOOTHING, max(SMOOTH_LEAST, self.pace / SMOOTH_TIME)) if self.pace else 1.0
        self.pace += share * (seconds - self.pace)
        self.window.good(min(self.share or self.limit, self.limit), self.open, now)
        if self.low >= 0 and self.waiting.total() <= self.low:
            self.low = -1
            self.drained(self)

    def rest(self, until: float, now: float, reason: str) -> bool:
        """The receiver asked for rest until then; whether that is news."""
        news = until > now >= self.not_before
        if news:
            self.window.begin_anew(now)
        self.not_before, self.reason = until, reason if until > now else ""
        return news
