"""`hedwig key add | list | expire | revoke`: which hosts may hand in mail at this postoffice.

A key is 256 random bits. It is printed once, as the very lines for the other host's mailman.yml, on stdout; all else
goes to stderr. What is kept is its SHA-256, in CONFIGDIR/clients.d/FQDN.yml: a file that is replaced atomically, of
root and group hedwig, mode 0640. A running postoffice takes a change at once. Adding to a host that has keys adds one
more, so that keys can be rotated without a gap, and `expire` gives the old one its last day. What an admin wrote into
such a file stays (clientfile.py).
"""

import hashlib
import secrets
import socket
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path

import click

from hedwig.cli import clientfile
from hedwig.cli.files import changing, replace, trouble
from hedwig.cli.language import told_of
from hedwig.cli.nginx import CONF, Nginx
from hedwig.cli.postoffice_url import PostofficeUrl, postoffice_url
from hedwig.cli.terminal import clean, counted, table
from hedwig.config import ConfigError, Unfit, host_name, load_client, load_postoffice
from hedwig.config.clientkinds import expiry
from hedwig.config.document import read_text
from hedwig.config.places import http_url
from hedwig.settings import ClientKey, Postoffice

_SHORT = 8


class Fqdn(click.ParamType):
    """A host's name on the command line."""

    name = "FQDN"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """In lower case, or a usage error."""
        try:
            return host_name(value)
        except Unfit as error:
            self.fail(clean(told_of(error)), param, ctx)


class LastDay(click.ParamType):
    """When a key ends, on the command line: a day, or a time with its zone."""

    name = "DAY"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is written into the file, or a usage error."""
        try:
            if expiry(value) <= time.time():
                self.fail(f"{clean(value)} has passed already", param, ctx)
        except Unfit as error:
            self.fail(clean(str(error)), param, ctx)
        return value


class Url(click.ParamType):
    """An http URL on the command line."""

    name = "URL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """With its slash at the end, or a usage error."""
        try:
            return http_url(value)
        except Unfit as error:
            self.fail(clean(told_of(error)), param, ctx)


def hash_of(key: str) -> str:
    """What is kept of a key."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


@click.group()
def key() -> None:
    """Which hosts may hand in mail here: add, list or revoke their keys."""


@key.command()
@click.argument("fqdn", type=Fqdn())
@click.option("--url", type=Url(), help="The postoffice's URL as the other host reaches it.")
@click.option("--expires", type=LastDay(), help="Its last day, like 2027-01-31.")
@click.option("--nginx-dir", type=click.Path(path_type=Path), default=CONF, hidden=True)
@click.pass_obj
def add(config_dir: Path, fqdn: str, url: str | None, expires: str | None, nginx_dir: Path) -> None:
    """Make a key for the host FQDN, and print the lines for its mailman.yml.

    The key is shown this once; only its hash is kept. A host may have several keys, so that they can be rotated.
    """
    reached = PostofficeUrl(url) if url else _url(config_dir, Nginx(nginx_dir))
    new = secrets.token_urlsafe(32)
    hashed = hash_of(new)
    file = config_dir / "clients.d" / f"{fqdn}.yml"
    with changing(file.parent):
        text = client_text(file)
        text = clientfile.with_key(file, text, hashed, time.strftime("%Y-%m-%d"), expires or "")
        replace(file, text)
        count = len(clientfile.keys_in(file, text))
    click.echo(f"Put these lines into /etc/hedwig/mailman.yml on {fqdn}:\n", err=True)
    for line in textwrap.wrap(reached.remark, 100):
        click.echo(f"# {line}")
    click.echo(f"fqdn: {fqdn}\npostoffice: {reached.url}\nkey: {new}")
    if count > 1:
        click.echo(
            f"\n{fqdn} has {count} keys now. When it uses the new one: hedwig key revoke {fqdn} --id OLD, or give that "
            f"a last day: hedwig key expire {fqdn} DAY --id OLD (hedwig key list shows the ids)",
            err=True,
        )


@key.command("list")
@click.pass_obj
def list_(config_dir: Path) -> None:
    """List the hosts that may hand in mail, with the number and ids of their keys, and when these end."""
    directory = config_dir / "clients.d"
    try:
        files = sorted(file for file in directory.iterdir() if file.suffix == ".yml" and file.name[0] != ".")
    except FileNotFoundError:
        files = []
    except OSError as error:
        raise trouble("read", directory, error) from None
    rows, faults = [], []
    for file in files:
        try:
            client = load_client(file)
        except ConfigError as error:
            faults.append(error)
            rows.append((clean(file.stem), "a fault", "", clean(str(file))))
            continue
        ids = ", ".join(_told(each) for each in client.key) if _ends(client.key) else _ids(client.key)
        rows.append((client.fqdn, counted(len(client.key), "key", "keys"), ids, clean(str(file))))
    for line in table(rows) if rows else ["No host has a key yet: hedwig key add FQDN"]:
        click.echo(line)
    for fault in faults:
        click.echo(str(fault), err=True)
    if faults:
        raise SystemExit(1)


