"""`hedwig queue retry | hold | release | drop`: what is done with mail that waits.

Each says first what it would touch, and asks. Then it goes on lot by lot, each in a transaction of its own, with a rest
as long between them, so that mail flows meanwhile; broken off (Ctrl-C: behind the lot under way) what is done is said,
and the rest is as it was. What a worker is sending is left alone and named. Who did it and why stands in the history of
each letter and in the journal.
"""

import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hedwig.cli import desks, journal, queue_view
from hedwig.cli.breaking import Breaking
from hedwig.cli.filtering import QueueId, filter_of, filter_options
from hedwig.cli.terminal import counted, echo_json
from hedwig.cli.who import who
from hedwig.config import ConfigError, load_worker
from hedwig.settings import Worker
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.operate import Act, Filter, Lot, Order, Tally, Telling
from hedwig.spool.words import Kind, SpoolTrouble

_DONE = {Act.RETRY: "due now", Act.HOLD: "held", Act.RELEASE: "released", Act.DROP: "dropped"}
_KIND = {Act.RETRY: Kind.RETRY, Act.HOLD: Kind.HELD, Act.RELEASE: Kind.RELEASED, Act.DROP: Kind.DROPPED}
_NONE = {
    Act.RETRY: "nothing that fits is deferred (what is held is released by `hedwig queue release`)",
    Act.HOLD: "nothing that fits waits",
    Act.RELEASE: "nothing that fits is held (a paused client or site goes on by `hedwig queue resume`)",
    Act.DROP: "nothing that fits waits",
}
_MOST_REST = 1.0  # seconds between two lots


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator said besides what is meant."""

    act: Act
    reason: str
    yes: bool
    dry_run: bool
    as_json: bool
    telling: Telling | None = None

    @property
    def only_look(self) -> bool:
        """Whether nothing is to be changed: a program that reads JSON is not asked."""
        return self.dry_run or (self.as_json and not self.yes)


def _order_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed((
        click.argument("ids", metavar="[ID]...", nargs=-1, type=QueueId()),
        filter_options,
        click.option("--all", "everything", is_flag=True, help="All that waits."),
        click.option("--reason", default="", metavar="TEXT", help="Why; for the history and the journal."),
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
    _run(config_dir, Act.RETRY, given)


@click.command()
@_order_options
@click.pass_obj
def hold(config_dir: Path, **given: Any) -> None:
    """Hold mail that waits: it is not tried and does not expire until it is released."""
    _run(config_dir, Act.HOLD, given)


@click.command()
@_order_options
@click.pass_obj
def release(config_dir: Path, **given: Any) -> None:
    """Send held mail, whatever held it. What was held in doubt may arrive twice.

    Mail that is past its expiry has a day more, but never past a deadline that its sender has set.
    """
    _run(config_dir, Act.RELEASE, given)


@click.command()
@_order_options
@click.option("--dsn/--no-dsn", "dsn", default=None, help="Send a bounce to each sender, or tell nobody.")
@click.pass_obj
def drop(config_dir: Path, dsn: bool | None, **given: Any) -> None:
    """End mail that waits: it is not delivered, and its body is deleted. It can't be undone."""
    if dsn is None and given["yes"]:
        raise click.UsageError("with --yes, say whether senders are told: --dsn or --no-dsn")
    if dsn is None and not (given["as_json"] or given["dry_run"]) and sys.stdin.isatty():
        dsn = click.confirm("Send a bounce to each sender?", default=False)
    _run(config_dir, Act.DROP, given, telling_of(config_dir) if dsn else None)


def telling_of(config_dir: Path) -> Telling:
    """How this host names itself in bounces, as its workers do."""
    file = config_dir / "worker.yml"
    try:
        worker = load_worker(file) if file.exists() else Worker()
    except ConfigError as error:
        raise click.ClickException(desks.clean_lines(str(error))) from None
    return Telling(worker.ehlo or socket.getfqdn(), worker.retry.expire, most=worker.reports_per_hour)


def _run(config_dir: Path, act: Act, given: dict[str, Any], telling: Telling | None = None) -> None:
    ids, everything = given.pop("ids"), given.pop("everything")
    wanted = filter_of(given, tuple(ids))
    if everything != (wanted == Filter()):
        raise click.UsageError(
            "--all goes without IDs and options" if everything else "say which: IDs, options, or --all"
        )
    with desks.the_desk(config_dir, "postoffice", "worker") as desk:
        carry_out(desk, wanted, Wish(act, telling=telling, **given))


