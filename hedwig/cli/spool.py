"""`hedwig spool`: on a host that sends, what waits there at mailman, and why; what is done with it; and the tidying of
every spool of this host.

Whether the postoffice can be reached is told from what was last said of the mail that waits: a reply came from the
postoffice, anything else says why there was none.
"""

import re
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hedwig.cli import desks
from hedwig.cli.carry_out import Wish, carry_out
from hedwig.cli.filtering import QueueId
from hedwig.cli.given import REASON
from hedwig.cli.queue_view import Page, page_lines
from hedwig.cli.salvage import salvage
from hedwig.cli.terminal import clean, counted, due, echo_json, indented, octets, span
from hedwig.config import ConfigError, load_mailman
from hedwig.spool.operate import Act, Filter, Telling
from hedwig.spool.reasons import IN_DOUBT, Reason
from hedwig.spool.words import POSTOFFICE, SpoolTrouble, State

_REASONS = 20
_REPLY = re.compile(r"[245][0-9]{2} ")
_REFUSED = re.compile(r"the postoffice answered (?!502|504)[0-9]{3}\b")  # those two are nginx's own: nobody behind it


@click.group(invoke_without_command=True)
@click.option("--limit", type=click.IntRange(0, 100_000), default=20, show_default=True, help="Recipients to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_context
def spool(context: click.Context, limit: int, as_json: bool) -> None:
    """What waits on this host, at mailman, and why; and whether the postoffice can be reached."""
    if context.invoked_subcommand:
        return
    with desks.the_desk(context.obj, "mailman") as desk:
        try:
            why = desk.reasons(_REASONS)
            rows, more = desk.listed(Filter(), max(limit, 1))
        except SpoolTrouble as error:
            raise click.ClickException(desks.clean_lines(str(error))) from None
    file = load_mailman(context.obj / "mailman.yml")
    reached, words = postoffice_by(why, file.postoffice)
    if as_json:
        told = {"spool": file.spool, "reached": reached, "words": words, "reasons": why, "queued": rows[:limit]}
        echo_json(told)
        return
    now = time.time()
    click.echo("\n".join([words, *_reason_lines(why, now)]))
    if rows and limit:
        click.echo("\n" + "\n".join(page_lines("mailman", file.spool, Page(rows, [], [], more), now)))


def postoffice_by(why: list[Reason], url: str) -> tuple[bool | None, str]:
    """Whether the postoffice answers, None where nothing tells, and that in a sentence. Pure."""
    name = clean(url) or "the postoffice"
    if not url:
        return False, "No postoffice is configured: mail is kept here until `hedwig setup` names one."
    offered = [one for one in why if one.words and one.state is not State.HELD]
    if not why:
        return None, f"Nothing waits here: {name} has taken everything."
    if not offered:
        return None, f"Nothing tells yet whether {name} can be reached: what waits was not offered, or is held."
    latest = max(offered, key=lambda one: one.due)
    if _REPLY.match(latest.words):
        return True, f"{name} answers, and does not take some of it now."
    if _REFUSED.match(latest.words):
        return True, f"{name} is reached, and takes nothing from this host now: {clean(latest.words)}"
    return False, f"{name} can't be reached: {clean(latest.words)}"


def _reason_lines(why: list[Reason], now: float) -> list[str]:
    lines = []
    for one in why:
        ready = "waiting" if one.words else "not offered yet"
        state = {State.READY: ready, State.DEFERRED: "waiting", State.ACTIVE: "on the way"}
        doubt = f", {IN_DOUBT}" if one.in_doubt else ""
        next_ = f", next offer {due(one.due, now)}" if one.state is State.DEFERRED else ""
        lines.append(
            f"    {counted(one.deliveries, 'message', 'messages')} {state.get(one.state, one.state.value)}{doubt}, "
            f"{octets(one.octets)}, the oldest {span(now - one.oldest)} old{next_}"
        )
        lines += indented(clean(one.words), 8)
    return lines


def _order_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed((
        click.argument("ids", metavar="[ID]...", nargs=-1, type=QueueId()),
        click.option("--all", "everything", is_flag=True, help="All that it may be done with."),
        REASON,
        click.option("--dry-run", is_flag=True, help="Only say what would be touched."),
        click.option("--yes", is_flag=True, help="Don't ask."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON; without --yes nothing is changed."),
    )):  # fmt: skip
        command = option(command)
    return command


@spool.command()
@_order_options
@click.pass_obj
def retry(config_dir: Path, **given: Any) -> None:
    """Offer messages to the postoffice at once that were put off."""
    _run(config_dir, Act.RETRY, given)


@spool.command()
@_order_options
@click.pass_obj
def release(config_dir: Path, **given: Any) -> None:
    """Offer held messages to the postoffice again."""
    _run(config_dir, Act.RELEASE, given)


@spool.command()
@_order_options
@click.option("--dsn/--no-dsn", "dsn", default=False, help="Send a bounce to each sender, or tell nobody (default).")
@click.pass_obj
def drop(config_dir: Path, dsn: bool, **given: Any) -> None:
    """End messages that wait here: they are not offered any more. It can't be undone.

    Those in doubt the postoffice may have, and deliver, all the same: an answer of it was lost.
    """
    _run(config_dir, Act.DROP, given, dsn)


def _run(config_dir: Path, act: Act, given: dict[str, Any], dsn: bool = False) -> None:
    ids, everything = tuple(given.pop("ids")), given.pop("everything")
    if everything == bool(ids):
        raise click.UsageError("--all goes without IDs" if everything else "say which: IDs, or --all")
    with desks.the_desk(config_dir, "mailman") as desk:
        mailman = load_mailman(config_dir / "mailman.yml")
        telling = Telling(mailman.fqdn or "localhost", mailman.expire, POSTOFFICE) if dsn else None
        carry_out(desk, Filter(ids=ids), Wish(act, telling=telling, **given))


@spool.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def tidy(config_dir: Path, as_json: bool) -> None:
    """Tidy every spool of this host, in small steps and without stopping anything.

    The daemons do the same in between; hedwig-retention.timer has it done each day, also where they are stopped.
    """
    from hedwig.spool.tidy import tidy as tidy_up

    done, failed = [], False
    for one in desks.sources(config_dir):
        try:
            if isinstance(one, ConfigError):
                raise one
            if not Path(one.spool).exists():
                continue  # its daemon never ran
            done.append((one, tidy_up(one.spool)))
        except (ConfigError, SpoolTrouble) as error:
            click.echo(desks.clean_lines(str(error)), err=True)
            failed = True
    if as_json:
        echo_json([desks.named(one, asdict(result)) for one, result in done])
    for one, result in () if as_json else done:
        dropped = f", the history of {result.day} dropped" if result.day else ""
        size = (
            f"{octets(result.before)}, now {octets(result.after)}"
            if result.before != result.after
            else octets(result.after)
        )
        click.echo(f"{one.daemon} ({clean(one.spool)}): {counted(result.steps, 'step', 'steps')}, {size}{dropped}")
        if result.unmoved:
            click.echo(f"{result.unmoved} rows of history still wait to be moved: see the journal", err=True)
            failed = True
    raise SystemExit(1 if failed else 0)


spool.add_command(salvage)
