"""From a destination to its site and hosts (step 6): asks DNS, applies the pure rules of routing.py and the settings'.

A Route says which site the mail goes to and which hosts stand for it; an Unroutable says why there is none, as a reply
at stage DNS or LOCAL that verdict.py decides about. Answers are kept by the resolver, not here.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

from hedwig import routing
from hedwig.mx import AddressesFound, MxFound, MxNone, MxUnknown, Resolver
from hedwig.reply import Reply, Stage
from hedwig.routing import Exchanger, Networks, Site
from hedwig.settings import Family, SiteRule, Smarthost, Worker
from hedwig.smtp import Said, Target
from hedwig.tls import Policy
from hedwig.worker.policies import Policies
from hedwig.worker.ways import Relay, Ways

WAIT = (2.0, 60.0)  # seconds, least and most: as long again as the nameservers have been gone
MOST_HOSTS = 20  # names looked up in one go for one site: a hundred that lead nowhere can't keep us busy either
MOST_TARGETS = 10  # addresses tried in one go for one site: a site that lists a hundred dead ones can't keep us busy

_ANY = Policy("")


@dataclass(frozen=True, slots=True)
class Route:
    """Where the mail of one destination goes. `rule`: what holds at its receiver. `smarthost`: the server that takes it
    on instead of its MX. `ehlo`: our name there. `policy`: what holds for TLS, of which a part is in the site."""

    destination: str
    site: Site
    exchangers: tuple[Exchanger, ...]
    literal: str = ""
    rule: SiteRule = field(default_factory=SiteRule)
    smarthost: Smarthost | None = None
    ehlo: str = ""
    policy: Policy = _ANY


@dataclass(frozen=True, slots=True)
class Unroutable:
    """No host takes this mail (or DNS can't say): `said` is what the verdict is made from.

    `wait`: where our nameservers are gone, which says nothing about the mail (I8): seconds for which it is let alone.
    """

    destination: str
    said: Said
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Myself:
    """What is this host: its EHLO name, the networks that no mail goes to (setting `refuse`), and its own addresses."""

    ehlo: str
    refused: Networks
    own: Networks = ()


Admit = Callable[[str], Awaitable[Said | None]]


async def _everybody(_host: str) -> Said | None:
    return None


class Router:
    """Finds routes and targets. Belongs to the event loop."""

    def __init__(
        self, resolver: Resolver, myself: Myself, port: int, ways: Ways | None = None, policies: Policies | None = None
    ) -> None:
        self._resolver = resolver
        self.myself = myself
        self._port = port
        self.ways = ways or Ways(Worker())
        self.policies = policies or Policies(resolver, Worker(smtp_port=port))

    async def route(self, destination: str, client: str = "") -> Route | Unroutable:
        """The route of `destination` (a domain in lower-case A-labels, or an address literal) for what the sending host
        `client` has handed in."""
        relay = self.ways.relay(destination, client)
        if relay is not None:
            policy, kind = await self.policies.of_relay(relay.name, relay.smarthost)
            return _under(self._relayed(destination, client, relay), policy, kind)
        literal = routing.literal_target(destination)
        if literal is not None:
            return await self._with_policy(self._made(destination, client, (), literal), MxFound(()))
        answer = await self._resolver.exchangers(destination)
        match answer:
            case MxNone(status, text):
                return Unroutable(destination, Said(Stage.DNS, Reply(556 if status == "5.1.10" else 550, status, text)))
            case MxUnknown(text, gone):
                least, most = WAIT
                wait = min(max(gone, least), most) if gone else 0.0
                return Unroutable(destination, Said(Stage.DNS, None, text), wait)
            case MxFound():
                return await self._found(destination, client, answer)

    async def _found(self, destination: str, client: str, found: MxFound) -> Route | Unroutable:
        exchangers = routing.before_us(found.exchangers, lambda host: host == self.myself.ehlo.lower())
        if not exchangers:
            return Unroutable(destination, Said(Stage.LOCAL, routing.loop(destination)))
        return await self._with_policy(self._made(destination, client, exchangers), found)

    async def _with_policy(self, route: Route, found: MxFound) -> Route:
        policy, kind = await self.policies.of(
            route.destination, route.site.provider, route.rule, route.exchangers, found
        )
        return _under(route, policy, kind)

    def _made(self, destination: str, client: str, exchangers: tuple[Exchanger, ...], literal: str = "") -> Route:
        key = routing.key_of(destination, exchangers)
        provider, rule = self.ways.receiver(destination, exchangers)
        source = self.ways.source(provider or key, rule, client)
        return Route(destination, Site(key, provider, source), exchangers, literal, rule, ehlo=self._ehlo(source))

    def _relayed(self, destination: str, client: str, relay: Relay) -> Route:
        host, rule = relay.smarthost.host, relay.rule
        literal = host if routing.is_address(host) else ""
        name = f"smarthost {relay.name}"
        source = self.ways.source(name, rule, client)
        exchangers = () if literal else (Exchanger(0, host),)
        site = Site(f"{host}:{relay.smarthost.port}", name, source)
        return Route(destination, site, exchangers, literal, rule, relay.smarthost, self._ehlo(source))

    def by_source(self, route: Route, client: str) -> list[Route]:
        """The same way from each of the sources that may be used for it, in the settings' order."""
        names = self.ways.candidates(route.rule, client)
        return [replace(route, site=replace(route.site, source=name), ehlo=self._ehlo(name)) for name in names]

    def _ehlo(self, source: str) -> str:
        known = self.ways.sources.get(source)
        return (known.ehlo if known else "") or self.myself.ehlo

    def port_of(self, route: Route) -> int:
        """The port of its hosts."""
        return route.smarthost.port if route.smarthost else self._port

    async def targets(
        self, route: Route, rests: Callable[[str], float] = lambda _family: 0.0, admit: Admit = _everybody
    ) -> AsyncIterator[Target | Said]:
        """Addresses to try, in order. A Said among them tells why a host yields none; looked up one host at a time, so
        that the second host's names are asked for only when the first does not answer.

        `rests(family)`: for how many seconds no address of that family is to be tried; those are left out, and told
        with a Said at stage LOCAL. `admit(host)`: why a host is not to be tried, or None.
        """
        if route.literal:
            if (said := await admit(route.literal)) is not None:
                yield said
                return
            target = self._allowed(route, route.literal, route.literal)
            resting = rests(target.family) if isinstance(target, Target) else 0.0
            yield _rested(route.literal) if resting else target
            return
        count = 0
        for host in routing.order(route.exchangers, random.shuffle)[:MOST_HOSTS]:
            if (said := await admit(host)) is not None:
                yield said
                continue
            answer = await self._resolver.addresses(host)
            if isinstance(answer, MxUnknown):
                yield Said(Stage.LOCAL if answer.gone else Stage.DNS, None, f"{host}: {answer.text}")
                continue
            if not isinstance(answer, AddressesFound):
                yield Said(Stage.DNS, routing.no_address(route.destination), f"{host}: {answer.text}")
                continue
            addresses = self._usable(route, answer.addresses)
            if not addresses:
                yield Said(Stage.CONNECT, None, f"{host} has no address of a family that may be used for it")
            for address in addresses:
                target = self._allowed(route, host, address)
                if isinstance(target, Target) and rests(target.family):
                    yield _rested(host)
                    continue
                yield target
                count += 1
                if count >= MOST_TARGETS or isinstance(target, Said):
                    return  # where we are an exchanger ourselves, the worse ones are not for us (RFC 5321 §5.1)

    def _usable(self, route: Route, addresses: tuple[str, ...]) -> list[str]:
        """Those that the rule lets us try and the source has an address for, in the order in which to try them."""
        families = {
            Family.IPV4_FIRST: ("ipv4", "ipv6"),
            Family.IPV6_FIRST: ("ipv6", "ipv4"),
            Family.IPV4: ("ipv4",),
            Family.IPV6: ("ipv6",),
        }[route.rule.family]
        families = tuple(each for each in families if self.ways.local(route.site.source, each) is not None)
        by_family = {each: [one for one in addresses if (":" in one) == (each == "ipv6")] for each in families}
        return [address for each in families for address in by_family[each]]

    def _allowed(self, route: Route, host: str, address: str) -> Target | Said:
        if route.smarthost is None and routing.refused(address, self.myself.refused):
            where = f"its MX {host} is [{address}], to which `refuse` in worker.yml lets no mail go"
            ours = routing.refused(address, (*routing.LOOPBACK, *self.myself.own))
            return Said(Stage.LOCAL, (routing.loop if ours else routing.not_to)(route.destination, where))
        port = self.port_of(route)
        local = self.ways.local(route.site.source, "ipv6" if ":" in address else "ipv4")
        if local is None:
            text = f"{host} is [{address}], and the source {route.site.source} has no address of that family"
            return Said(Stage.CONNECT, None, text)
        return Target(host, address, port, local)


def _under(route: Route, policy: Policy, kind: str) -> Route:
    return replace(route, policy=policy, site=replace(route.site, tls=kind) if kind else route.site)


def _rested(host: str) -> Said:
    """Until when it rests is another's to say: this is still read when time has passed."""
    return Said(Stage.LOCAL, None, f"{host} is left alone for a while, because of what it said")
