"""Whether a name is a site's or a client's: decided by what is known of both, and never by guessing, for a pause that
stands beside its target is worse than none. Pure.
"""

import difflib
from collections.abc import Collection

from hedwig.cli.given import shown
from hedwig.cli.terminal import clean
from hedwig.spool.operate import StopKind

_NEAR = 3  # names that are suggested
_ALIKE = 0.7  # how much of them has to be the same, as difflib measures it


class Unclear(Exception):
    """str(error) says what is known, and how to say what is meant. `both`: it is known as a site and as a client."""

    def __init__(self, text: str, *, both: bool = False) -> None:
        super().__init__(text)
        self.both = both


def kind_of(name: str, site: str, clients: Collection[str], sites: Collection[str]) -> StopKind:
    """What `name` is; `site`: the same as destinations are written. Unclear where it is neither, or both."""
    is_client, is_site = name.lower() in clients, site in sites
    if is_client and is_site:
        raise Unclear(
            f"{clean(name)} is a host that sends (a client), and mail goes to it too (a site): say --client or --site",
            both=True,
        )
    if is_client or is_site:
        return StopKind.CLIENT if is_client else StopKind.SITE
    raise Unclear(
        f"{shown(name)} is no client (a host with a file in clients.d, or mail here), and as far as is known no mail "
        f"goes to such a site.{_meant(name, site, clients, sites)} To pause it all the same, say --site or --client"
    )


def _meant(name: str, site: str, clients: Collection[str], sites: Collection[str]) -> str:
    known = [(one, StopKind.CLIENT) for one in nearest(name.lower(), clients)]
    known += [(one, StopKind.SITE) for one in nearest(site, sites)]
    known.sort(key=lambda pair: difflib.SequenceMatcher(None, site, pair[0]).ratio(), reverse=True)
    near = [f"{clean(one)} (a {kind.value})" for one, kind in known[:_NEAR]]
    return f" Near it: {', '.join(near)}." if near else ""


def nearest(name: str, known: Collection[str]) -> list[str]:
    """The names that are most like it."""
    alike = [one for one in known if abs(len(one) - len(name)) <= max(3, len(name) // 2)]
    return difflib.get_close_matches(name, alike, _NEAR, _ALIKE)
