"""The bag: deliveries that this worker has claimed and not yet settled, by site. Pure: no I/O, no clock of its own.

It decides how much may be claimed for a site (I9): provider.py bounds it for each receiver, and the bag as a whole is
bounded in messages. A claim holds a body of LOADED octets at the most: what is larger is read when its turn has come,
so that a slow receiver of large letters holds back no other.

Better priorities pass: what waits here for a receiver leaves as much room for what is better as if it were not there
(so a receiver may hold three times its share), and waitlist.py says who is next. Between receivers it is shared:
KEPT_MESSAGES are for urgent mail alone, and no priority has more than SHARE of the bag (connections.py has the same for
connections).

A site whose hosts all failed to answer is *cooling*: nothing is claimed for it until `not_before`, then one connection
tries alone; a success opens it again. A receiver that asked for rest has a `not_before` of its own.
"""

from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hedwig.options import Priority
from hedwig.pace import FIRST, Window
from hedwig.routing import Site
from hedwig.settings import SiteRule
from hedwig.spool import NORMAL, Claim
from hedwig.worker.connections import SHARE, Connections
from hedwig.worker.provider import Provider
from hedwig.worker.waitlist import Waitlist

if TYPE_CHECKING:
    from hedwig.worker.route import Route

MOST_MESSAGES = 5000
KEPT_MESSAGES = 500  # more than that, for urgent ones
LOADED = 16 << 10  # octets
STEP_BACK = 2.0  # seconds
STEP_BACK_MOST = 60.0  # within that an operator's word on a resting receiver is heard
COOLING_FIRST = 60.0  # seconds; doubles with each failure in a row
COOLING_MOST = 900.0
MOST_PACES = 10_000
FAILURE_MEMORY = 3600.0  # seconds after its cooling for which a site's failures in a row are remembered


@dataclass(slots=True, eq=False)
class SiteState:
    """One site's part of the bag. `route`: the way there, as it was found last. `couriers`: its connections; `idle`:
    those that wait for more to carry; `open`: those with a session. `carried_at`: when a message went there last."""

    site: Site
    provider: Provider
    route: "Route | None" = None
    waiting: Waitlist = field(default_factory=Waitlist)
    couriers: int = 0
    idle: int = 0
    open: int = 0
    failures: int = 0
    not_before: float = 0.0
    reason: str = ""
    lasts: float = 0.0
    carried_at: float = float("-inf")

    def may_connect(self, now: float) -> bool:
        """Whether there may be one more connection: after failures one alone, else as many as the receiver has free."""
        return not self.couriers if self.failures else self.provider.free(now) > 0

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

    def step_back(self, now: float, reason: str, wait: float = STEP_BACK, lasts: float = 0.0) -> None:
        """We can't open a connection there just now, for a reason of ours, which holds for `lasts` seconds as far as is
        known; after `wait` it is looked at again."""
        self.not_before = now + wait
        self.lasts = now + max(wait, lasts)
        self.reason = reason

    def answered(self) -> None:
        """A host of the site gave a session."""
        self.open += 1
        self.provider.opened()
        self.failures = 0
        self.not_before = 0.0
        self.reason = ""

    def closed(self) -> None:
        """That session is over."""
        self.open -= 1
        self.provider.open -= 1

    def opens(self) -> float:
        """When something may go there again; 0: now."""
        return max(self.not_before, self.provider.opens())


