"""A receiver as its limits see it: one site of the settings, or one set of MX hosts, from one source of ours. Pure.

It bounds connections (a figure of the settings, a word of the receiver's own, and below these the window of pace.py)
and how much is claimed for it: what free connections take at once, and beyond that about one second of what its
connections manage at the pace of its last messages. A tarpit so holds a score of messages, a quick receiver thousands.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hedwig.pace import Window
from hedwig.settings import SiteRule

if TYPE_CHECKING:
    from hedwig.worker.bag import SiteState

AHEAD_LEAST = 10  # messages claimed beyond the free connections of a slow receiver
AHEAD_NEW = 100  # and of one that has only just been met, one connection's worth
NEW_FOR = 1.0  # seconds
AHEAD_TIME = 1.0  # seconds of a receiver's pace
SMOOTHING = 0.2  # share of the last message in the pace
BUSY_LEAST = 0.05  # seconds
BUSY_MOST = 1.0
NO_SLOT_PAUSE = 0.3  # seconds, while other workers have all of its connections


@dataclass(slots=True, eq=False)
class Provider:
    """`pace`: seconds that one connection takes for a message, smoothed; 0 while unknown. `met`: when it was first met.
    `most`: connections that this worker may have; `bound`: the receiver's own word on that, 0 for none. `hungry`: its
    sites with mail and without a connection, in the order in which they came. Times are monotonic."""

    name: str
    source: str = ""
    rule: SiteRule = field(default_factory=SiteRule)
    met: float = 0.0
    window: Window = field(default_factory=Window)
    couriers: int = 0
    waiting: Counter[int] = field(default_factory=Counter)  # by priority
    hungry: "dict[SiteState, None]" = field(default_factory=dict)
    pace: float = 0.0
    not_before: float = 0.0
    reason: str = ""
    most: int = 0
    bound: int = 0
    no_slot_before: float = 0.0
    dry_until: float = 0.0  # its rate is used up
    dry: str = ""

    def opens(self) -> float:
        """When something may go there again; 0: now."""
        return max(self.not_before, self.dry_until)

    def why(self, now: float) -> str:
        """Why nothing goes there now."""
        return self.reason if now < self.not_before else self.dry

    def allowed(self) -> int:
        """How many connections may be open."""
        most = self.most or self.rule.connections
        return self.window.allows(min(most, self.bound) if self.bound else most)

    def free(self, now: float) -> int:
        """How many more may be opened."""
        return 0 if now < self.no_slot_before else max(0, self.allowed() - self.couriers)

    def before(self, priority: int) -> int:
        """How many messages wait here that go before the next one of this priority, or about."""
        return sum(count for other, count in self.waiting.items() if other <= priority)

    def ahead(self, now: float) -> int:
        """How many messages may wait here beyond those that a free connection takes at once."""
        if not self.pace:
            return AHEAD_NEW if now - self.met < NEW_FOR else AHEAD_LEAST
        return max(AHEAD_LEAST, int(self.allowed() * AHEAD_TIME / self.pace))

    def busy_for(self) -> float:
        """Seconds until about half of what waits here has been carried."""
        if not self.couriers:
            return NO_SLOT_PAUSE
        return min(max(self.waiting.total() * self.pace / self.allowed() / 2, BUSY_LEAST), BUSY_MOST)

    def finished(self, seconds: float) -> None:
        """One message more was carried; it took one connection so long."""
        self.pace = seconds if not self.pace else self.pace + SMOOTHING * (seconds - self.pace)
        self.window.good(self.most or self.rule.connections)

    def rest(self, until: float, now: float, reason: str) -> bool:
        """The receiver asked for rest until then; whether that is news."""
        news = until > now >= self.not_before
        if news:
            self.window.begin_anew(now)
        self.not_before, self.reason = until, reason if until > now else ""
        return news