@key.command()
@click.argument("fqdn", type=Fqdn())
@click.argument("day", type=LastDay(), required=False)
@click.option("--id", "short", metavar="ID", help="The key with this id (see `hedwig key list`).")
@click.option("--never", is_flag=True, help="Take its end away.")
@click.pass_obj
def expire(config_dir: Path, fqdn: str, day: str | None, short: str | None, never: bool) -> None:
    """Give a key of the host FQDN its last DAY, like 2027-01-31, after which it is refused.

    Where the host has several keys, --id says which.
    """
    if bool(day) == never:
        raise click.UsageError("say DAY, like 2027-01-31, or --never")
    file = config_dir / "clients.d" / f"{fqdn}.yml"
    chosen = _chosen(file, fqdn, short)
    if len(chosen) > 1:
        raise click.ClickException(f"{fqdn} has {len(chosen)} keys: say which by --id ({_ids(chosen)})")
    with changing(file.parent):
        replace(file, clientfile.with_expiry(file, client_text(file), chosen[0].hash, day or ""))
    (left,) = _chosen(file, fqdn, chosen[0].hash)
    click.echo(f"The key {_short(left.hash)} of {fqdn} is valid {_until(left) or 'without end'}.")


@key.command()
@click.argument("fqdn", type=Fqdn())
@click.option("--id", "short", metavar="ID", help="Only the key with this id (see `hedwig key list`).")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def revoke(config_dir: Path, fqdn: str, short: str | None, yes: bool) -> None:
    """Take the keys of the host FQDN away: all of them, or one by its id. It is refused at once."""
    file = config_dir / "clients.d" / f"{fqdn}.yml"
    gone = _chosen(file, fqdn, short)
    if not yes:
        click.confirm(f"Revoke {counted(len(gone), 'key', 'keys')} of {fqdn} ({_ids(gone)})?", abort=True)
    with changing(file.parent):
        text = clientfile.without_keys(file, client_text(file), [each.hash for each in gone])
        left = len(clientfile.keys_in(file, text))
        if text:
            replace(file, text)
        else:
            file.unlink()
    rest = f"{counted(left, 'key is', 'keys are')} left." if left else "It can hand in no mail now."
    click.echo(f"Revoked {counted(len(gone), 'key', 'keys')} of {fqdn}. {rest}")


def _chosen(file: Path, fqdn: str, short: str | None) -> tuple[ClientKey, ...]:
    """The host's keys, or the one whose id begins so."""
    if not file.exists():
        raise click.ClickException(f"{fqdn} has no keys here: there is no {file}")
    try:
        keys = load_client(file).key
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    if short is None:
        chosen = keys
    else:
        wanted = short.lower().removeprefix("sha256:")
        chosen = tuple(each for each in keys if wanted and each.hash.removeprefix("sha256:").startswith(wanted))
        if len(chosen) > 1:
            raise click.ClickException(f"{clean(short)} fits {len(chosen)} keys of {fqdn}: write more of the id")
    if not chosen:
        raise click.ClickException(f"{fqdn} has no such key; its ids: {_ids(keys) or 'none'}")
    return chosen


def _ids(keys: Iterable[ClientKey]) -> str:
    return " ".join(_short(each.hash) for each in keys)


def _ends(keys: Iterable[ClientKey]) -> bool:
    return any(each.expires for each in keys)


def _told(one: ClientKey) -> str:
    return f"{_short(one.hash)} {_until(one)}".rstrip()


def _until(one: ClientKey) -> str:
    """Such as "until 2027-02-01 00:00", in this host's time, or that it is over; "" where it has no end."""
    if not one.expires:
        return ""
    words = "until" if one.expires > time.time() else "expired"
    return f"{words} {time.strftime('%Y-%m-%d %H:%M', time.localtime(one.expires))}"


def _short(hashed: str) -> str:
    return hashed.removeprefix("sha256:")[:_SHORT]


def _url(config_dir: Path, nginx: Nginx) -> PostofficeUrl:
    """That of the site that `hedwig open` made; else what postoffice.yml suggests, or without the file its defaults."""
    file = config_dir / "postoffice.yml"
    settings = Postoffice()
    if file.exists():
        try:
            settings = load_postoffice(file)
        except ConfigError as error:
            click.echo(f"{error}\n{file} is broken: the URL below is a guess", err=True)
    opened = nginx.open_url([one.host for one in settings.listen if not one.port])
    return PostofficeUrl(opened) if opened else postoffice_url(settings.listen, socket.getfqdn())


def client_text(file: Path) -> str:
    """The file's text, "" where there is none. One with faults is not touched."""
    if not file.exists():
        return ""
    try:
        load_client(file)
        return read_text(file)
    except ConfigError as error:
        raise click.ClickException(f"{error}\nNothing was changed.") from None
