"""`hedwig queue pause` and `resume`: a site, to which nothing is sent; or a client, whose mail is held.

spool/stops.py says what a pause means. The command goes on until all that waits of a client is held, or free again;
should it be broken off, the daemons go on with it.
"""

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hedwig import moments
from hedwig.cli import desks, journal
from hedwig.cli.breaking import Breaking
from hedwig.cli.filtering import site_of
from hedwig.cli.queue_view import stop_lines
from hedwig.cli.terminal import clean, echo_json
from hedwig.cli.who import who
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.operate import Filter, Stop, StopKind
from hedwig.spool.stops import FOREVER
from hedwig.spool.words import SpoolTrouble

_MOST_REST = 1.0  # seconds between two steps


class _Until(click.ParamType):
    """A Unix time, from a duration, a local time, or a date with its zone."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        now = time.time()
        text = str(value).strip()
        seconds = moments.duration(text) if not text.isdigit() else None
        at = now + seconds if seconds else moments.moment(text) or _local(text, now)
        if at is None:
            self.fail(f"{clean(repr(value))} is no time: write 2h, 18:30, or 2026-01-31 08:00", param, ctx)
        if at <= now:
            self.fail(f"{clean(repr(value))} is over", param, ctx)
        return at


def _local(text: str, now: float) -> float | None:
    """In this machine's time zone: "18:30" (the next one), "2026-01-31", "2026-01-31 08:00"."""
    try:
        if len(text) == 5:
            clock = datetime.strptime(text, "%H:%M")
            at = datetime.fromtimestamp(now).replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
            return at.timestamp() if at.timestamp() > now else at.timestamp() + 86400
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


_SITE = click.option("--site", "kind", flag_value="site", help="NAME is a destination.")
_CLIENT = click.option("--client", "kind", flag_value="client", help="NAME is a host that sends.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")


@click.command()
@click.argument("name", required=False)
@_SITE
@_CLIENT
@click.option("--until", type=_Until(), metavar="TIME", help="When it goes on by itself: 2h, 18:30, 2026-01-31 08:00.")
@click.option("--reason", default="", metavar="TEXT", help="Why; for the history and the journal.")
@_JSON
@click.pass_obj
def pause(config_dir: Path, name: str | None, kind: str | None, as_json: bool, **given: Any) -> None:
    """Pause a site (a recipients' domain) or a client (a host that sends); without NAME, list what is paused.

    To a paused site nothing more is sent; what is under way finishes. Its mail expires as ever. The mail of a paused
    client is accepted and held, and does not expire until it goes on.
    """
    with desks.the_desk(config_dir, "postoffice", "worker") as desk:
        try:
            if name is not None:
                known = _kind_of(config_dir, desk, name, kind)
                until = given["until"] or FOREVER
                stop = Stop(known, _name(known, name), time.time(), until, who(), given["reason"])
                _pause(desk, stop, as_json)
            _list(desk, as_json)
        except SpoolTrouble as error:
            raise click.ClickException(desks.clean_lines(str(error))) from None


@click.command()
@click.argument("name")
@_SITE
@_CLIENT
@_JSON
@click.pass_obj
def resume(config_dir: Path, name: str, kind: str | None, as_json: bool) -> None:
    """Let a paused site or client go on."""
    with desks.the_desk(config_dir, "postoffice", "worker") as desk:
        try:
            kinds = [StopKind(kind)] if kind else list(StopKind)
            over = [one for one in kinds if desk.resume(one, _name(one, name))]
            if not over:
                raise click.ClickException(f"{clean(name)} is not paused; `hedwig queue pause` lists what is")
            for one in over:
                journal.tell("resumed", f"{one.value} {name} goes on", "")
            if StopKind.CLIENT in over:
                _go_through(desk, _name(StopKind.CLIENT, name), quiet=as_json)
            if not as_json:
                click.echo(f"{clean(name)} goes on")
            else:
                _list(desk, as_json)
        except SpoolTrouble as error:
            raise click.ClickException(desks.clean_lines(str(error))) from None


def _pause(desk: SqliteDesk, stop: Stop, as_json: bool) -> None:
    desk.pause(stop)
    journal.tell("paused", f"{stop.kind.value} {stop.name} is paused", stop.reason)
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
    shown, breaking = sys.stderr.isatty() and not quiet, Breaking()
    passed, of = 0, 1
    try:
        with breaking.work():
            while True:
                began = time.monotonic()
                with breaking.step():
                    passed, of = desk.advance(client)
                if passed >= of:
                    break
                if shown:
                    click.echo(f"\r{100 * passed // of}% ", nl=False, err=True)
                time.sleep(min(time.monotonic() - began, _MOST_REST))
    except KeyboardInterrupt:
        words = f"broken off at {100 * passed // of}%; hedwig's daemons go on with it"
        raise click.ClickException(words) from None
    finally:
        if shown:
            click.echo("\r\x1b[K", nl=False, err=True)


def _kind_of(config_dir: Path, desk: SqliteDesk, name: str, kind: str | None) -> StopKind:
    """What NAME is: a client where it has a file in clients.d, else a site; asked where it may be both."""
    if kind:
        return StopKind(kind)
    is_client = any(file.name == f"{name.lower()}.yml" for file in (config_dir / "clients.d").glob("*.yml"))
    if is_client and desk.listed(Filter(site=site_of(name)), 1)[0]:
        raise click.UsageError(f"{clean(name)} is a client, and mail waits for it as a site: say --client or --site")
    return StopKind.CLIENT if is_client else StopKind.SITE


def _name(kind: StopKind, name: str) -> str:
    return site_of(name) if kind is StopKind.SITE else name.lower()
