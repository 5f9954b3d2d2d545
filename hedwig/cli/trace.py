"""`hedwig trace`: the whole journey of a letter, or of the newest letters of an address, as far as this host knows it.

What waits is read from the spools, what happened from their histories: also to letters that are done, for 30 days.
Letters are found by queue ID, by Message-ID, and by the address of their sender or of a recipient. Of a whole domain,
"@" and its name, only what waits is found: the history has no index for it. The newest are those that were accepted
last, whatever a clock that was wrong has put into their IDs.
"""

import time
from pathlib import Path

import click

from hedwig import queueid
from hedwig.cli import desks
from hedwig.cli.filtering import site_of
from hedwig.cli.given import Text
from hedwig.cli.letter_view import Known, known_lines, known_of
from hedwig.cli.terminal import echo_json
from hedwig.spool.desk import SqliteDesk


@click.command()
@click.argument("word", metavar="ID|ADDRESS|MESSAGE-ID", type=Text())
@click.option("--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Letters to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_obj
def trace(config_dir: Path, word: str, limit: int, as_json: bool) -> None:
    """What happened to a letter: every step with its time, in the receivers' own words.

    Given an address, of a sender or a recipient, the newest letters come first. Given @DOMAIN, what waits now for it or
    from it, the oldest first.
    """
    found, failed = desks.each(config_dir, None, lambda desk: _known(desk, word.strip(), limit + 1))
    letters = [(one, known) for one, part in found for known in part]
    of_domain = word.strip().startswith("@")
    letters.sort(key=lambda pair: (_accepted_at(pair[1]), pair[1].queue_id), reverse=not of_domain)
    shown = letters[:limit]
    if as_json:
        echo_json([desks.named(one, known._asdict()) for one, known in shown])
    for number, (one, known) in enumerate(() if as_json else shown):
        click.echo("\n".join([""] * (number > 0) + known_lines(one.daemon, known, time.time())))
    if len(letters) > limit:
        others = "more" if of_domain else "older ones"
        click.echo(f"\nThere are {others}: say --limit for more.", err=True)
    if of_domain:
        click.echo("\nOf a whole domain only what waits is shown; what is done is found by address or ID.", err=True)
    if not letters:
        click.echo(desks.nowhere(word, [one for one, _ in found], failed), err=True)
    raise SystemExit(1 if failed or not letters else 0)


def _known(desk: SqliteDesk, word: str, limit: int) -> list[Known]:
    if word.startswith("@"):
        wanted = _waiting(desk, word, limit)
    else:
        wanted = [word.upper()] if queueid.is_valid(word.upper()) else desk.named(word, limit)
    if not wanted:
        return []
    return [one for one in known_of(desk, wanted, time.time()) if one.letters or one.history]


def _waiting(desk: SqliteDesk, domain: str, limit: int) -> list[str]:
    """Letters that wait for a domain or come from it. One letter may have many recipients there, so some of the
    `limit` may be missing."""
    from hedwig.spool.operate import Filter

    to = f"@{site_of(domain[1:])}"
    rows = [*desk.listed(Filter(rcpt=to), 10 * limit)[0], *desk.listed(Filter(sender=domain), 10 * limit)[0]]
    rows.sort(key=lambda row: row.accepted_at)
    return list(dict.fromkeys(row.queue_id for row in rows))[:limit]


def _accepted_at(known: Known) -> float:
    """When it was accepted, as far as is known here."""
    return known.letters[0].accepted_at if known.letters else known.history[0].at
