"""What all couriers of a worker share: the parts they work with, and what they have learnt of hosts."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from hedwig import log
from hedwig.classify.providers import Providers
from hedwig.classify.table import Table
from hedwig.dkim.sign import NOBODY, Signer
from hedwig.rates import Rate
from hedwig.settings import Worker
from hedwig.smtp import Deadlines
from hedwig.spool import Claim, SpoolTrouble, Work
from hedwig.spool.receivers import Sharing
from hedwig.spool.trouble import matter_of
from hedwig.tlsrpt import Session
from hedwig.worker.addresses import Addresses
from hedwig.worker.allowance import Allowances, rates_now
from hedwig.worker.bag import Bag
from hedwig.worker.broken_tls import BrokenAddresses
from hedwig.worker.delivery import Rules
from hedwig.worker.dots import DotMarks
from hedwig.worker.logins import Logins
from hedwig.worker.resting import Resting
from hedwig.worker.route import Route, Router
from hedwig.worker.settle import Settler
from hedwig.worker.slots import Slots


class WorkerSpool(Work, Sharing, Protocol):
    """The spool as a worker needs it."""


@dataclass(slots=True)
class Tools:
    """What all couriers of a worker share. `count_tls` is to hear of each try to speak TLS, for each destination."""

    spool: WorkerSpool
    router: Router
    bag: Bag
    dots: DotMarks
    settler: Settler
    rules: Rules
    resting: Resting
    allowances: Allowances
    slots: Slots
    broken: BrokenAddresses
    debug: bool = False
    convert: bool = True  # 8-bit content for a host that takes 7-bit alone
    signer: Signer = NOBODY  # of what is made or changed here
    count_tls: Callable[[Session], None] = lambda session: None
    deadlines: Deadlines = field(default_factory=Deadlines)
    logins: Logins = field(default_factory=Logins)
    addresses: Addresses = field(default_factory=Addresses)  # connections that are open or being opened
    pressed: bool = False  # most of the connections that this worker may have are in use

    def closed_for(self, receiver: str, source: str) -> tuple[float, int]:
        """For how many seconds nothing may go there from that source, as far as is known here, 0: it may; and how many
        families of its addresses rest."""
        closed = max(self.resting.wait(receiver, source), self.bag.closed_for(receiver, source, time.monotonic()))
        return closed, self.resting.families(receiver, source)

    def message_rates(self, route: Route) -> tuple[Rate, ...]:
        """The rates that bound messages on this way."""
        ways = self.router.ways
        return rates_now(route.rule, ways.sources.get(route.site.source), ways.warm_up)

    @property
    def hurried(self) -> Deadlines:
        """What a host that has never answered gets while connections are scarce: silence must not cost the others."""
        usual = self.deadlines
        return replace(usual, connect=min(10.0, usual.connect), banner=min(30.0, usual.banner))

    def original(self, claim: Claim) -> Callable[[], bytes]:
        """Gives the beginning of the message, for a bounce."""

        def beginning() -> bytes:
            if claim.content is not None:
                return claim.content
            try:
                return next(iter(self.spool.body(claim.message)), b"")
            except SpoolTrouble as trouble:  # a bounce without the original's header is better than none
                text = f"the message can't be read for its bounce: {trouble}"
                log.event(matter_of(trouble), text, log.Level.ERROR, queue_id=claim.queue_id, reason=str(trouble))
                return b""

        return beginning


def rules_of(settings: Worker, reporting: str) -> Rules:
    """What decides about mail, as the settings have it; `reporting`: this host's name."""
    return Rules(
        settings.retry,
        reporting,
        random.random,
        settings.reports_per_hour,
        Table(settings.rules),
        Providers(settings.sites),
        settings.suppress,
    )
