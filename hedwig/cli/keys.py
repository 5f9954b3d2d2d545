"""`hedwig key add | list | revoke`: which hosts may hand in mail at this postoffice.

A key is 256 random bits. It is printed once, as the very lines for the other host's mailman.yml, on stdout; all else
goes to stderr. What is kept is its SHA-256, in CONFIGDIR/clients.d/FQDN.yml: a file that is replaced atomically, of
root and group hedwig, mode 0640. A running postoffice takes a change at once. Adding to a host that has keys adds one
more, so that keys can be rotated without a gap. What an admin wrote into such a file stays (clientfile.py).
"""

import hashlib
import secrets
import socket
import textwrap
import time
from pathlib import Path

import click

from hedwig.cli import clientfile
from hedwig.cli.files import changing, replace, trouble
from hedwig.cli.nginx import CONF, Nginx
from hedwig.cli.postoffice_url import PostofficeUrl, postoffice_url
from hedwig.cli.terminal import clean, counted, table
from hedwig.config import ConfigError, Unfit, host_name, load_client, load_postoffice
from hedwig.config.document import read_text
from hedwig.config.places import http_url
from hedwig.settings import Postoffice

_SHORT = 8


class Fqdn(click.ParamType):
    """A host's name on the command line."""

    name = "FQDN"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """In lower case, or a usage error."""
        try:
            return host_name(value)
        except Unfit as error:
            self.fail(clean(str(error)), param, ctx)


class Url(click.ParamType):
    """An http URL on the command line."""

    name = "URL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """With its slash at the end, or a usage error."""
        try:
            return http_url(value)
        except Unfit as error:
            self.fail(clean(str(error)), param, ctx)


def hash_of(key: str) -> str:
    """What is kept of a key."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


@click.group()
def key() -> None:
    """Which hosts may hand in mail here: add, list or revoke their keys."""


@key.command()
@click.argument("fqdn", type=Fqdn())
@click.option("--url", type=Url(), help="The postoffice's URL as the other host reaches it.")
@click.option("--nginx-dir", type=click.Path(path_type=Path), default=CONF, hidden=True)
@click.pass_obj
def add(config_dir: Path, fqdn: str, url: str | None, nginx_dir: Path) -> None:
    """Make a key for the host FQDN, and print the lines for its mailman.yml.

    The key is shown this once; only its hash is kept. A host may have several keys, so that they can be rotated.
    """
    reached = PostofficeUrl(url) if url else _url(config_dir, Nginx(nginx_dir))
    new = secrets.token_urlsafe(32)
    hashed = hash_of(new)
    file = config_dir / "clients.d" / f"{fqdn}.yml"
    with changing(file.parent):
        text = client_text(file)
        text = clientfile.with_key(file, text, hashed, time.strftime("%Y-%m-%d"))
        replace(file, text)
        count = len(clientfile.keys_in(file, text))
    click.echo(f"Put these lines into /etc/hedwig/mailman.yml on {fqdn}:\n", err=True)
    for line in textwrap.wrap(reached.remark, 100):
        click.echo(f"# {line}")
    click.echo(f"fqdn: {fqdn}\npostoffice: {reached.url}\nkey: {new}")
    if count > 1:
        click.echo(
            f"\n{fqdn} has {count} keys now. When it uses the new one: hedwig key revoke {fqdn} --id OLD "
            "(hedwig key list shows the ids)",
            err=True,
        )


@key.command("list")
@click.pass_obj
def list_(config_dir: Path) -> None:
    """List the hosts that may hand in mail, with the number and ids of their keys."""
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
            continue
        ids = " ".join(_short(hashed) for hashed in client.key)
        rows.append((client.fqdn, counted(len(client.key), "key", "keys"), ids, clean(str(file))))
    for line in table(rows) if rows else ["No host has a key yet: hedwig key add FQDN"]:
        click.echo(line)
    for fault in faults:
        click.echo(str(fault), err=True)
    if faults:
        raise SystemExit(1)


@key.command()
@click.argument("fqdn", type=Fqdn())
@click.option("--id", "short", metavar="ID", help="Only the key with this id (see `hedwig key list`).")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def revoke(config_dir: Path, fqdn: str, short: str | None, yes: bool) -> None:
    """Take the keys of the host FQDN away: all of them, or one by its id. It is refused at once."""
    file = config_dir / "clients.d" / f"{fqdn}.yml"
    gone = _to_revoke(file, fqdn, short)
    if not yes:
        ids = " ".join(_short(hashed) for hashed in gone)
        click.confirm(f"Revoke {counted(len(gone), 'key', 'keys')} of {fqdn} ({ids})?", abort=True)
    with changing(file.parent):
        text = clientfile.without_keys(file, client_text(file), gone)
        left = len(clientfile.keys_in(file, text))
        if text:
            replace(file, text)
        else:
            file.unlink()
    rest = f"{counted(left, 'key is', 'keys are')} left." if left else "It can hand in no mail now."
    click.echo(f"Revoked {counted(len(gone), 'key', 'keys')} of {fqdn}. {rest}")


def _to_revoke(file: Path, fqdn: str, short: str | None) -> tuple[str, ...]:
    if not file.exists():
        raise click.ClickException(f"{fqdn} has no keys here: there is no {file}")
    try:
        keys = load_client(file).key
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    if short is None:
        gone = keys
    else:
        wanted = short.lower().removeprefix("sha256:")
        gone = tuple(hashed for hashed in keys if wanted and hashed.removeprefix("sha256:").startswith(wanted))
        if len(gone) > 1:
            raise click.ClickException(f"{clean(short)} fits {len(gone)} keys of {fqdn}: write more of the id")
    if not gone:
        ids = " ".join(_short(hashed) for hashed in keys) or "none"
        raise click.ClickException(f"{fqdn} has no such key; its ids: {ids}")
    return gone


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
