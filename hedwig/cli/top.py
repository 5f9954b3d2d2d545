"""`hedwig top`: where the backlog lies, how it goes there, and what is wrong."""

import math
import time
from pathlib import Path
from typing import Any

import click

from hedwig.cli import desks
from hedwig.cli.queue_view import stop_lines
from hedwig.cli.terminal import clean, echo_json, moment, span, table, trimmed
from hedwig.spool.operate import Backlog, SiteRow, Stop, StopKind
from hedwig.spool.words import SpoolTrouble

_HEAD = ("SITE", "WAITING", "SENDING", "HELD", "OLDEST", "SENT/MIN", "DEFERRED/MIN", "LAST ERROR")


class _Every(click.FloatRange):
    """Seconds; "nan" is within every range, and none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return seconds


@click.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Sites to show.")
@click.option("--watch", is_flag=True, help="Again every few seconds, until Ctrl-C.")
@click.option("--every", type=_Every(0.5, 3600), default=2.0, show_default=True, help="Seconds, with --watch.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_obj
def top(config_dir: Path, limit: int, watch: bool, every: float, as_json: bool) -> None:
    """The receivers (sites) with most mail waiting: how old it is, how it goes, and the last error.

    A letter counts once for each recipient domain, however many recipients it has there (up to 500).
    """
    with desks.the_desk(config_dir, "postoffice", "worker") as desk:
        try:
            while True:
                now = time.time()
                backlog, stops = desk.backlog(limit, now), desk.stops(now)
                if as_json:
                    echo_json({**backlog._asdict(), "stops": stops})
                else:
                    if watch:
                        click.clear()
                    click.echo("\n".join(lines_of(backlog, stops, now)))
                if not watch:
                    return
                time.sleep(every)
        except KeyboardInterrupt:
            if not watch:
                raise
        except SpoolTrouble as error:
            raise click.ClickException(desks.clean_lines(str(error))) from None


def lines_of(backlog: Backlog, stops: list[Stop], now: float) -> list[str]:
    """The whole picture for people. Pure."""
    lately = f"; {_rates(backlog)} in the last {span(backlog.seconds)}" if backlog.seconds else ""
    lines = [
        f"{moment(now)}  {backlog.waiting:,} deliveries wait, {backlog.active:,} are being sent, "
        f"{backlog.held:,} are held{lately}"
    ]
    if stops:
        lines += ["", "Paused by an operator:", *stop_lines(stops, now)]
    if backlog.sites:
        paused = {stop.name for stop in stops if stop.kind is StopKind.SITE}
        lines += ["", *table([_HEAD, *(_cells(row, paused, now) for row in backlog.sites)], right=range(1, 7))]
    return [trimmed(line) for line in lines]


def _rates(backlog: Backlog) -> str:
    rates = ((backlog.delivered, "delivered"), (backlog.deferred, "deferred"), (backlog.failed, "failed"))
    return ", ".join(f"{_rate(number)} a minute {word}" for number, word in rates)


def _cells(row: SiteRow, paused: set[str], now: float) -> tuple[str, ...]:
    site = f"{clean(row.site)} (paused)" if row.site in paused else clean(row.site)
    oldest = span(now - row.oldest) if row.oldest else ""
    error = (
        f"{clean(row.last_error)} ({span(now - row.last_error_at)} ago)" if row.last_error_at else clean(row.last_error)
    )
    counts = tuple(f"{number:,}" if number else "" for number in (row.waiting, row.active, row.held))
    return (site, *counts, oldest, _rate(row.delivered), _rate(row.deferred), error)


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 or not number else f"{number:.1f}"
