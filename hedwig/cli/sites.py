"""What `hedwig site` and `hedwig site resume` do. Loaded on hosts that deliver alone (at_worker.py).

A worker looks each second whether an operator has resumed a receiver; so `resume` lifts what holds mail back, waits
until they have, and then has the feeder hint for its destinations. What the receiver answers is heeded as ever.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hedwig.address import Address, AddressError
from hedwig.cli import journal, site_view
from hedwig.cli.delivering import Place, observing, place_of
from hedwig.cli.given import shown
from hedwig.cli.naming import nearest
from hedwig.cli.terminal import clean, counted, echo_json, span
from hedwig.reply import one_line
from hedwig.spool import receivers
from hedwig.spool.operate import SiteRow
from hedwig.spool.receivers import Backoff
from hedwig.worker.observer import Observer
from hedwig.worker.roster import Receiver, roster, routes
from hedwig.worker.route import Route
from hedwig.worker.upkeep import LOOK_EVERY

_HEEDED = LOOK_EVERY + 0.5  # seconds after which workers have looked


def show(config_dir: Path, limit: int, *, as_json: bool) -> None:
    """List them."""
    with place_of(config_dir) as place:
        now = time.time()
        stops = place.desk.stops(now)
        backlog = place.desk.backlog(limit, now)
        known = asyncio.run(_known(place, backlog.sites, now))
    more = backlog.waiting - sum(row.waiting for row in backlog.sites)
    if as_json:
        echo_json({**site_view.json_of(known, stops), "more": more})
        return
    click.echo("\n".join(site_view.lines_of(known, stops, now)))
    if more:
        words = counted(more, "delivery waits", "deliveries wait")
        click.echo(f"{words} for other destinations, each with less: say --limit", err=True)


async def _known(place: Place, rows: Sequence[SiteRow], now: float) -> list[Receiver]:
    async with observing(place) as observer:
        return await roster(observer, rows, place.desk.pauses(now))


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was done: the receiver, what it had asked for, and how many of its destinations workers had left alone."""

    name: str
    lifted: list[Backoff]
    unpaused: list[str]


def resume(config_dir: Path, name: str, reason: str, *, as_json: bool) -> None:
    """Let mail go to that receiver; say what had kept it."""
    with place_of(config_dir) as place:
        done = asyncio.run(_resume(place, name.strip()))
    journal.tell("resumed", f"mail goes to receiver {done.name} again", reason)
    if as_json:
        echo_json({"receiver": done.name, "lifted": [_lifted(each) for each in done.lifted], "freed": done.unpaused})
        return
    for each in done.lifted:
        left = span(each.until - time.time()) if each.until > time.time() else "only a bound on connections"
        click.echo(f"    {clean(each.source.strip('/'))}: {left} was left: {clean(each.reason)}")
    rests = counted(len(done.lifted), "rest is lifted", "rests are lifted") if done.lifted else "it had no rest"
    click.echo(f"receiver {clean(done.name)}: {rests}; workers try it now")


def _lifted(backoff: Backoff) -> dict[str, Any]:
    return {"source": backoff.source, "until": backoff.until, "rule": backoff.rule, "reason": backoff.reason}


async def _resume(place: Place, name: str) -> Resumed:
    async with observing(place) as observer:
        receiver = await _named(place, observer, name)
        lifted = await asyncio.wrap_future(receivers.lift(place.spool, [receiver], time.time()))
        if observer.slots.workers():
            await asyncio.sleep(_HEEDED)  # else one that has not looked yet publishes once more that it is left alone
        freed = await _left_alone(place, observer, receiver)
        await asyncio.wrap_future(receivers.unpause(place.spool, freed))
        return Resumed(receiver, lifted, freed)


async def _named(place: Place, observer: Observer, name: str) -> str:
    """The receiver that is meant; ClickException where there is none."""
    known = {each.site for each in observer.backoffs} | {site for site, _ in observer.paces}
    known |= {provider for provider in observer.settings.sites if provider != "default"}
    known |= {f"smarthost {smarthost}" for smarthost in observer.settings.smarthosts}
    for written in (name, name.lower()):
        if written in known:
            return written
    try:
        destination = Address.parse(f"x@{name.removesuffix('.')}").destination
    except AddressError as error:
        raise click.UsageError(f"{shown(name)} is no receiver: {clean(str(error))}") from None
    route = await observer.router.route(destination)
    if isinstance(route, Route) and (route.site.name in known or destination in place.desk.sites()):
        return route.site.name
    near = nearest(name.lower(), known | place.desk.sites())
    meant = f"; near it: {', '.join(map(clean, near))}" if near else ""
    why = "no mail goes there, as far as is known"
    if not isinstance(route, Route):
        why = clean(one_line(str(route.said.reply or route.said.detail)))
    raise click.ClickException(f"{shown(name)}: {why}{meant}. `hedwig site` lists the receivers")


async def _left_alone(place: Place, observer: Observer, receiver: str) -> list[str]:
    """The destinations of this receiver that workers have published; also those of which nobody knows in time."""
    paused = sorted({pause.destination for pause in place.desk.pauses(time.time())})
    if observer.ways.by_client:  # the way is not the destination's alone: who is hinted for in vain is paused again
        return paused
    ways = await routes(observer.router.route, paused)
    return [name for name, way in ways.items() if not isinstance(way, Route) or way.site.name == receiver]
