"""`hedwig trace`: the whole journey of a letter, or of the newest letters of an address, as far as this host knows it.

What waits is read from the spools, what happened from their histories: also to letters that are done, for 30 days.
Letters are found by queue ID, by Message-ID, and by the address of their sender or of a recipient.
"""

import time
from pathlib import Path

import click

from hedwig import queueid
from hedwig.cli import desks
from hedwig.cli.given import Text
from hedwig.cli.queue_view import Known, known_json, known_lines
from hedwig.cli.terminal import echo_json
from hedwig.spool.desk import SqliteDesk


@click.command()
@click.argument("word", metavar="ID|ADDRESS|MESSAGE-ID", type=Text())
@click.option("--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Letters to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_obj
def trace(config_dir: Path, word: str, limit: int, as_json: bool) -> None:
    """What happened to a letter: every step with its time, in the receivers' own words.

    Given an address, of a sender or a recipient, the newest letters come first.
    """
    found, failed = desks.each(config_dir, None, lambda desk: _known(desk, word.strip(), limit + 1))
    letters = [(one, known) for one, part in found for known in part]
    letters.sort(key=lambda pair: pair[1].queue_id, reverse=True)
    shown = letters[:limit]
    if as_json:
        echo_json([desks.named(one, known_json(known)) for one, known in shown])
    for number, (one, known) in enumerate(() if as_json else shown):
        click.echo("\n".join([""] * (number > 0) + known_lines(one.daemon, known, time.time())))
    if len(letters) > limit:
        click.echo("\nThere are older ones: say --limit for more.", err=True)
    if not letters:
        click.echo(desks.nowhere(word, [one for one, _ in found], failed), err=True)
    raise SystemExit(1 if failed or not letters else 0)


def _known(desk: SqliteDesk, word: str, limit: int) -> list[Known]:
    wanted = [word.upper()] if queueid.is_valid(word.upper()) else desk.named(word, limit)
    if not wanted:
        return []
    histories = desk.histories(wanted)
    known = [Known(queue_id, desk.letters(queue_id), histories[queue_id]) for queue_id in wanted]
    return [one for one in known if one.letters or one.history]
