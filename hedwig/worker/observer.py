"""The observer: a worker's eyes without its hands. The same modules, given the same settings and the same spool, that
look at how it stands and carry nothing; for `hedwig explain` and `hedwig site`, which so can't disagree with workers.

What a worker alone knows stays out of sight: how many failures in a row it counts for a site, what waits in its hands,
and the window of connections between two savings of it (some 15 s).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from hedwig.mx import Resolver
from hedwig.rates import Rate
from hedwig.routing import Site
from hedwig.settings import SiteRule, Worker
from hedwig.spool import receivers
from hedwig.spool.receivers import LIMITED, Backoff, Sharing
from hedwig.worker.allowance import connection_rates, rates_now
from hedwig.worker.bag import Bag
from hedwig.worker.broken_tls import BrokenAddresses
from hedwig.worker.policies import Policies
from hedwig.worker.provider import Provider
from hedwig.worker.resting import FAMILIES, Resting, place
from hedwig.worker.route import Myself, Router
from hedwig.worker.slots import Slots
from hedwig.worker.sts import Sts
from hedwig.worker.tools import rules_of
from hedwig.worker.ways import Ways


@dataclass(frozen=True, slots=True)
class Budget:
    """One rate, and what is left of it: `now` may go at once; where none, the next one in `wait` seconds."""

    rate: Rate
    now: int
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands at one receiver, for mail from one source.

    `backoffs`: in force, or with a bound on connections that still is. `limit`: the most connections of all workers, by
    the settings and the receiver's word; `connections`: how many of these there may be now; `in_use`: how many there
    are. `window`: as it was last saved, 0 where it was not. `budgets`: of messages; `opening`: of new connections.
    `opens`: Unix seconds from which something may go there, 0: now; `why`.
    """

    receiver: str
    source: str
    rule: SiteRule
    backoffs: tuple[Backoff, ...]
    limit: int
    connections: int
    in_use: int
    window: float
    budgets: tuple[Budget, ...]
    opening: tuple[Budget, ...]
    opens: float = 0.0
    why: str = ""

    @property
    def dry(self) -> Budget | None:
        """The rate that is used up and comes back last; None where all have something left."""
        used_up = [each for each in (*self.budgets, *self.opening) if not each.now]
        return max(used_up, key=lambda each: each.wait, default=None)


class Observer:
    """Of one look: what the spool knows of receivers is read once. SpoolTrouble."""

    def __init__(
        self, settings: Worker, spool: Sharing, me: Myself, resolver: Resolver, sts: Sts | None = None
    ) -> None:
        self.settings = settings
        self.spool = spool
        self.resolver = resolver
        self.now = time.time()
        self.resting = Resting(spool)
        self.resting.use(settings.sources)
        seen = self.resting.look()
        self.backoffs = seen.backoffs
        self.resting.take(seen)
        self.ways = Ways(settings, self.resting.closed)
        policies = Policies(resolver, settings, sts)
        policies.look()
        self.router = Router(resolver, me, settings.smtp_port, self.ways, policies)
        self.rules = rules_of(settings, me.ehlo)
        self.broken = BrokenAddresses(spool)
        self.broken.look()
        self.slots = Slots(settings.run_dir)
        self.paces = receivers.paces(spool, self.now)

    def standing(self, receiver: str, source: str, rule: SiteRule) -> Standing:
        """Of one receiver, by its name, from one source. SpoolTrouble; OSError where run_dir can't be looked into."""
        provider = self._provider(receiver, source, rule)
        opens = self.resting.until(receiver, source)
        return Standing(
            receiver,
            source,
            rule,
            tuple(each for each in self.backoffs if self._is_of(each, receiver, source)),
            provider.limit,
            provider.allowed(),
            self.slots.in_use(receiver, source),
            self.paces.get((receiver, source), 0.0),
            self._budgets(receiver, source, rates_now(rule, self.ways.sources.get(source), self.ways.warm_up)),
            self._budgets(receiver, source, connection_rates(rule)),
            opens if opens > self.now else 0.0,
            self.resting.why(receiver, source) if opens > self.now else "",
        )

    def _provider(self, receiver: str, source: str, rule: SiteRule) -> Provider:
        """As a worker that meets the receiver now has it."""
        return Bag(self.paces, self.resting.apply).of(Site(receiver, "", source), rule=rule).provider

    def _is_of(self, backoff: Backoff, receiver: str, source: str) -> bool:
        places = {place(source, family) for family in FAMILIES}
        return backoff.site == receiver and backoff.source in places and backoff.until + LIMITED > self.now

    def _budgets(self, receiver: str, source: str, rates: Sequence[Rate]) -> tuple[Budget, ...]:
        if not rates:
            return ()
        ats = receivers.tokens_at(self.spool, receiver, source, [rate.kind for rate in rates])
        found = []
        for rate in rates:
            at = rate.sane(ats[rate.kind], self.now)
            found.append(Budget(rate, rate.grants(at, self.now, rate.burst), rate.wait(at, self.now)))
        return tuple(found)
