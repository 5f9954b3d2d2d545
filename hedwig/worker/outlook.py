"""The outlook for a letter to one address: the way that it would take, and how it stands along it (`hedwig explain`).

What DNS says, the receiver, the sources and the addresses to try come from a worker's own Router; limits and back-offs
from observer.py. What would become of the letter is prospect.py's.
"""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hedwig.address import Address
from hedwig.mx import MxAnswer
from hedwig.options import TlsWish
from hedwig.routing import Exchanger, literal_target
from hedwig.settings import SiteRule, Worker
from hedwig.sites import fitting
from hedwig.smtp import Said, Target
from hedwig.tls import Demand
from hedwig.worker.observer import Observer, Standing
from hedwig.worker.route import Route, Unroutable
from hedwig.worker.sessions import unfit


@dataclass(frozen=True, slots=True)
class Way:
    """From one source. `targets`: the addresses in the order in which they are tried, each with the address that the
    connection leaves from ("": this host has no route to it); and why a host yields none, or is not fit. `tls`: by
    host, what the policy asks of it."""

    route: Route
    standing: Standing
    targets: tuple[Target | Said, ...]
    tls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outlook:
    """`answer`: DNS's, of the MX; None where it isn't asked (a literal, a smarthost). `chosen`: by what the receiver
    was found. `ways`: one for each source that may be used, in the settings' order; none where there is no route.
    `workers`: how many run on this host."""

    address: Address
    client: str
    answer: MxAnswer | None
    route: Route | Unroutable
    chosen: str
    ways: tuple[Way, ...]
    workers: int


async def look(observer: Observer, address: Address, client: str = "") -> Outlook:
    """Look at the way of a letter that the sending host `client` hands in. SpoolTrouble; OSError where run_dir can't be
    looked into."""
    destination = address.destination
    route = await observer.router.route(destination, client)
    relayed = isinstance(route, Route) and route.smarthost is not None
    answer = None
    if not relayed and literal_target(destination) is None:
        answer = await observer.resolver.exchangers(destination)
    ways = []
    if isinstance(route, Route):
        ways = [await _way(observer, each) for each in observer.router.by_source(route, client)]
    return Outlook(
        address,
        client,
        answer,
        route,
        chosen_by(observer.settings, route, client),
        tuple(ways),
        observer.slots.workers(),
    )


async def _way(observer: Observer, route: Route) -> Way:
    site = route.site

    def rests(family: str) -> float:
        found = observer.resting.of(site.name, site.source, family)
        return max(0.0, found.until - time.time()) if found else 0.0

    demands: dict[str, str] = {}

    async def admit(host: str) -> Said | None:
        router = observer.router
        found = await router.policies.demand(route.policy, host, router.port_of(route), TlsWish.USUAL)
        if not isinstance(found, Demand):
            return unfit(host, found)
        demands[host] = found.words
        return None

    targets = [_leaving(each) async for each in observer.router.targets(route, rests, admit)]
    return Way(route, observer.standing(site.name, site.source, route.rule), tuple(targets), demands)


def _leaving(target: Target | Said) -> Target | Said:
    """With the address that the system would choose, where it does."""
    if isinstance(target, Said) or target.local:
        return target
    family = socket.AF_INET6 if target.family == "ipv6" else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:  # connecting it sends nothing
        try:
            asking.connect((target.address, target.port))
        except OSError:
            return target
        return replace(target, local=str(asking.getsockname()[0]))


def chosen_by(settings: Worker, route: Route | Unroutable, client: str) -> str:
    """Which entry of worker.yml led to the receiver, in words. Pure."""
    if isinstance(route, Unroutable):
        return ""
    if route.smarthost is not None:
        entry = _entry(route.destination, [name for name, rule in settings.domains.items() if rule.smarthost])
        where = f"domains: {entry}" if entry else f"clients: {client}"
        return f"`{where}` in worker.yml sends it there"
    name = route.site.provider
    if not name:
        return "no entry of `sites` in worker.yml fits: a receiver of its own, under `sites: default`"
    rule = settings.sites.get(name, SiteRule())
    if entry := _entry(route.destination, rule.domains):
        return f"`sites: {name}` in worker.yml names its domain ({entry})"
    entry = _entry(_best(route.exchangers), rule.mx)
    return f"`sites: {name}` in worker.yml names its MX ({entry})"


def _best(exchangers: tuple[Exchanger, ...]) -> str:
    return min(exchangers, key=lambda one: one.preference).host if exchangers else ""


def _entry(name: str, entries: "tuple[str, ...] | list[str]") -> str:
    return fitting(name, dict(zip(entries, entries, strict=True))) or ""
