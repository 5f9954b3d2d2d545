"""`hedwig queue pause` and `resume`: a site, to which nothing is sent; or a client, whose mail is held.

spool/stops.py says what a pause means. The command goes on until all that waits of a client is held, or free again;
should it be broken off, the daemons go on with it. A name that nobody knows is not paused (naming.py), unless --site or
--client insists on it.
"""

import sys
import time
from pathlib import Path
from typing import Any

import click

from hedwig.address import Address, AddressError
from hedwig.cli import desks, journal
from hedwig.cli.breaking import Breaking
from hedwig.cli.given import Text, Until, shown
from hedwig.cli.naming import Unclear, kind_of, nearest
from hedwig.cli.queue_view import stop_lines
from hedwig.cli.terminal import clean, echo_json
from hedwig.cli.who import who
from hedwig.config import ConfigError, Unfit, host_name, load_worker
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.operate import Pausing, Stop, StopKind
from hedwig.spool.stops import FOREVER, is_receiver
from hedwig.spool.words import SpoolTrouble

_HEEDED = 1.5  # seconds, in which each worker has looked (worker/upkeep.py)
_MOST_REST = 1.0  # seconds between two steps
_MEANS = {
    StopKind.SITE: "nothing more is sent there; what is under way finishes",
    StopKind.CLIENT: "its mail is accepted and held",
}

_SITE = click.option("--site", "kind", flag_value="site", help="NAME is a destination.")
_CLIENT = click.option("--client", "kind", flag_value="client", help="NAME is a host that sends.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")


@click.command()
@click.argument("name", required=False, type=Text())
@_SITE
@_CLIENT
@click.option(
    "--until",
    type=Until(FOREVER),
    metavar="TIME",
    help="When it goes on by itself: 2h, 18:30, 2026-01-31 08:00; never: when it is resumed (default).",
)
@click.option("--reason", type=Text(empty=True), metavar="TEXT", help="Why; for those who look, and the journal.")
@_JSON
@click.pass_obj
def pause(config_dir: Path, name: str | None, kind: str | None, as_json: bool, **said: Any) -> None:
    """Pause a site (a recipients' domain) or a client (a host that sends); without NAME, list what is paused.

    A site may be a receiver of worker.yml too, such as google, with all the domains that go there. To a paused site
    nothing more is sent; what is under way finishes. Its mail expires as ever. The mail of a paused client is accepted
    and held, and does not expire until it goes on. Pausing again changes what is given anew.
    """
    if name is None and (kind or said != {"until": None, "reason": None}):
        raise click.UsageError("say what is to be paused; without NAME and options, what is paused is listed")
    with desks.the_desk(config_dir, "postoffice", "worker") as desk:
        try:
            if name is not None:
                what = _order(config_dir, desk, name, kind)
                _pause(desk, Pausing(*what, time.time(), who(), **said), as_json)
            _list(desk, as_json)
        except SpoolTrouble as error:
            raise click.ClickException(desks.clean_lines(str(error))) from None


@click.command()
@click.argument("name", type=Text())
@_SITE
@_CLIENT
@_JSON
@click.pass_obj
def resume(config_dir: Path, name: str, kind: str | None, as_json: bool) -> None:
    """Let a paused site or client go on."""
    with desks.the_desk(config_dir, "postoffice", "worker") as desk:
        try:
            kinds = [StopKind(kind)] if kind else list(StopKind)
            over = [one for one in kinds if desk.resume(one, _written(one, name))]
            if not over:
                raise click.ClickException(_not_paused(name, kind, desk.stops(time.time())))
            for one in over:
                journal.tell("resumed", f"{one.value} {name} goes on", "")
            if StopKind.SITE in over and is_receiver(StopKind.SITE, _written(StopKind.SITE, name)):
                # A worker that has not looked yet says once more that it is paused: that ends with a second resumption.
                time.sleep(_HEEDED)
                desk.resume(StopKind.SITE, _written(StopKind.SITE, name))
            if StopKind.CLIENT in over:
                _go_through(desk, _written(StopKind.CLIENT, name), quiet=as_json)
            if as_json:
                _list(desk, as_json)
            for one in over if not as_json else ():
                click.echo(f"{one.value} {clean(_written(one, name))} goes on")
        except SpoolTrouble as error:
            raise click.ClickException(desks.clean_lines(str(error))) from None


