"""What `hedwig explain` does: it gathers what a worker's own modules say, and the spool, and shows it (explain_view.py,
probe_view.py). Loaded on hosts that deliver alone (at_worker.py).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from hedwig.address import Address
from hedwig.cli import explain_view, probe_view
from hedwig.cli.delivering import Place, observing, place_of
from hedwig.cli.naming import nearest
from hedwig.cli.terminal import clean, echo_json
from hedwig.spool import suppress, waits
from hedwig.spool.operate import Filter
from hedwig.spool.suppressed import folded
from hedwig.worker import outlook, probing, prospect
from hedwig.worker.delivery import no_mail
from hedwig.worker.observer import Observer
from hedwig.worker.probing import Asked, NotAsked, Question
from hedwig.worker.prospect import End, Paused

__all__ = ["Question", "Wanted", "run"]

STATUS = {End.SENT: 0, End.WAITS: 3, End.FAILS: 4}
_MOST = 1000  # recipients that wait for the address, looked at


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked: of a letter to `address` that the host `client` hands in ("": any). `question`: of a probe, too,
    with its conversation where `verbose`."""

    address: Address
    client: str
    question: Question | None
    verbose: bool = False
    as_json: bool = False


def run(config_dir: Path, wanted: Wanted) -> int:
    """Show it; the exit status."""
    with place_of(config_dir) as place:
        if wanted.client:
            place.notes += _unknown(config_dir, place, wanted.client)
        talk: list[str] = []
        place.trace = _told_by(talk.append) if wanted.as_json else _told_by(click.echo) if wanted.verbose else None
        found = asyncio.run(_explained(place, wanted))
    if wanted.as_json:
        echo_json(explain_view.json_of(found) | {"talk": talk})
    elif found.probed is None:
        click.echo("\n".join(explain_view.text_of(found)))
    else:
        for note in found.notes:
            click.echo(clean(note), err=True)
        click.echo("\n".join(probe_view.text_of(found.probed, wanted.address, place.settings)))
    return STATUS[found.prospect.end if found.probed is None else probe_view.end_of(found.probed)]


def _unknown(config_dir: Path, place: Place, client: str) -> list[str]:
    """That no such host is known, where that is so: what is said of its letters holds for any other host's."""
    known = {file.stem.lower() for file in (config_dir / "clients.d").glob("*.yml")} | set(place.settings.clients)
    if client in known or client in (known := known | place.desk.clients()):
        return []
    near = nearest(client, known)
    meant = f"; near it: {', '.join(near)}" if near else ""
    return [f"{client} is no client that is known here (no file in clients.d, no mail in the last 30 days){meant}"]


def _told_by(tell: Callable[[str], object]) -> Callable[[str], None]:
    """A line of the conversation, without what it is named after in a worker's journal."""

    def trace(line: str) -> None:
        tell(clean(line.removeprefix("probe: ")))

    return trace


async def _explained(place: Place, wanted: Wanted) -> explain_view.Explained:
    """All of it, at one moment; then the probe."""
    async with observing(place, sts=True) as observer:
        found = _found(place, observer, await outlook.look(observer, wanted.address, wanted.client))
        if wanted.question is not None:
            found = replace(found, probed=await _probed(place, observer, found, wanted.question))
        return replace(found, notes=tuple(place.notes))


async def _probed(
    place: Place, observer: Observer, found: explain_view.Explained, question: Question
) -> Asked | NotAsked:
    would = found.prospect
    if not found.view.ways or (would.end is not End.SENT and not question.forced):
        return NotAsked(would.why, would.until, bool(found.view.ways), would.end)
    return await probing.ask(observer, place.spool, would.way or found.view.ways[0], question)


def _found(place: Place, observer: Observer, view: outlook.Outlook) -> explain_view.Explained:
    """What the spool knows, beside what was looked up."""
    desk, address = place.desk, view.address
    now = time.time()
    stops, pauses = desk.stops(now), [each for each in desk.pauses(now) if each.destination == address.destination]
    listed = place.spool.read(suppress.found, [folded(str(address), address.destination)], now)
    why = str(no_mail(listed[0])) if listed else ""
    would = prospect.prospect(view, Paused(stops, pauses, why), observer.rules, now)
    rows, more = desk.listed(Filter(rcpt=str(address), site=address.destination), _MOST)
    waiting = place.spool.read(waits.of, address.destination, now)
    return explain_view.Explained(view, would, place.lines, stops, pauses, rows, bool(more), waiting, now, why)
