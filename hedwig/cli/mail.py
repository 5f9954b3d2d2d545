"""`hedwig mail ID`: a queued message as it will go out, byte for byte."""

import sys
from pathlib import Path

import click

from hedwig.cli import desks
from hedwig.cli.filtering import QueueId
from hedwig.cli.terminal import clean
from hedwig.config import ConfigError
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.words import SpoolTrouble


@click.command()
@click.argument("queue_id", metavar="ID", type=QueueId())
@click.option("--client", metavar="FQDN", default="", help="The one from this host, where several have that ID.")
@click.pass_obj
def mail(config_dir: Path, queue_id: str, client: str) -> None:
    """Print a message that waits, as it will go out: raw bytes with CRLF line ends, to standard output.

    Whoever reads other people's letters should have a reason, and their leave.
    """
    failed = False
    for one in desks.sources(config_dir):
        try:
            if isinstance(one, ConfigError):
                raise one
            with desks.desk_at(one.spool) as desk:
                if _print(desk, queue_id, client):
                    return
        except (ConfigError, SpoolTrouble) as error:
            click.echo(desks.clean_lines(str(error)), err=True)
            failed = True
    raise click.ClickException(
        f"{queue_id}: no such message waits here"
        + ("" if failed else "; if it is done, its body is gone (`hedwig trace`)")
    )


def _print(desk: SqliteDesk, queue_id: str, client: str) -> bool:
    letters = [letter for letter in desk.letters(queue_id) if client.lower() in ("", letter.client.lower())]
    if len(letters) > 1:
        names = ", ".join(clean(letter.client) for letter in letters)
        raise click.ClickException(f"{queue_id}: several hosts have a message of that ID: say --client, one of {names}")
    for letter in letters:
        for piece in desk.body(letter.message):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    return bool(letters)
