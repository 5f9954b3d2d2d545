"""`hedwig queue` and `hedwig queue show ID`: what waits, for whom, why, and when it is tried next.

Shows the postoffice's spool and mailman's, as far as they are on this host. What can't be read is said on stderr, the
rest is shown, and the exit status is 1. What is done with mail that waits lies in queue_acts.py and queue_pause.py.
"""

import time
from pathlib import Path
from typing import Any

import click

from hedwig.cli import desks, queue_view
from hedwig.cli.filtering import QueueId, filter_of, filter_options, words_of
from hedwig.cli.given import Text, shown
from hedwig.cli.lazy import LazyGroup
from hedwig.cli.next_try import concerning, kept
from hedwig.cli.terminal import echo_json
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.operate import Filter

_ACTS = "hedwig.cli.queue_acts"
_PAUSES = "hedwig.cli.queue_pause"
_TABLE = {
    "drop": (_ACTS, "drop"),
    "hold": (_ACTS, "hold"),
    "pause": (_PAUSES, "pause"),
    "release": (_ACTS, "release"),
    "resume": (_PAUSES, "resume"),
    "retry": (_ACTS, "retry"),
}


@click.group(cls=LazyGroup, table=_TABLE, invoke_without_command=True)
@filter_options
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Recipients to show.")
@click.option("--after", default="", type=Text(empty=True), metavar="PLACE", help="Go on where an earlier list ended.")
@click.option("--spool", "only", type=click.Choice(list(desks.LOADERS)), help="Only the spool of this daemon.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_context
def queue(context: click.Context, limit: int, after: str, only: str | None, as_json: bool, **given: Any) -> None:
    """What waits in the queue: for whom, why, and when it is tried next.

    With options, only what they fit; all of them, where there are several.
    """
    wanted, now = filter_of(given), time.time()
    if context.invoked_subcommand:
        if wanted != Filter():
            raise click.UsageError(f"put the options behind {context.invoked_subcommand}, or they mean nothing")
        return

    def page(desk: SqliteDesk) -> queue_view.Page:
        try:
            rows, more = desk.listed(wanted, limit, after)
        except ValueError:
            raise click.UsageError(f"--after: {shown(after)} is no place where a list ended") from None
        known = kept(desk.stops(now), desk.pauses(now))
        stops, pauses = concerning(rows, known) if wanted != Filter() else known
        return queue_view.Page(rows, pauses, stops, more)

    found, failed = desks.each(context.obj, only, page)
    if as_json:
        echo_json([desks.named(one, queue_view.page_json(part)) for one, part in found])
    else:
        for number, (one, part) in enumerate(found):
            lines = queue_view.page_lines(one.daemon, one.spool, part, now, words_of(context))
            click.echo("\n".join([""] * (number > 0) + lines))
    raise SystemExit(1 if failed else 0)


@queue.command()
@click.argument("queue_id", metavar="ID", type=QueueId())
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_obj
def show(config_dir: Path, queue_id: str, as_json: bool) -> None:
    """One message: its recipients that still wait, and all that happened to it in the last 30 days."""
    from hedwig.cli.letter_view import known_lines, known_of

    found, failed = desks.each(config_dir, None, lambda desk: known_of(desk, [queue_id], time.time())[0])
    known = [(one, part) for one, part in found if part.letters or part.history]
    if as_json:
        echo_json([desks.named(one, part._asdict()) for one, part in known])
    for number, (one, part) in enumerate(known if not as_json else ()):
        lines = known_lines(one.daemon, part, time.time(), whole=True)
        click.echo("\n".join([""] * (number > 0) + lines))
    if not known:
        click.echo(desks.nowhere(queue_id, [one for one, _ in found], failed), err=True)
    raise SystemExit(1 if failed or not known else 0)
