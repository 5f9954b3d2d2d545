"""`hedwig explain ADDRESS`: what would become of a letter to it now, and all that this depends on.

It runs on the host that delivers, beside its workers, and asks their own modules: MX, receiver, limits, rests, pauses,
sources, addresses. Nothing is sent; with --probe it connects as a worker would, asks as far as RCPT, and quits
(probing.py).

Exit status: 0: it would be sent now (or the probed host takes it); 3: it would wait; 4: it would fail, and bounce; 1:
that can't be told, and stderr says why; 2: a wrong option.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hedwig.address import Address, AddressError
from hedwig.cli import explain_view, probe_view
from hedwig.cli.delivering import Place, observing, place_of
from hedwig.cli.given import shown
from hedwig.cli.terminal import clean, echo_json
from hedwig.config import Unfit, host_name
from hedwig.spool import suppress, waits
from hedwig.spool.operate import Filter
from hedwig.spool.suppressed import folded
from hedwig.worker import outlook, probing, prospect
from hedwig.worker.delivery import no_mail
from hedwig.worker.observer import Observer
from hedwig.worker.probing import Asked, NotAsked, Question
from hedwig.worker.prospect import End, Paused

STATUS = {End.SENT: 0, End.WAITS: 3, End.FAILS: 4}
_MOST = 1000  # recipients that wait for the address, looked at


class Recipient(click.ParamType):
    """A mail address, as it stands in RCPT; in its brackets or without."""

    name = "ADDRESS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read it, or fail with a sentence."""
        text = str(value).strip()
        text = text[1:-1] if text.startswith("<") and text.endswith(">") else text
        try:
            return Address.parse(text)
        except AddressError as error:
            self.fail(f"{shown(text)}: {error}", param, ctx)


class Sender(Recipient):
    """Likewise, or "<>", the null sender."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it, or fail with a sentence."""
        return "" if str(value).strip() == "<>" else super().convert(value, param, ctx)


class Client(click.ParamType):
    """The name of a host that sends."""

    name = "FQDN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it, or fail with a sentence."""
        try:
            return host_name(str(value).strip().removesuffix("."))
        except Unfit as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("address", type=Recipient())
@click.option("--client", type=Client(), metavar="FQDN", help="As if this host had handed it in.")
@click.option("--probe", is_flag=True, help="Connect, and ask the host about ADDRESS, up to RCPT.")
@click.option("--from", "sender", type=Sender(), metavar="ADDRESS", help="With --probe: MAIL FROM this; <> by default.")
@click.option("--force", is_flag=True, help="With --probe: also a receiver that rests, or is paused.")
@click.option("-v", "--verbose", is_flag=True, help="With --probe: show the conversation.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_obj
def explain(config_dir: Path, address: Address, client: str | None, as_json: bool, **how: Any) -> None:
    """What would become of a letter to ADDRESS now, and why: its MX, the receiver, limits, rests and pauses, and where
    it would go.

    Nothing is sent. With --probe a host is asked, from the source and with the TLS that the letter would have, and its
    answer decides. Exit status: 0: it would be sent; 3: it would wait; 4: it would fail; 1: that can't be told.
    """
    if not how["probe"] and (how["sender"] is not None or how["force"] or how["verbose"]):
        raise click.UsageError("--from, --force and --verbose say how to --probe")
    asked = Question(str(address), str(how["sender"] or ""), how["force"]) if how["probe"] else None
    with place_of(config_dir) as place:
        talk: list[str] = []
        place.trace = _told_by(talk.append) if as_json else _told_by(click.echo) if how["verbose"] else None
        found = asyncio.run(_explained(place, address, client or "", asked))
    if as_json:
        echo_json(explain_view.json_of(found) | {"talk": talk})
    elif found.probed is None:
        click.echo("\n".join(explain_view.text_of(found)))
    else:
        for note in found.notes:
            click.echo(clean(note), err=True)
        click.echo("\n".join(probe_view.text_of(found.probed, address, place.settings)))
    raise SystemExit(STATUS[found.prospect.end if found.probed is None else probe_view.end_of(found.probed)])


def _told_by(tell: Callable[[str], object]) -> Callable[[str], None]:
    """A line of the conversation, without what it is named after in a worker's journal."""

    def trace(line: str) -> None:
        tell(clean(line.removeprefix("probe: ")))

    return trace


async def _explained(place: Place, address: Address, client: str, question: Question | None) -> explain_view.Explained:
    """All of it, at one moment; then the probe."""
    async with observing(place) as observer:
        found = _found(place, observer, await outlook.look(observer, address, client))
        if question is not None:
            found = replace(found, probed=await _probed(place, observer, found, question))
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
