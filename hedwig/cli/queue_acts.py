"""`hedwig queue retry | hold | release | drop`: what is done with mail that waits.

Each says first what it would touch, and asks; then carry_out.py does it. Who did it and why stands in the history of
each letter and in the journal.
"""

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hedwig.cli import desks
from hedwig.cli.carry_out import Wish, carry_out
from hedwig.cli.filtering import QueueId, filter_of, filter_options
from hedwig.cli.given import REASON
from hedwig.config import ConfigError, load_worker
from hedwig.settings import Worker
from hedwig.spool.operate import Act, Filter, Telling


def _order_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed((
        click.argument("ids", metavar="[ID]...", nargs=-1, type=QueueId()),
        filter_options,
        click.option("--all", "everything", is_flag=True, help="All that waits."),
        REASON,
        click.option("--dry-run", is_flag=True, help="Only say what would be touched."),
        click.option("--yes", is_flag=True, help="Don't ask."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON; without --yes nothing is changed."),
    )):  # fmt: skip
        command = option(command)
    return command


@click.command()
@_order_options
@click.pass_obj
def retry(config_dir: Path, **given: Any) -> None:
    """Try deferred mail at once: the IDs, or what fits the options.

    A receiver that could not be reached at all is left alone for as long as `hedwig queue` says.
    """
    _run(config_dir, Act.RETRY, _wanted(given), given)


@click.command()
@_order_options
@click.pass_obj
def hold(config_dir: Path, **given: Any) -> None:
    """Hold mail that waits: it is not tried and does not expire until it is released.

    What is being sent is called back, as long as the receiver has not been given all of it.
    """
    _run(config_dir, Act.HOLD, _wanted(given), given)


@click.command()
@_order_options
@click.pass_obj
def release(config_dir: Path, **given: Any) -> None:
    """Send held mail, whatever held it. What was held in doubt may arrive twice.

    Mail that is past its expiry, or has less than 15 minutes left, has a day more; but never past a deadline that its
    sender has set.
    """
    _run(config_dir, Act.RELEASE, _wanted(given), given)


@click.command()
@_order_options
@click.option("--dsn/--no-dsn", "dsn", default=None, help="Send a bounce to each sender, or tell nobody.")
@click.pass_obj
def drop(config_dir: Path, dsn: bool | None, **given: Any) -> None:
    """End mail that waits: it is not delivered, and its body is deleted. It can't be undone.

    What is being sent is called back, as long as the receiver has not been given all of it.
    """
    if dsn is None and given["yes"]:
        raise click.UsageError("with --yes, say whether senders are told: --dsn or --no-dsn")
    wanted = _wanted(given)
    if dsn is None and not (given["as_json"] or given["dry_run"]) and sys.stdin.isatty():
        dsn = click.confirm("Send a bounce to each sender?", default=False)
    _run(config_dir, Act.DROP, wanted, given, telling_of(config_dir) if dsn else None)


def telling_of(config_dir: Path) -> Telling:
    """How this host names itself in bounces, as its workers do."""
    file = config_dir / "worker.yml"
    try:
        worker = load_worker(file) if file.exists() else Worker()
    except ConfigError as error:
        raise click.ClickException(desks.clean_lines(str(error))) from None
    return Telling(worker.ehlo or socket.getfqdn(), worker.retry.expire, most=worker.reports_per_hour)


def _wanted(given: dict[str, Any]) -> Filter:
    """What is meant; takes its options out of `given`."""
    ids, everything = given.pop("ids"), given.pop("everything")
    wanted: Filter = filter_of(given, tuple(ids))
    if everything != (wanted == Filter()):
        raise click.UsageError(
            "--all goes without IDs and options" if everything else "say which: IDs, options, or --all"
        )
    return wanted


def _run(config_dir: Path, act: Act, wanted: Filter, given: dict[str, Any], telling: Telling | None = None) -> None:
    with desks.the_desk(config_dir, "postoffice", "worker") as desk:
        carry_out(desk, wanted, Wish(act, telling=telling, **given))
