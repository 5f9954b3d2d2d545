"""`hedwig explain ADDRESS`: what would become of a letter to it now, and all that this depends on.

It runs on the host that delivers, beside its workers, and asks their own modules: MX, receiver, limits, rests, pauses,
sources, addresses. Nothing is sent; with --probe it connects as a worker would, asks as far as RCPT, and quits
(probing.py).

Exit status: 0: it would be sent now (or the probed host takes it); 3: it would wait; 4: it would fail, and bounce; 1:
that can't be told, and stderr says why; 2: a wrong option.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from hedwig import log
from hedwig.address import Address, AddressError
from hedwig.cli import desks, explain_view, probe_view
from hedwig.cli.given import shown
from hedwig.cli.terminal import clean, echo_json
from hedwig.config import ConfigError, Unfit, host_name, lines_of_worker
from hedwig.mx.dns import DnsResolver
from hedwig.reply import one_line
from hedwig.settings import Worker
from hedwig.spool import waits
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.operate import Filter
from hedwig.spool.records import SpoolTrouble
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.worker import myself, outlook, probing, prospect
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


@dataclass(slots=True)
class Place:
    """Where it is looked: the worker's settings with their lines, its spool, and what its modules say meanwhile."""

    settings: Worker
    lines: Any
    desk: SqliteDesk
    spool: SqliteSpool
    notes: list[str] = field(default_factory=list)
    trace: Callable[[str], None] | None = None

    def hear(self, level: log.Level, message: str, fields: dict[str, str]) -> None:
        """What would go to the journal."""
        if level is log.Level.DEBUG:
            if self.trace is not None:
                self.trace(message)
        else:
            self.notes.append(one_line(message))


@contextmanager
def place_of(config_dir: Path) -> Iterator[Place]:
    """The worker's place on this host; every trouble becomes a ClickException."""
    file = config_dir / "worker.yml"
    if not file.exists():
        raise click.ClickException(
            f"{clean(str(config_dir))}: there is no worker.yml here; ask on the host that delivers"
        )
    try:
        settings, lines = lines_of_worker(file)
        with desks.desk_at(settings.spool) as desk, closing(open_spool(settings.spool, create=False)) as spool:
            place = Place(settings, lines, desk, spool)
            with log.overheard(place.hear, debug=True):
                yield place
    except (ConfigError, SpoolTrouble) as error:
        raise click.ClickException(desks.clean_lines(str(error))) from None
    except OSError as error:
        where = clean(str(error.filename or "run_dir"))
        raise click.ClickException(
            f"{where}: {error.strerror or error}: run it as root, or as the user hedwig"
        ) from None


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
    if not how["probe"] and (how["sender"] or how["force"] or how["verbose"]):
        raise click.UsageError("--from, --force and --verbose say how to --probe")
    asked = Question(str(address), str(how["sender"] or ""), how["force"]) if how["probe"] else None
    with place_of(config_dir) as place:
        talk: list[str] = []
        place.trace = talk.append if as_json else _echo if how["verbose"] else None
        found = asyncio.run(_explained(place, address, client or "", asked))
    if as_json:
        echo_json(explain_view.json_of(found) | {"talk": talk})
    elif found.probed is None:
        click.echo("\n".join(explain_view.text_of(found)))
    else:
        click.echo("\n".join(probe_view.text_of(found.probed, address, found.now)))
    raise SystemExit(STATUS[found.prospect.end if found.probed is None else probe_view.end_of(found.probed)])


def _echo(line: str) -> None:
    click.echo(clean(line.removeprefix("probe: ")))


async def _explained(place: Place, address: Address, client: str, question: Question | None) -> explain_view.Explained:
    """All of it, at one moment; then the probe."""
    settings = place.settings
    me = await asyncio.to_thread(myself.find, settings)
    resolver = DnsResolver(settings.dns.nameservers, settings.dns.port)
    try:
        observer = Observer(settings, place.spool, me, resolver)
        found = _found(place, await outlook.look(observer, address, client))
        if question is not None:
            found = replace(found, probed=await _probed(place, observer, found, question))
        return replace(found, notes=tuple(place.notes))
    finally:
        await resolver.close()


async def _probed(
    place: Place, observer: Observer, found: explain_view.Explained, question: Question
) -> Asked | NotAsked:
    would = found.prospect
    if not found.view.ways or (would.end is not End.SENT and not question.forced):
        return NotAsked(would.why, would.until, forcible=bool(found.view.ways) and would.end is End.WAITS)
    return await probing.ask(observer, place.spool, would.way or found.view.ways[0], question)


def _found(place: Place, view: outlook.Outlook) -> explain_view.Explained:
    """What the spool knows, beside what was looked up."""
    settings, desk, address = place.settings, place.desk, view.address
    now = time.time()
    stops, pauses = desk.stops(now), [each for each in desk.pauses(now) if each.destination == address.destination]
    would = prospect.prospect(view, Paused(stops, pauses), settings.retry, now)
    rows, more = desk.listed(Filter(rcpt=str(address), site=address.destination), _MOST)
    waiting = place.spool.read(waits.of, address.destination, now)
    return explain_view.Explained(view, would, place.lines, stops, pauses, rows, bool(more), waiting, now)
