"""The roster: every receiver that is known, and how it stands there (`hedwig site`).

Known are those for which something waits, is sent or is held, by the MX of its destinations; and those that workers
remember, which had mail within a day or asked for rest. DNS has LOOK_TIME seconds for all; a destination of which it
has not told the MX by then stands for itself. Where the way depends on the sending host too (`clients`), it is the way
of hosts that are not named there.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from hedwig.settings import SiteRule
from hedwig.spool.operate import SiteRow
from hedwig.spool.streams import Pause
from hedwig.worker.observer import Observer, Standing
from hedwig.worker.route import Route, Unroutable
from hedwig.worker.ways import Relay

LOOK_TIME = 5.0  # seconds
AT_ONCE = 50  # questions
_SMARTHOST = "smarthost "  # before its name, as Router has it


@dataclass(frozen=True, slots=True)
class Receiver:
    """One receiver. `rows`: the backlog of its destinations, the largest first. `standings`: for each source. `pauses`:
    what workers have published of its destinations. `unknown`: why it is no more than a destination."""

    name: str
    rows: tuple[SiteRow, ...]
    standings: tuple[Standing, ...] = ()
    pauses: tuple[Pause, ...] = ()
    unknown: str = ""

    @property
    def waiting(self) -> int:
        """Deliveries."""
        return sum(row.waiting for row in self.rows)

    @property
    def active(self) -> int:
        """Deliveries that are being sent."""
        return sum(row.active for row in self.rows)

    @property
    def held(self) -> int:
        """Deliveries."""
        return sum(row.held for row in self.rows)

    @property
    def last_error(self) -> tuple[float, str]:
        """The newest: when (0: not known), and what."""
        return max(((row.last_error_at, row.last_error) for row in self.rows if row.last_error), default=(0.0, ""))


Routed = Route | Unroutable | None


async def routes(
    route: Callable[[str], Awaitable[Route | Unroutable]], destinations: Iterable[str], seconds: float = LOOK_TIME
) -> dict[str, Routed]:
    """The way to each of these; None where DNS did not tell in time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(destination: str) -> Route | Unroutable:
        async with room:
            return await route(destination)

    tasks = {destination: asyncio.ensure_future(one(destination)) for destination in destinations}
    if tasks:
        await asyncio.wait(tasks.values(), timeout=seconds)
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    return {name: None if task.cancelled() else task.result() for name, task in tasks.items()}


async def roster(observer: Observer, rows: Sequence[SiteRow], pauses: Sequence[Pause]) -> list[Receiver]:
    """All receivers: those with most mail first, then by name. SpoolTrouble; OSError where run_dir can't be looked
    into."""
    ways = await routes(observer.router.route, [row.site for row in rows])
    of: dict[str, list[SiteRow]] = defaultdict(list)
    found = []
    for row in rows:
        way = ways[row.site]
        if isinstance(way, Route):
            of[way.site.name].append(row)
        else:
            why = (str(way.said.reply or way.said.detail)) if way else "DNS has not told its MX in time"
            found.append(Receiver(row.site, (row,), unknown=why))
    remembered = {backoff.site for backoff in observer.backoffs} | {site for site, _ in observer.paces}
    for name in of.keys() | remembered:
        destinations = {row.site for row in of[name]}
        theirs = tuple(pause for pause in pauses if pause.destination in destinations)
        found.append(Receiver(name, tuple(of[name]), standings(observer, name), theirs))
    return sorted(found, key=lambda each: (-each.waiting - each.active - each.held, each.name))


def standings(observer: Observer, name: str) -> tuple[Standing, ...]:
    """How it stands at the receiver of that name: from each source that may be used, and others that have been."""
    rule = rule_of(observer, name)
    used = [source for site, source in sorted(observer.paces) if site == name]
    used += [each.source.rpartition("/")[0] for each in observer.backoffs if each.site == name]
    sources = dict.fromkeys([*observer.ways.candidates(rule, ""), *used])
    return tuple(observer.standing(name, source, rule) for source in sources)


def rule_of(observer: Observer, name: str) -> SiteRule:
    """What holds at the receiver of that name."""
    smarthost = observer.settings.smarthosts.get(name.removeprefix(_SMARTHOST)) if name.startswith(_SMARTHOST) else None
    if smarthost is not None:
        return Relay(name.removeprefix(_SMARTHOST), smarthost).rule
    return observer.ways.sites.rule(name)
