"""Which receiver a destination belongs to, by its mail servers, and what holds there (settings: `sites`). Pure.

A provider takes mail for very many domains by servers of its own: they are one site, with one set of limits and
back-offs, whatever their MX records are called. What fits no site of the settings is a site of its own, by its set of
MX hosts, under the rule `default`.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from hedwig.routing import Exchanger
from hedwig.settings import SiteRule

DEFAULT = "default"
T = TypeVar("T")


class Sites:
    """The sites of the settings."""

    def __init__(self, rules: Mapping[str, SiteRule]) -> None:
        self._rules = dict(rules)
        self._default = self._rules.get(DEFAULT, SiteRule())
        named = [(name, rule) for name, rule in self._rules.items() if name != DEFAULT]
        self._hosts = {host: name for name, rule in named for host in rule.mx}
        self._domains = {domain: name for name, rule in named for domain in rule.domains}

    def name_of(self, destination: str, exchangers: Iterable[Exchanger]) -> str:
        """The site's name in the settings; "" where it has none.

        Its recipient domain decides, or else the servers that are preferred: a backup elsewhere does not make a
        provider's customer another site.
        """
        by_domain = fitting(destination, self._domains)
        if by_domain:
            return by_domain
        known = list(exchangers)
        best = min((exchanger.preference for exchanger in known), default=0)
        names = {fitting(one.host, self._hosts) for one in known if one.preference == best}
        return (names.pop() if len(names) == 1 else None) or ""

    def rule(self, name: str) -> SiteRule:
        """What holds at the site of that name; "" or one that is gone: the default."""
        return self._rules.get(name, self._default)

    def __contains__(self, name: str) -> bool:
        return name in self._rules


def fitting(name: str, entries: Mapping[str, T]) -> T | None:
    """The entry for a host or domain: its own, or the nearest `.example.com` above it."""
    found = entries.get(name)
    place = name.find(".")
    while found is None and place >= 0:
        found = entries.get(name[place:])
        place = name.find(".", place + 1)
    return found
