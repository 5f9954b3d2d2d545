"""`hedwig queue` and `hedwig queue show ID`: what waits, for whom, why, and when it is tried next.

Reads the spools that the files in CONFIGDIR name: the postoffice's, mailman's, or both. Nothing is written and no file
is made; no daemon needs to run. What can't be read is said on stderr, the rest is shown, and the exit status is 1.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hedwig import queueid
from hedwig.cli import queue_view
from hedwig.cli.terminal import clean
from hedwig.config import ConfigError, load_mailman, load_postoffice, load_worker
from hedwig.settings import Mailman, Postoffice, Worker
from hedwig.spool import HistoryLine, Look, QueuedRecipient, SpoolTrouble
from hedwig.spool.sqlite import open_spool

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Source:
    """One spool, and the daemon whose file names it."""

    daemon: str
    spool: str


def open_look(path: str) -> AbstractContextManager[Look]:
    """The spool at `path`, for reading; raises SpoolTrouble with a sentence that says what is wrong."""
    try:
        Path(path).stat()
        with Path(path).open("rb"):
            pass
    except FileNotFoundError:
        raise SpoolTrouble(f"{path}: there is no spool yet; its daemon makes it when it first starts") from None
    except PermissionError:
        raise SpoolTrouble(f"{path}: no permission to read it; run as root, or as the user hedwig") from None
    except OSError as error:
        raise SpoolTrouble(f"{path}: {error.strerror}") from None
    return closing(open_spool(path, create=False))


def sources(config_dir: Path, only: str | None = None) -> Iterator[Source | ConfigError]:
    """The spools that CONFIGDIR's files name, each once; a ConfigError for each file that can't be read."""
    loaders: dict[str, Callable[[Path], Mailman | Postoffice | Worker]] = {
        "postoffice": load_postoffice,
        "worker": load_worker,
        "mailman": load_mailman,
    }
    met = set()
    for daemon, load in loaders.items():
        file = config_dir / f"{daemon}.yml"
        if (only and daemon != only) or not file.exists():
            continue
        try:
            spool = load(file).spool
        except ConfigError as error:
            yield error
            continue
        if spool not in met:
            met.add(spool)
            yield Source(daemon, spool)


@click.group(invoke_without_command=True)
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Recipients to show.")
@click.option("--after", type=click.IntRange(0), default=0, help="Go on where an earlier list ended.")
@click.option(
    "--spool", "only", type=click.Choice(["postoffice", "worker", "mailman"]), help="Only the spool of this daemon."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_context
def queue(context: click.Context, limit: int, after: int, only: str | None, as_json: bool) -> None:
    """What waits in the queue: for whom, why, and when it is tried next."""
    if context.invoked_subcommand:
        return
    now = time.time()

    def page(look: Look) -> queue_view.Page:
        rows, more = look.queued(limit=limit, after=after)
        return queue_view.Page(rows, look.pauses(now), more)

    found, failed = _each(context.obj, only, page)
    if as_json:
        click.echo(json.dumps([_named(one, queue_view.page_json(part)) for one, part in found], indent=2))
    else:
        for number, (one, part) in enumerate(found):
            lines = queue_view.page_lines(one.daemon, one.spool, part, now)
            click.echo("\n".join([""] * (number > 0) + lines))
    raise SystemExit(1 if failed else 0)


@queue.command()
@click.argument("queue_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_obj
def show(config_dir: Path, queue_id: str, as_json: bool) -> None:
    """One message: its recipients that still wait, and all that happened to it in the last 30 days."""
    wanted = queue_id.strip().upper()
    if not queueid.is_valid(wanted):
        raise click.ClickException(f"{clean(queue_id)!r} is no queue ID: they have 26 characters, like {queueid.new()}")

    def message(look: Look) -> tuple[list[QueuedRecipient], list[HistoryLine]]:
        return _all_of(look, wanted), look.history(wanted)

    found, failed = _each(config_dir, None, message)
    known = [(one, part) for one, part in found if any(part)]
    if as_json:
        click.echo(json.dumps([_named(one, queue_view.message_json(*part)) for one, part in known], indent=2))
    elif known:
        for number, (one, (queued, history)) in enumerate(known):
            lines = queue_view.message_lines(one.daemon, wanted, queued, history, time.time())
            click.echo("\n".join([""] * (number > 0) + lines))
    if not known:
        looked = " or ".join(clean(one.spool) for one, _ in found) or "any spool"
        click.echo(f"{wanted} is not in {looked}; what happened is kept for 30 days", err=True)
    raise SystemExit(1 if failed or not known else 0)


def _all_of(look: Look, queue_id: str) -> list[QueuedRecipient]:
    rows: list[QueuedRecipient] = []
    after = 0
    while True:
        page, after = look.queued(queue_id, limit=_PAGE, after=after)
        rows += page
        if not after:
            return rows


def _each(config_dir: Path, only: str | None, read: Callable[[Look], Any]) -> tuple[list[tuple[Source, Any]], bool]:
    """What `read` makes of each spool, and whether one of them couldn't be read (which has been said then)."""
    found: list[tuple[Source, Any]] = []
    failed = False
    nothing = True
    for one in sources(config_dir, only):
        nothing = False
        try:
            if isinstance(one, ConfigError):
                raise one
            with open_look(one.spool) as look:
                found.append((one, read(look)))
        except (ConfigError, SpoolTrouble) as error:
            click.echo(str(error), err=True)
            failed = True
    if nothing:
        files = f"{only}.yml" if only else "postoffice.yml, worker.yml or mailman.yml"
        click.echo(f"{clean(str(config_dir))}: there is no {files} here, which would name the spool", err=True)
    return found, failed or nothing


def _named(source: Source, content: dict[str, Any]) -> dict[str, Any]:
    return {"daemon": source.daemon, "spool": source.spool, **content}
