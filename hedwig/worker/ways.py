"""Ways: what the settings say of the way to a destination: its receiver's rule, a smarthost, the sources. Pure.

Which source: those that the sending host's entry names, else those of the receiver's site, else all; at each receiver
one after the other, and one is passed over while there is another if nothing may go there from it now: the receiver has
asked for rest, or its rate is used up, or it has all its connections. So is one of whose two families one rests: nobody
knows whether the receiver has the other.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hedwig.routing import Exchanger
from hedwig.settings import ClientRule, SiteRule, Smarthost, Worker
from hedwig.sites import Sites, fitting

MOST_TURNS = 10_000  # receivers that are remembered for that
_NONE = ClientRule()


@dataclass(frozen=True, slots=True)
class Relay:
    """A smarthost, and its name in the settings."""

    name: str
    smarthost: Smarthost

    @property
    def rule(self) -> SiteRule:
        """What holds there."""
        return SiteRule(connections=self.smarthost.connections)


class Ways:
    """The settings' ways. `rests(receiver, source)`: for how many seconds nothing may go there, 0: it may; and from how
    many families of that source's addresses nothing may."""

    def __init__(
        self, settings: Worker, rests: Callable[[str, str], tuple[float, int]] = lambda _receiver, _source: (0.0, 0)
    ) -> None:
        self.sites = Sites(settings.sites)
        self.sources = dict(settings.sources)
        self.warm_up = settings.warm_up
        self._settings = settings
        self._rests = rests
        self._turns: dict[str, int] = {}  # by receiver
        self._advanced: set[str] = set()  # receivers whose turn has come on in this round

    @property
    def by_client(self) -> bool:
        """Whether the way depends on the sending host, too."""
        return bool(self._settings.clients)

    def relay(self, destination: str, client: str) -> Relay | None:
        """The smarthost that this mail goes to, if any: its domain's, or else its sending host's."""
        domain = fitting(destination, self._settings.domains)
        name = domain.smarthost if domain else ""
        name = name or self._settings.clients.get(client, _NONE).smarthost
        return Relay(name, self._settings.smarthosts[name]) if name else None

    def receiver(self, destination: str, exchangers: Iterable[Exchanger]) -> tuple[str, SiteRule]:
        """The receiver's name in the settings, "" where it has none, and what holds there."""
        name = self.sites.name_of(destination, exchangers)
        return name, self.sites.rule(name)

    def candidates(self, rule: SiteRule, client: str) -> tuple[str, ...]:
        """The sources that may be used, in the settings' order; ("",) where the system chooses."""
        named = self._settings.clients.get(client, _NONE).sources or rule.sources
        return tuple(named) or tuple(self.sources) or ("",)

    def next_round(self) -> None:
        """What is routed from now on has its own turns. Within a round a receiver's mail leaves from one source, so
        that a message to several domains of its may go in one transaction."""
        self._advanced.clear()
        if len(self._turns) > MOST_TURNS:
            self._turns.clear()

    def source(self, receiver: str, rule: SiteRule, client: str) -> str:
        """The source for this round's mail to that receiver: by turns, those first that need not rest."""
        names = self.candidates(rule, client)
        if len(names) == 1:
            return names[0]
        if receiver not in self._advanced:
            self._advanced.add(receiver)
            self._turns[receiver] = self._turns.get(receiver, zlib.crc32(receiver.encode())) + 1
        place = self._turns[receiver] % len(names)
        return min((*names[place:], *names[:place]), key=lambda name: self._rests(receiver, name))

    def local(self, source: str, family: str) -> str | None:
        """The address of a source in a family: "" where the system chooses, None where it has none."""
        if not source:
            return ""
        known = self.sources.get(source)
        if known is None:
            return None
        return (known.ipv6 if family == "ipv6" else known.ipv4) or None