def carry_out(desk: SqliteDesk, wanted: Filter, wish: Wish) -> None:
    """Look, say, ask, do, say. Ends the command: 1 where there was nothing to do, or something was left."""
    try:
        tally = desk.tally(wanted, wish.act)
        if not wish.as_json:
            _announce(tally, wish)
        if not tally.recipients:
            raise SystemExit(1)
        if wish.only_look or not _agreed(wish, tally):
            if wish.as_json:
                echo_json(_json(wish, tally, None))
            return
        sum_ = _Sum(wish, tally)
        try:
            _work(desk, wanted._replace(last=tally.last), wish, sum_)
        except KeyboardInterrupt:
            sum_.broken_off = True
        sum_.end()
    except SpoolTrouble as error:
        raise click.ClickException(desks.clean_lines(str(error))) from None
    raise SystemExit(1 if sum_.missed or sum_.broken_off else 0)


def _announce(tally: Tally, wish: Wish) -> None:
    now = time.time()
    if tally.recipients:
        will = "would be" if wish.only_look else "will be"
        click.echo(f"{_counts(tally.recipients, tally.messages)} {will} {_DONE[wish.act]}:")
        for line in queue_view.row_lines(tally.first, now):
            click.echo(line)
        if tally.recipients > len(tally.first):
            click.echo(f"    and {tally.recipients - len(tally.first):,} more")
    else:
        click.echo(_NONE[wish.act], err=True)
    if tally.busy:
        click.echo(f"{counted(tally.busy, 'recipient is', 'recipients are')} being sent now and left alone:")
        for line in queue_view.row_lines(tally.busy_first, now):
            click.echo(line)


def _agreed(wish: Wish, tally: Tally) -> bool:
    if wish.yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is here to be asked: say --yes, or --dry-run to look only")
    told = (
        "" if wish.act is not Act.DROP else ", with a bounce to each sender" if wish.telling else ", and nobody is told"
    )
    return click.confirm(f"{wish.act.value.capitalize()} {counted(tally.recipients, 'recipient', 'recipients')}{told}?")


def _work(desk: SqliteDesk, wanted: Filter, wish: Wish, sum_: "_Sum") -> None:
    order = Order(wish.act, who(), wish.reason, wish.telling)
    after, breaking = "", Breaking()
    with breaking.work():
        while True:
            began = time.monotonic()
            with breaking.step():
                lot = desk.act(order, wanted, after)
                took = time.monotonic() - began
                sum_.add(lot)
            after = lot.after
            if not after:
                return
            time.sleep(min(took, _MOST_REST))


class _Sum:
    """What has been done, shown while it grows."""

    def __init__(self, wish: Wish, tally: Tally) -> None:
        self._wish = wish
        self._tally = tally
        self.recipients = self.messages = self.missed = self.reports = 0
        self.broken_off = False
        self._last_id = ""
        self._shown = sys.stderr.isatty() and not wish.as_json

    def add(self, lot: Lot) -> None:
        """One lot is on disk."""
        ids = list(dict.fromkeys(row.queue_id for row in lot.touched))
        if ids:
            journal.tell(
                _KIND[self._wish.act],
                _counts(len(lot.touched), len(ids)) + f" {_DONE[self._wish.act]}",
                self._wish.reason,
                ids,
            )
            self.messages += len(ids) - (ids[0] == self._last_id)
            self._last_id = ids[-1]
        self.recipients += len(lot.touched)
        self.missed += lot.missed
        self.reports += len(lot.reports)
        if self._shown:
            click.echo(f"\r{self.recipients:,} of {self._tally.recipients:,} ", nl=False, err=True)

    def end(self) -> None:
        """Say what was done."""
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)
        if self._wish.as_json:
            echo_json(_json(self._wish, self._tally, self))
            return
        verb = "is" if self.recipients == 1 else "are"
        click.echo(f"{_counts(self.recipients, self.messages)} {verb} {_DONE[self._wish.act]}.")
        if self._wish.telling:
            click.echo(f"{counted(self.reports, 'bounce is', 'bounces are')} on the way to the senders.")
        if self.missed:
            click.echo(
                f"{counted(self.missed, 'recipient', 'recipients')} changed meanwhile and were left alone.", err=True
            )
        if self.broken_off:
            click.echo("Broken off: the rest is as it was.", err=True)


def _counts(recipients: int, messages: int) -> str:
    return f"{counted(recipients, 'recipient', 'recipients')} of {counted(messages, 'message', 'messages')}"


def _json(wish: Wish, tally: Tally, done: _Sum | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "act": wish.act.value,
        "recipients": tally.recipients,
        "messages": tally.messages,
        "first": tally.first,
        "busy": tally.busy,
        "busy_first": tally.busy_first,
    }
    if done is not None:
        result["done"] = {
            "recipients": done.recipients,
            "messages": done.messages,
            "missed": done.missed,
            "reports": done.reports,
            "broken_off": done.broken_off,
        }
    return result
