"""The bag: deliveries that this worker has claimed and not yet settled, by site. Pure: no I/O, no clock of its own.

It decides how much may be claimed for a site (I9): what its free connections can take at once, and beyond that about
one second of what its connections manage at the pace of its last messages. A tarpit so holds a score of messages, a
quick receiver thousands. The bag as a whole is bounded in messages, and a claim holds a body of LOADED octets at the
most: what is larger is read when its turn has come, so that a slow receiver of large letters holds back no other.

Better priorities pass: what waits here for a site leaves as much room for what is better as if it were not there (so a
site may hold three times its share), and waitlist.py says who is next. Between sites it is shared: KEPT_MESSAGES are
for urgent mail alone, and no priority has more than SHARE of the bag (connections.py has the same for connections).

A site whose hosts all failed to answer is *cooling*: nothing is claimed for it until `not_before`, then one connection
tries alone; a success opens it again.
"""

from collections import Counter
from dataclasses import dataclass, field

from hedwig.options import Priority
from hedwig.routing import Site
from hedwig.spool import NORMAL, Claim
from hedwig.worker.connections import SHARE, Connections
from hedwig.worker.waitlist import Waitlist

CONNECTIONS = 10  # at a time, per site and process
AHEAD_LEAST = 10  # messages claimed beyond the free connections of a slow site
AHEAD_NEW = 100  # and of one that has only just been met, one connection's worth
NEW_FOR = 1.0  # seconds
AHEAD_TIME = 1.0  # seconds of a site's pace
SMOOTHING = 0.2  # share of the last message in the pace
MOST_MESSAGES = 5000
KEPT_MESSAGES = 500  # more than that, for urgent ones
LOADED = 16 << 10  # octets
BUSY_LEAST = 0.05  # seconds
BUSY_MOST = 1.0
STEP_BACK = 2.0  # seconds
COOLING_FIRST = 60.0  # seconds; doubles with each failure in a row
COOLING_MOST = 900.0
FAILURE_MEMORY = 3600.0  # seconds after its cooling for which a site's failures in a row are remembered


@dataclass(slots=True)
class SiteState:
    """One site's part of the bag. `pace`: seconds that one connection takes for a message, smoothed; 0 while unknown.
    `met`: when the site was first met."""

    site: Site
    met: float = 0.0
    waiting: Waitlist = field(default_factory=Waitlist)
    couriers: int = 0
    idle: int = 0
    failures: int = 0
    not_before: float = 0.0
    reason: str = ""
    pace: float = 0.0

    def connections_allowed(self) -> int:
        """How many connections may be open: one that probes after failures, else the limit."""
        return 1 if self.failures else CONNECTIONS

    def failed(self, now: float, reason: str, first: float = COOLING_FIRST) -> float:
        """No host of the site gave a session. Returns how long the site cools, in seconds; `first`: the schedule's
        first wait, lest the site still cools when the message is due again. Connections that fail together are one
        failure."""
        if self.failures and now < self.not_before:
            return self.not_before - now
        wait = min(min(first, COOLING_FIRST) * 2.0**self.failures, COOLING_MOST)
        self.failures += 1
        self.not_before = now + wait
        self.reason = reason
        return wait

    def step_back(self, now: float, reason: str) -> None:
        """We can't open a connection there just now, for a reason of ours."""
        self.not_before = now + STEP_BACK
        self.reason = reason

    def answered(self) -> None:
        """A host of the site gave a session."""
        self.failures = 0
        self.not_before = 0.0
        self.reason = ""

    def finished(self, seconds: float) -> None:
        """One message more was carried; it took one connection so long."""
        self.pace = seconds if not self.pace else self.pace + SMOOTHING * (seconds - self.pace)

    def ahead(self, now: float) -> int:
        """How many messages may wait here beyond those that a free connection takes at once."""
        if not self.pace:
            return AHEAD_NEW if now - self.met < NEW_FOR else AHEAD_LEAST
        return max(AHEAD_LEAST, int(CONNECTIONS * AHEAD_TIME / self.pace))

    def busy_for(self) -> float:
        """Seconds until about half of what waits here has been carried."""
        return min(max(len(self.waiting) * self.pace / CONNECTIONS / 2, BUSY_LEAST), BUSY_MOST)


class Bag:
    """All sites. `now` is passed in, by a monotonic clock: one that is set must not keep a site cooling."""

    def __init__(self) -> None:
        self._sites: dict[Site, SiteState] = {}
        self._waiting: Counter[int] = Counter()  # by priority
        self.connections = Connections(1 << 20)
        self.messages = 0

    def of(self, site: Site, now: float = 0.0) -> SiteState:
        """The state of a site; a new one for a site not met before."""
        state = self._sites.get(site)
        if state is None:
            state = self._sites[site] = SiteState(site, now, Waitlist(self._waiting))
        return state

    def sites(self) -> list[SiteState]:
        """All that are known now."""
        return list(self._sites.values())

    def room(self, priority: int = NORMAL) -> int:
        """How many messages more of this priority the bag may hold."""
        most = MOST_MESSAGES + (KEPT_MESSAGES if priority <= Priority.URGENT else 0)
        return max(0, min(most - self.messages, int(most * SHARE) - self._waiting[priority]))

    def capacity(self, site: Site, now: float, priority: int = NORMAL) -> int:
        """How many messages more of this priority may be claimed for this site; of worse ones it is no more."""
        state = self.of(site, now)
        if not state.couriers and not self.connections.may_open(priority):
            return 0
        if now < state.not_before:
            return 0
        if state.failures:
            return max(0, 1 - len(state.waiting) - state.couriers)
        free = max(0, CONNECTIONS - state.couriers + state.idle)
        return max(0, min(self.room(priority), free + state.ahead(now) - state.waiting.before(priority)))

    def put(self, site: Site, claim: Claim) -> SiteState:
        """Take a claim in."""
        state = self.of(site)
        state.waiting.append(claim)
        self.hold()
        return state

    def hold(self) -> None:
        """Count a claim that goes to no site."""
        self.messages += 1

    def settled(self) -> None:
        """A claim has been settled, or handed back: its room is free again."""
        self.messages -= 1

    def forget_idle(self, now: float) -> None:
        """Drop the states of sites that have nothing going on, so that a million domains don't stay in memory."""
        for site, state in list(self._sites.items()):
            asleep = not state.waiting and not state.couriers
            if asleep and now >= state.not_before + (FAILURE_MEMORY if state.failures else 0.0):
                del self._sites[site]