def _order(config_dir: Path, desk: SqliteDesk, name: str, kind: str | None) -> tuple[StopKind, str]:
    """What is to be paused, and its name as the spool has it. What is paused already is known."""
    if kind:
        valid = _valid(StopKind(kind), name)
        if is_receiver(StopKind(kind), valid):
            _see_receiver(config_dir, desk, valid)
        return StopKind(kind), valid
    paused = {one.kind for one in desk.stops(time.time()) if one.name == _written(one.kind, name)}
    if len(paused) == 1:
        known = paused.pop()
    else:
        clients = desk.clients() | {file.stem.lower() for file in (config_dir / "clients.d").glob("*.yml")}
        try:
            sites = desk.sites() | _receivers(config_dir)
            known = kind_of(name, _written(StopKind.SITE, name), clients, sites)
        except Unclear as error:
            raise (click.UsageError if error.both else click.ClickException)(str(error)) from None
    return known, _valid(known, name)


def _receivers(config_dir: Path) -> set[str]:
    """The names of `sites` in worker.yml; none where it is not here, or broken."""
    try:
        return set(load_worker(config_dir / "worker.yml").sites) - {"default"}
    except ConfigError:
        return set()


def _see_receiver(config_dir: Path, desk: SqliteDesk, name: str) -> None:
    """A word without a dot is a receiver's name in worker.yml, or it would pause nothing."""
    known = _receivers(config_dir)
    if known and name not in known | desk.sites():
        near = ", ".join(nearest(name, known)) or ", ".join(sorted(known))
        raise click.UsageError(f"{shown(name)} is no receiver of `sites` in worker.yml; there: {clean(near)}")


def _valid(kind: StopKind, name: str) -> str:
    """The name as the spool has it, or a usage error: whoever insists may still have slipped."""
    try:
        return Address.parse(f"x@{_plain(name)}").destination if kind is StopKind.SITE else host_name(_plain(name))
    except (AddressError, Unfit) as error:
        raise click.UsageError(f"{shown(name)} is no {kind.value}: {clean(str(error))}") from None


def _written(kind: StopKind, name: str) -> str:
    """Likewise, where it need not be a valid one."""
    try:
        return _valid(kind, name)
    except click.UsageError:
        return name.lower()


def _plain(name: str) -> str:
    return name.strip().removesuffix(".")


def _not_paused(name: str, kind: str | None, stops: list[Stop]) -> str:
    what = f"{kind} {clean(name)}" if kind else clean(name)
    others = [one.name for one in stops]
    near = nearest(name.lower(), others) or others[:5]
    return f"{what} is not paused; {'what is: ' + ', '.join(map(clean, near)) if near else 'nothing is'}"


def _pause(desk: SqliteDesk, order: Pausing, as_json: bool) -> None:
    again = any((one.kind, one.name) == (order.kind, order.name) for one in desk.stops(order.at))
    stop = desk.pause(order)
    journal.tell("paused", f"{stop.kind.value} {stop.name} is paused", stop.reason)
    if not as_json:
        means = "was paused already; what is in force now stands below" if again else f"is paused: {_MEANS[stop.kind]}"
        click.echo(f"{stop.kind.value} {clean(stop.name)} {means}")
    if stop.kind is StopKind.CLIENT:
        _go_through(desk, stop.name, quiet=as_json)


def _list(desk: SqliteDesk, as_json: bool) -> None:
    now = time.time()
    stops = desk.stops(now)
    if as_json:
        echo_json(stops)
    else:
        click.echo("\n".join(["Paused by an operator:", *stop_lines(stops, now)]) if stops else "Nothing is paused.")


def _go_through(desk: SqliteDesk, client: str, quiet: bool) -> None:
    """Step by step, with a rest as long between them, so that mail flows meanwhile."""
    terminal, breaking = sys.stderr.isatty() and not quiet, Breaking()
    passed, of = 0, 1
    try:
        with breaking.work():
            while True:
                began = time.monotonic()
                with breaking.step():
                    passed, of = desk.advance(client)
                if passed >= of:
                    break
                if terminal:
                    click.echo(f"\r{100 * passed // of}% ", nl=False, err=True)
                time.sleep(min(time.monotonic() - began, _MOST_REST))
    except KeyboardInterrupt:
        words = f"broken off at {100 * passed // of}%; hedwig's daemons go on with it"
        raise click.ClickException(words) from None
    finally:
        if terminal:
            click.echo("\r\x1b[K", nl=False, err=True)
