"""`hedwig mail ID`: a queued message as it will go out, byte for byte; on a terminal such that nothing in it commands
that (I11), as JSON in base64.
"""

import base64
import sys
from pathlib import Path

import click

from hedwig.cli import desks
from hedwig.cli.filtering import QueueId
from hedwig.cli.given import Text
from hedwig.cli.terminal import clean, echo_json, visible
from hedwig.config import ConfigError
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.operate import Letter
from hedwig.spool.records import SpoolTrouble


@click.command()
@click.argument("queue_id", metavar="ID", type=QueueId())
@click.option("--client", type=Text(), metavar="FQDN", help="The one from this host, where several have that ID.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the envelope, and the message in base64.")
@click.pass_obj
def mail(config_dir: Path, queue_id: str, client: str | None, as_json: bool) -> None:
    """Print a message that waits, as it will go out: raw bytes with CRLF line ends, to a file or a pipe.

    On a terminal control characters are shown as escapes, and so is what isn't UTF-8. Whoever reads other people's
    letters should have a reason, and their leave.
    """
    failed = False
    for one in desks.sources(config_dir):
        try:
            if isinstance(one, ConfigError):
                raise one
            with desks.desk_at(one.spool) as desk:
                if letter := _letter(desk, queue_id, client):
                    _print(one, desk, letter, as_json)
                    return
        except (ConfigError, SpoolTrouble) as error:
            click.echo(desks.clean_lines(str(error)), err=True)
            failed = True
    said = (
        "not found, or not whole"
        if failed
        else "no such message waits here; if it is done, its body is gone (`hedwig trace`)"
    )
    raise click.ClickException(f"{queue_id}: {said}")


def _letter(desk: SqliteDesk, queue_id: str, client: str | None) -> Letter | None:
    letters = [letter for letter in desk.letters(queue_id) if not client or client.lower() == letter.client.lower()]
    if len(letters) > 1:
        names = ", ".join(clean(letter.client) for letter in letters)
        raise click.ClickException(f"{queue_id}: several hosts have a message of that ID: say --client, one of {names}")
    return letters[0] if letters else None


def _print(source: desks.Source, desk: SqliteDesk, letter: Letter, as_json: bool) -> None:
    pieces = desk.body(letter.message)
    if as_json:
        envelope = {"client": letter.client, "mailfrom": letter.mailfrom, "rcpttos": _rcpttos(letter)}
        content = base64.b64encode(b"".join(pieces)).decode()
        echo_json(
            desks.named(source, {"queue_id": letter.queue_id, **envelope, "size": letter.size, "content": content})
        )
    elif sys.stdout.isatty():
        for text in visible(pieces):
            click.echo(text, nl=False)
    else:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _rcpttos(letter: Letter) -> list[str]:
    return [row.rcptto for row in letter.recipients]
