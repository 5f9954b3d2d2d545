"""Whose reply it is: the name of the site in worker.yml that a host or a recipient's domain belongs to."""

from collections.abc import Mapping

from hedwig.settings import SiteRule

_MOST = 10_000  # hosts that are remembered


class Providers:
    """By the names of mail servers (`mx`), and by recipient domains (`domains`), as `sites` of worker.yml has them."""

    def __init__(self, sites: Mapping[str, SiteRule]) -> None:
        self._domains = {domain: name for name, site in sites.items() for domain in site.domains}
        self._hosts = {host: name for name, site in sites.items() for host in site.mx}
        self._known: dict[str, str] = {}

    def of(self, host: str, destination: str = "") -> str:
        """The site's name, "" for one that has none. `host`: a name, perhaps with "[address]" behind it."""
        if self._domains and (found := _among(self._domains, destination)):
            return found
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[host] = _among(self._hosts, host.partition("[")[0].rstrip(".").lower())
        return known


def _among(names: Mapping[str, str], name: str) -> str:
    """By the name itself, else by the longest ".ending" of it."""
    if name in names:
        return names[name]
    rest = name
    while rest:
        _, dot, rest = rest.partition(".")
        if dot and (found := names.get(f".{rest}")):
            return found
    return ""
