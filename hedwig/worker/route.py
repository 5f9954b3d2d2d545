"""From a destination to its site and hosts (step 6): asks DNS, applies the pure rules of routing.py.

A Route says which site the mail goes to and which hosts stand for it; an Unroutable says why there is none, as a reply
at stage DNS or LOCAL that verdict.py decides about. Answers are kept by the resolver, not here.
"""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hedwig import routing
from hedwig.mx import AddressesFound, MxFound, MxNone, MxUnknown, Resolver
from hedwig.reply import Reply, Stage
from hedwig.routing import Exchanger, Networks, Site
from hedwig.smtp import Said, Target

WAIT = (2.0, 60.0)  # seconds, least and most: as long again as the nameservers have been gone
MOST_TARGETS = 10  # addresses tried in one go for one site: a site that lists a hundred dead ones can't keep us busy


@dataclass(frozen=True, slots=True)
class Route:
    """Where the mail of one destination goes."""

    destination: str
    site: Site
    exchangers: tuple[Exchanger, ...]
    literal: str = ""


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
    """What is this host: its EHLO name, and the networks that no mail goes to (setting `refuse`)."""

    ehlo: str
    refused: Networks


class Router:
    """Finds routes and targets. Belongs to the event loop."""

    def __init__(self, resolver: Resolver, myself: Myself, port: int) -> None:
        self._resolver = resolver
        self.myself = myself
        self._port = port

    async def route(self, destination: str) -> Route | Unroutable:
        """The route of `destination` (a domain in lower-case A-labels, or an address literal)."""
        literal = routing.literal_target(destination)
        if literal is not None:
            return Route(destination, Site(destination), (), literal)
        answer = await self._resolver.exchangers(destination)
        match answer:
            case MxNone(status, text):
                return Unroutable(destination, Said(Stage.DNS, Reply(556 if status == "5.1.10" else 550, status, text)))
            case MxUnknown(text, gone):
                least, most = WAIT
                wait = min(max(gone, least), most) if gone else 0.0
                return Unroutable(destination, Said(Stage.DNS, None, text), wait)
            case MxFound():
                return self._found(destination, answer)

    def _found(self, destination: str, found: MxFound) -> Route | Unroutable:
        exchangers = routing.before_us(found.exchangers, lambda host: host == self.myself.ehlo.lower())
        if not exchangers:
            return Unroutable(destination, Said(Stage.LOCAL, routing.loop(destination)))
        return Route(destination, routing.site_of(destination, found), exchangers)

    async def targets(self, route: Route) -> AsyncIterator[Target | Said]:
        """Addresses to try, in order. A Said among them tells why a host yields none; looked up one host at a time, so
        that the second host's names are asked for only when the first does not answer."""
        if route.literal:
            yield self._allowed(route, route.literal, route.literal)
            return
        count = 0
        for host in routing.order(route.exchangers, random.shuffle):
            answer = await self._resolver.addresses(host)
            if isinstance(answer, MxUnknown):
                yield Said(Stage.LOCAL if answer.gone else Stage.DNS, None, f"{host}: {answer.text}")
                continue
            if not isinstance(answer, AddressesFound):
                yield Said(Stage.DNS, routing.no_address(route.destination), f"{host}: {answer.text}")
                continue
            for address in answer.addresses:
                target = self._allowed(route, host, address)
                yield target
                count += 1
                if count >= MOST_TARGETS or isinstance(target, Said):
                    return  # where we are an exchanger ourselves, the worse ones are not for us (RFC 5321 §5.1)

    def _allowed(self, route: Route, host: str, address: str) -> Target | Said:
        if routing.refused(address, self.myself.refused):
            where = f"its MX {host} is [{address}], to which `refuse` in worker.yml lets no mail go"
            return Said(Stage.LOCAL, routing.loop(route.destination, where))
        return Target(host, address, self._port)
