"""What is to be claimed: due deliveries by their ways, and who goes along with them. Pure."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from hedwig.routing import Site
from hedwig.spool import Claim, Preview
from hedwig.worker.route import Route, Unroutable

Bound = tuple[str, str]  # what a way depends on: the destination, and the sending host, or "" where that is all one


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be claimed: due deliveries by way, the ways, and what is past its expiry. `companions`: of the same
    messages, to be claimed if they may go in one transaction with those."""

    groups: Mapping[Bound, list[Preview]]
    routes: Mapping[Bound, Route | Unroutable]
    gone: Sequence[int] = ()
    companions: Sequence[Preview] = ()
    by_client: bool = False  # whether ways depend on the sending host; settings that are read again change it

    def bound(self, of: Preview | Claim) -> Bound:
        """What its way depends on."""
        return bound_of(of, self.by_client)

    def by_priority(self) -> list[tuple[int, Bound, list[Preview]]]:
        """The deliveries of each priority and way, the best priorities first."""
        found: dict[tuple[int, Bound], list[Preview]] = {}
        for bound, previews in self.groups.items():
            for preview in previews:
                found.setdefault((preview.priority, bound), []).append(preview)
        return [(priority, bound, previews) for (priority, bound), previews in sorted(found.items(), key=_priority_of)]

    def going_along(self, sites: Container[tuple[int, Site]]) -> list[int]:
        """What may go in one transaction with what is claimed of its message, and no more than fits in there. `sites`:
        the messages that are claimed, each with its site."""
        found: list[int] = []
        fellows: Counter[tuple[int, Site]] = Counter()
        for companion in self.companions:
            route = self.routes.get(self.bound(companion))
            if not isinstance(route, Route) or route.rule.one_domain:
                continue
            place = (companion.message, route.site)
            if place in sites and fellows[place] < route.rule.recipients - 1:
                fellows[place] += 1
                found.append(companion.delivery)
        return found


def bound_of(of: Preview | Claim, by_client: bool) -> Bound:
    """What the way of this depends on."""
    return of.destination, of.client if by_client else ""


def alone(bound: Bound, previews: list[Preview], route: Route | Unroutable) -> Wanted:
    """What waited for DNS by itself."""
    return Wanted({bound: previews}, {bound: route}, by_client=bool(bound[1]))


def _priority_of(group: tuple[tuple[int, Bound], list[Preview]]) -> int:
    return group[0][0]
