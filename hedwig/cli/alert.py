"""`hedwig alert test | list | failed`: what hedwig calls its operator for, by command and webhook (alerts.yml).

`test` lays a record into the folder, as a daemon would, and watches what hedwig-alerts makes of it. `list` reads what
stands and what was told. `failed` is for systemd: hedwig-failed@.service runs it where a unit of hedwig's has failed.
"""

import os
import socket
import time
from pathlib import Path

import click

from hedwig import log, queueid
from hedwig.alerts.ledger import Ledger
from hedwig.alerts.notice import Notice, titles
from hedwig.alerts.store import Store
from hedwig.bell import Edge, Kind, Record, new_folder
from hedwig.bell.bell import write_record
from hedwig.bell.kinds import FORGOTTEN
from hedwig.cli.filtering import Duration
from hedwig.cli.terminal import clean, echo_json, moment, table, trimmed
from hedwig.cli.who import who
from hedwig.config import ConfigError, load_alerts
from hedwig.settings import Alerts

_LOOK_EVERY = 0.2  # seconds
# What says itself that it runs again (hedwig/cli/daemon.py).
_DAEMONS = ("hedwig-alerts.", "hedwig-mailman.", "hedwig-postoffice.", "hedwig-worker@")


@click.group()
def alert() -> None:
    """What hedwig calls its operator for, without mail: alerts.yml(5)."""


@alert.command()
@click.option("--wait", "seconds", type=Duration(), default="30s", show_default=True, help="How long to watch.")
@click.pass_obj
def test(config_dir: Path, seconds: float) -> None:
    """Send a test alert by all ways of alerts.yml, and say what came back.

    Exit status: 0 when each took it.
    """
    settings = _settings(config_dir)
    if not settings.command and not settings.webhook.url:
        file = clean(str(config_dir / "alerts.yml"))
        raise click.ClickException(f"{file} names neither a command nor a webhook: nobody would be told")
    now, name = time.time(), queueid.new()
    host = socket.getfqdn()
    text = f"a test by {who()} on {host}"
    record = Record(name, now, "hedwig alert test", Edge.HAPPENED, Kind.TEST, host, text)
    folder = new_folder(settings.folder)
    try:
        write_record(folder, record)
    except OSError as error:
        raise click.ClickException(f"{clean(str(folder))} takes nothing: {error.strerror}") from None
    said, notice = _watch(Store(settings.folder), name, time.monotonic() + seconds)
    if notice is None:
        (folder / f"{name}.json").unlink(missing_ok=True)
        raise click.ClickException("hedwig-alerts has not taken it; see: systemctl status hedwig-alerts")
    for way, told in notice.ways.items():
        if way not in said:
            why = f" (so far: {clean(told.words)})" if told.words else ""
            click.echo(f"{way}: no answer within {seconds:g} s{why}; it is tried on", err=True)
    if any(told.state != "done" for told in notice.ways.values()):
        raise SystemExit(1)


def _watch(store: Store, name: str, until: float) -> tuple[set[str], Notice | None]:
    """Say what each way answered first; which did, and the notice, if one was made."""
    said: set[str] = set()
    notice = None
    while time.monotonic() < until:
        notice = store.one(name) or notice
        for way, told in notice.ways.items() if notice else ():
            if told.tries and way not in said:
                said.add(way)
                fine = told.state == "done"
                click.echo(f"{way}: {'taken' if fine else 'NOT taken'}: {clean(told.words)}", err=not fine)
        if notice and said >= notice.ways.keys():
            break
        time.sleep(_LOOK_EVERY)
    return said, notice


@alert.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Notices to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_obj
def list_(config_dir: Path, limit: int, as_json: bool) -> None:
    """What stands, and what was told to whom, newest last."""
    settings = _settings(config_dir)
    store, ledger = Store(settings.folder), Ledger()
    try:
        any(store.folder.iterdir())
    except FileNotFoundError:
        raise click.ClickException(f"{clean(settings.folder)} is not there: hedwig-alerts has never run") from None
    except OSError as error:
        raise click.ClickException(f"{clean(settings.folder)} can't be read: {error.strerror}") from None
    store.load(ledger)
    standing = sorted(ledger.standing, key=lambda one: one.since)
    told = store.kept()[-limit:]
    if as_json:
        echo_json({"standing": standing, "told": told})
        return
    if standing:
        click.echo("Stands:")
        rows = [(moment(one.since), one.kind, clean(one.subject), clean(one.text)) for one in standing]
        _lines([("SINCE", "KIND", "ABOUT", "WHAT"), *rows])
    else:
        click.echo("Nothing stands.")
    if told:
        click.echo("\nTold:")
        _lines([("AT", "KIND", "STATE", "ABOUT", "TO", "WHAT"), *map(_row, told)])


def _row(one: Notice) -> tuple[str, ...]:
    news = one.news
    ways = ", ".join(f"{way} {told.state}" for way, told in one.ways.items())
    ways = ways or ("withheld" if news.get("withheld") else "nobody")
    what = clean(str(news["text"])) or titles(str(news["kind"]))[1]
    return moment(one.at), clean(str(news["kind"])), clean(str(news["state"])), clean(str(news["subject"])), ways, what


def _lines(rows: list[tuple[str, ...]]) -> None:
    for line in table(rows):
        click.echo(trimmed(line))


@alert.command()
@click.argument("unit")
@click.pass_obj
def failed(config_dir: Path, unit: str) -> None:
    """For hedwig-failed@.service: a unit has failed. Systemd says in MONITOR_* how (systemd.exec(5))."""
    how = {name: os.environ.get(f"MONITOR_{name}", "") for name in ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS")}
    ended = f"{how['SERVICE_RESULT'] or 'failed'} ({how['EXIT_CODE'] or '?'} {how['EXIT_STATUS'] or '?'})"
    text = f"{unit} has failed: {ended}; see: journalctl -u {unit}"
    log.start("hedwig-failed")
    log.say(log.Level.ERROR, text)
    if not (config_dir / "alerts.yml").exists():
        return
    lapse = 0.0 if unit.startswith(_DAEMONS) else FORGOTTEN
    facts = {name.lower(): value for name, value in how.items() if value}
    now = time.time()
    record = Record(queueid.new(now), now, "hedwig-failed", Edge.BEGINS, Kind.UNIT_FAILED, unit, text, lapse, facts)
    try:
        folder = load_alerts(config_dir / "alerts.yml").folder
    except ConfigError:
        folder = Alerts().folder
    try:
        write_record(new_folder(folder), record)
    except OSError as error:
        log.say(log.Level.ERROR, f"{folder} takes no alert of it: {error.strerror}")
        raise SystemExit(1) from None


def _settings(config_dir: Path) -> Alerts:
    try:
        return load_alerts(config_dir / "alerts.yml")
    except ConfigError as error:
        raise click.ClickException("\n".join(clean(str(problem)) for problem in error.problems)) from None