class Bag:
    """All sites. `now` is passed in, by a monotonic clock: one that is set must not keep a site cooling. `paces`: the
    windows that are known of receivers from before, by name and source. `met` is told of each receiver that is new;
    `share` gives this worker's part of a receiver's connections."""

    def __init__(
        self,
        paces: Mapping[tuple[str, str], float] | None = None,
        met: Callable[[Provider], object] = lambda _provider: None,
        share: Callable[[str, int], int] = lambda _receiver, most: most,
    ) -> None:
        self._met = met
        self._share = share
        self._sites: dict[Site, SiteState] = {}
        self._providers: dict[tuple[str, str], Provider] = {}
        self._paces = dict(paces or {})
        self._gone: dict[tuple[str, str], float] = {}
        self._waiting: Counter[int] = Counter()  # by priority
        self.connections = Connections(1 << 20)
        self.messages = 0
        self.drained: Callable[[Provider], None] = lambda _provider: None  # hears of a receiver's `low`

    def of(self, site: Site, now: float = 0.0, rule: SiteRule | None = None) -> SiteState:
        """The state of a site; a new one for a site not met before. `rule`: what holds at its receiver now."""
        state = self._sites.get(site)
        if state is None:
            provider = self._provider(site, now)
            waiting = Waitlist((provider.waiting, self._waiting))
            state = self._sites[site] = SiteState(site, provider, waiting=waiting)
        if rule is not None and rule is not state.provider.rule:
            state.provider.rule = rule
            self._divide(state.provider)
        return state

    def divide(self) -> None:
        """There are more or fewer workers now: each has another share of a receiver's connections."""
        for provider in self._providers.values():
            self._divide(provider)

    def _divide(self, provider: Provider) -> None:
        provider.share = self._share(provider.name, provider.rule.connections)

    def _provider(self, site: Site, now: float) -> Provider:
        key = (site.name, site.source)
        provider = self._providers.get(key)
        if provider is None:
            provider = self._providers[key] = Provider(site.name, site.source, met=now, drained=self._tell_drained)
            if known := self._paces.get(key):
                provider.window, provider.kept = Window(max(1.0, known), known), known
            self._met(provider)
        return provider

    def _tell_drained(self, provider: Provider) -> None:
        self.drained(provider)

    def sites(self) -> list[SiteState]:
        """All that are known now."""
        return list(self._sites.values())

    def ease(self, provider: Provider) -> None:
        """A rest has ended: its sites wait no more, but those whose hosts gave no session."""
        provider.eased = False
        for state in self._sites.values():
            if state.provider is provider and not state.failures:
                state.not_before = 0.0

    def providers(self) -> list[Provider]:
        """All receivers that are known now."""
        return list(self._providers.values())

    def resume(self, receivers: Container[str]) -> None:
        """The operator wants mail to go to these now: nothing of theirs cools any more. What has failed is remembered:
        one connection finds out."""
        for state in self._sites.values():
            if state.provider.name in receivers:
                state.not_before, state.reason = 0.0, ""

    def room(self, priority: int = NORMAL) -> int:
        """How many messages more of this priority the bag may hold."""
        most = MOST_MESSAGES + (KEPT_MESSAGES if priority <= Priority.URGENT else 0)
        return max(0, min(most - self.messages, int(most * SHARE) - self._waiting[priority]))

    def closed_for(self, receiver: str, source: str, now: float) -> float:
        """For how many seconds nothing may go there from that source, as far as is known here; 0: it may."""
        provider = self._providers.get((receiver, source))
        if provider is None:
            return 0.0
        return provider.closed_for(now)

    def capacity(self, site: Site, now: float, priority: int = NORMAL, rule: SiteRule | None = None) -> int:
        """How many messages more of this priority may be claimed for this site; of worse ones it is no more."""
        state = self.of(site, now, rule)
        provider = state.provider
        if now < state.opens() or not (state.couriers or self.connections.may_open(priority)):
            return 0
        if state.failures:
            return max(0, 1 - len(state.waiting) - state.couriers)
        free = provider.free(now)
        if not (free or provider.couriers):
            return 0  # other workers have all its connections
        return max(0, min(self.room(priority), free + state.idle + provider.ahead(now) - provider.before(priority)))

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
        used = {id(state.provider) for state in self._sites.values()}
        for key, provider in list(self._providers.items()):
            if id(provider) not in used and provider.forgettable(now):
                if _is_news(provider):
                    self._gone[key] = provider.window.size
                self._paces.pop(key, None)
                if len(self._paces) < MOST_PACES and abs(provider.window.size - FIRST) > 1:
                    self._paces[key] = provider.window.size
                del self._providers[key]

    def paces(self) -> dict[tuple[str, str], float]:
        """The windows of receivers that have changed since the last time, to be kept."""
        found, self._gone = self._gone, {}
        for key, provider in self._providers.items():
            if _is_news(provider):
                found[key] = provider.kept = provider.window.size
        return found


def _is_news(provider: Provider) -> bool:
    return abs(provider.window.size - provider.kept) > 1
