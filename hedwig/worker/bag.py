"""The bag: deliveries that this worker has claimed and not yet settled, by site. Pure: no I/O, no clock of its own.

It decides how much may be claimed for a site (I9): what its free connections can take at once, and beyond that about
one second of what the site has lately taken. A tarpit so holds a dozen messages, a quick receiver thousands. The bag as
a whole is bounded in messages and octets.

A site whose hosts all failed to answer is *cooling*: nothing is claimed for it until `not_before`, then one connection
tries alone; a success opens it again.
"""

from collections import deque
from dataclasses import dataclass, field

from hedwig.routing import Site
from hedwig.spool import Claim

CONNECTIONS = 10  # at a time, per site and process
AHEAD_LEAST = 10  # messages claimed beyond the free connections of a site that is slow or new
MOST_MESSAGES = 5000
MOST_OCTETS = 64 << 20
COOLING_FIRST = 60.0  # seconds; doubles with each failure in a row
COOLING_MOST = 900.0
FAILURE_MEMORY = 3600.0  # seconds after its cooling for which a site's failures in a row are remembered
RATE_WINDOW = 1.0  # seconds over which a site's rate is taken


@dataclass(slots=True)
class SiteState:
    """One site's part of the bag."""

    site: Site
    waiting: deque[Claim] = field(default_factory=deque)
    couriers: int = 0
    idle: int = 0
    failures: int = 0
    not_before: float = 0.0
    reason: str = ""
    rate: float = 0.0
    _finished: int = 0
    _since: float = 0.0

    def connections_allowed(self) -> int:
        """How many connections may be open: one that probes after failures, else the limit."""
        return 1 if self.failures else CONNECTIONS

    def failed(self, now: float, reason: str) -> float:
        """No host of the site gave a session. Returns how long the site cools, in seconds."""
        wait = min(COOLING_FIRST * 2.0**self.failures, COOLING_MOST)
        self.failures += 1
        self.not_before = now + wait
        self.reason = reason
        return wait

    def answered(self) -> None:
        """A host of the site gave a session."""
        self.failures = 0
        self.not_before = 0.0
        self.reason = ""

    def finished(self, now: float) -> None:
        """One message more has its outcome: the rate follows, halfway at each second's end."""
        self._finished += 1
        if now - self._since >= RATE_WINDOW:
            measured = self._finished / (now - self._since) if self._since else float(self._finished)
            self.rate = (self.rate + measured) / 2
            self._since = now
            self._finished = 0


class Bag:
    """All sites. `now` is passed in, in Unix seconds."""

    def __init__(self) -> None:
        self._sites: dict[Site, SiteState] = {}
        self.messages = 0
        self.octets = 0

    def of(self, site: Site) -> SiteState:
        """The state of a site; a new one for a site not met before."""
        state = self._sites.get(site)
        if state is None:
            state = self._sites[site] = SiteState(site)
        return state

    def sites(self) -> list[SiteState]:
        """All that are known now."""
        return list(self._sites.values())

    def room(self) -> int:
        """How many messages more the bag may hold."""
        return 0 if self.octets >= MOST_OCTETS else max(0, MOST_MESSAGES - self.messages)

    def capacity(self, site: Site, now: float) -> int:
        """How many messages more may be claimed for this site."""
        state = self.of(site)
        if now < state.not_before:
            return 0
        if state.failures:
            return max(0, 1 - len(state.waiting) - state.couriers)
        free = max(0, CONNECTIONS - state.couriers + state.idle)
        ahead = max(AHEAD_LEAST, int(state.rate * RATE_WINDOW))
        return max(0, min(self.room(), free + ahead - len(state.waiting)))

    def put(self, site: Site, claim: Claim) -> SiteState:
        """Take a claim in."""
        state = self.of(site)
        state.waiting.append(claim)
        self.hold(claim)
        return state

    def hold(self, claim: Claim) -> None:
        """Count a claim that goes to no site."""
        self.messages += 1
        self.octets += weight(claim)

    def settled(self, claim: Claim) -> None:
        """A claim has been settled, or handed back: its room is free again."""
        self.messages -= 1
        self.octets -= weight(claim)

    def forget_idle(self, now: float) -> None:
        """Drop the states of sites that have nothing going on, so that a million domains don't stay in memory."""
        for site, state in list(self._sites.items()):
            asleep = not state.waiting and not state.couriers
            if asleep and now >= state.not_before + (FAILURE_MEMORY if state.failures else 0.0):
                del self._sites[site]


def weight(claim: Claim) -> int:
    """The octets of memory that a claim holds: its body where that was loaded."""
    return len(claim.content) if claim.content is not None else 0
