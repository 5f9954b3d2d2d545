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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from hedwig import log
from hedwig.address import Address, AddressError
from hedwig.cli import desks, explain_view
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
from hedwig.worker import myself, outlook, prospect
from hedwig.worker.observer import Observer
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_obj
def explain(config_dir: Path, address: Address, client: str | None, as_json: bool) -> None:
    """What would become of a letter to ADDRESS now, and why: its MX, the receiver, limits, rests and pauses, and where
    it would go.

    Nothing is sent. Exit status: 0: it would be sent; 3: it would wait; 4: it would fail; 1: that can't be told.
    """
    with place_of(config_dir) as place:
        found = asyncio.run(_explained(place, address, client or ""))
    if as_json:
        echo_json(explain_view.json_of(found))
    else:
        click.echo("\n".join(explain_view.text_of(found)))
    raise SystemExit(STATUS[found.prospect.end])


async def _explained(place: Place, address: Address, client: str) -> explain_view.Explained:
    """All of it, at one moment."""
    settings, desk = place.settings, place.desk
    me = await asyncio.to_thread(myself.find, settings)
    resolver = DnsResolver(settings.dns.nameservers, settings.dns.port)
    try:
        view = await outlook.look(Observer(settings, place.spool, me, resolver), address, client)
    finally:
        await resolver.close()
    now = time.time()
    stops, pauses = desk.stops(now), [each for each in desk.pauses(now) if each.destination == address.destination]
    would = prospect.prospect(view, Paused(stops, pauses), settings.retry, now)
    rows, more = desk.listed(Filter(rcpt=str(address), site=address.destination), _MOST)
    waiting = place.spool.read(waits.of, address.destination, now)
    return explain_view.Explained(
        view, would, place.lines, stops, pauses, rows, bool(more), waiting, now, notes=tuple(place.notes)
    )
