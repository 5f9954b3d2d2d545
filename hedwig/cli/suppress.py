"""`hedwig suppress add | list | remove`: addresses that get no mail.

Workers add an address when its receiver says that there is no such mailbox (`suppress` in worker.yml); what is sent to
it fails at once then, and its sender is told why. What an operator adds holds whatever that setting says.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hedwig.address import Address, AddressError
from hedwig.cli import desks, journal
from hedwig.cli.filtering import Duration
from hedwig.cli.terminal import clean, counted, echo_json, indented, moment
from hedwig.cli.who import who
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.records import SpoolTrouble
from hedwig.spool.stops import FOREVER
from hedwig.spool.suppressed import Suppression, folded

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")


class _MailAddress(click.ParamType):
    """An address, as the list has it."""

    name = "ADDRESS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip().removeprefix("<").removesuffix(">")
        try:
            return folded(text, Address.parse(text).destination)
        except AddressError as error:
            self.fail(f"{clean(repr(value))}: {error}", param, ctx)


_ADDRESSES = click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True, type=_MailAddress())


@click.group()
def suppress() -> None:
    """Addresses that get no mail: what is sent to them fails at once."""


@suppress.command()
@_ADDRESSES
@click.option("--for", "seconds", type=Duration(), metavar="DURATION", help="For so long: 12h, 30d. Else for good.")
@click.option("--reason", default="", metavar="TEXT", help="Why; senders read it in their bounces.")
@_JSON
@click.pass_obj
def add(config_dir: Path, addresses: tuple[str, ...], seconds: float | None, reason: str, as_json: bool) -> None:
    """Let addresses have no mail. What is on its way to a receiver already still arrives."""
    now = time.time()
    until = now + seconds if seconds else FOREVER
    wanted = [Suppression(each, now, until, who(), reason or "by order") for each in dict.fromkeys(addresses)]

    def put(desk: SqliteDesk) -> None:
        desk.suppress(wanted)
        journal.tell("suppressed", f"no mail goes to {', '.join(each.address for each in wanted)}", reason)
        _show(wanted, as_json)

    _at_the_desk(config_dir, put)


@suppress.command("list")
@click.argument("part", metavar="[TEXT]", default="")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Addresses to show.")
@click.option("--after", default="", metavar="ADDRESS", help="Go on behind this one.")
@_JSON
@click.pass_obj
def list_(config_dir: Path, part: str, limit: int, after: str, as_json: bool) -> None:
    """Which addresses get no mail, since when, until when and why; only those with TEXT in them."""

    def show(desk: SqliteDesk) -> None:
        found = desk.suppressed(part.lower(), after.lower(), limit + 1)
        _show(found[:limit], as_json)
        if not found and not as_json:
            click.echo("No address is suppressed." if not part else "No such address is suppressed.")
        if len(found) > limit:
            click.echo(f"There are more: hedwig suppress list --after {clean(found[limit - 1].address)}", err=True)

    _at_the_desk(config_dir, show)


@suppress.command()
@_ADDRESSES
@_JSON
@click.pass_obj
def remove(config_dir: Path, addresses: tuple[str, ...], as_json: bool) -> None:
    """Let addresses have mail again. Letters that failed meanwhile are not sent again."""

    def lift(desk: SqliteDesk) -> None:
        lifted = desk.unsuppress(tuple(dict.fromkeys(addresses)))
        if lifted:
            journal.tell("suppression_lifted", f"mail goes to {', '.join(lifted)} again", "")
        if as_json:
            echo_json(lifted)
        elif lifted:
            click.echo(f"{counted(len(lifted), 'address gets', 'addresses get')} mail again")
        for missing in dict.fromkeys(each for each in addresses if each not in lifted):
            click.echo(f"{clean(missing)} is not suppressed; `hedwig suppress list` shows what is", err=True)
        if len(lifted) < len(set(addresses)):
            raise SystemExit(1)

    _at_the_desk(config_dir, lift)


def _at_the_desk(config_dir: Path, act: Callable[[SqliteDesk], None]) -> None:
    with desks.the_desk(config_dir, "postoffice", "worker") as desk:
        try:
            act(desk)
        except SpoolTrouble as error:
            raise click.ClickException(desks.clean_lines(str(error))) from None


def _show(suppressions: list[Suppression], as_json: bool) -> None:
    if as_json:
        echo_json([asdict(each) for each in suppressions])
        return
    for each in suppressions:
        until = "for good" if each.until >= FOREVER else f"until {moment(each.until)}"
        click.echo(f"{clean(each.address)}: since {moment(each.since)}, {until}, by {clean(each.who)}")
        for line in indented(clean(each.reason), 4):
            click.echo(line)
