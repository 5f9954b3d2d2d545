"""`hedwig spool salvage`: a new spool in the place of each damaged one of this host, with what that still holds."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hedwig.cli import desks
from hedwig.cli.terminal import clean, counted, echo_json
from hedwig.config import ConfigError
from hedwig.spool.words import SpoolTrouble

if TYPE_CHECKING:
    from hedwig.spool.salvage import Salvaged

_WITHOUT_END = float("inf")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--force", is_flag=True, help="Also where nothing is found to be wrong.")
@click.pass_obj
def salvage(config_dir: Path, as_json: bool, force: bool) -> None:
    """Put a new spool in the place of each damaged one of this host, with all the mail that the old one still holds.

    The daemons must be stopped. The damaged files are kept, and what can't go on is written beside them.
    """
    done: list[tuple[desks.Source, Salvaged | None]] = []
    failed = False
    for one in desks.sources(config_dir):
        try:
            if isinstance(one, ConfigError):
                raise one
            if any(Path(f"{one.spool}{part}").exists() for part in ("", "-wal")):  # else its daemon never ran
                done.append((one, _salvage(one, force)))
        except (ConfigError, SpoolTrouble) as error:
            click.echo(desks.clean_lines(str(error)), err=True)
            failed = True
    if as_json:
        echo_json([desks.named(one, asdict(result)) for one, result in done if result])
    else:
        click.echo("\n".join(line for one, result in done for line in _lines(one, result)))
    raise SystemExit(1 if failed else 0)


def _salvage(one: desks.Source, force: bool) -> "Salvaged | None":
    """None: there was no need."""
    from hedwig.spool.examine import examined
    from hedwig.spool.salvage import salvage as salvaged
    from hedwig.spool.trouble import Damaged

    try:
        examined(one.spool, create=False, seconds=_WITHOUT_END)
        if not force:
            return None
    except Damaged as error:
        click.echo(desks.clean_lines(str(error)), err=True)
    return salvaged(one.spool, to_postoffice=one.daemon == "mailman", now=time.time())


def _lines(one: desks.Source, result: "Salvaged | None") -> list[str]:
    name = f"{one.daemon} ({clean(one.spool)})"
    if result is None:
        return [f"{name}: nothing is wrong with it"]
    recipients = counted(result.recipients, "recipient", "recipients")
    lines = [f"{name}: salvaged, with {recipients} of {counted(result.messages, 'message', 'messages')}"]
    if result.aside:
        lines.append(f"Set aside, in {clean(result.folder)}:")
    for aside in result.aside:
        known = aside.queue_id or (f"message {aside.message}" if aside.message else "no message")
        lines.append(f"    {clean(known)}  from {clean(aside.mailfrom or '?')}: {clean(aside.why)}")
        lines += [f"        {clean(rcptto)}" for rcptto in aside.rcpttos]
    lines.append(f"The damaged files are in {clean(result.folder)}, for you to delete.")
    return lines
