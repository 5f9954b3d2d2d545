"""`hedwig local-key`: join mailman and postoffice where both are installed on one host.

For the packages' postinst scripts, which call it in either order, and as often as they like: what is right already
stays byte for byte. local.key is made where there is none. Where postoffice.yml lies beside it, the file says under
which URL this host's own postoffice is reached, and clients.d/FQDN.yml holds the key's hash; where postoffice.yml is
gone, the URL goes too. A running mailman without a postoffice takes the file within seconds, a running postoffice at
once.
"""

import dataclasses
import ipaddress
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import click

from hedwig.cli import clientfile
from hedwig.cli.files import changing, replace
from hedwig.cli.keys import client_text, hash_of
from hedwig.cli.terminal import clean
from hedwig.config import ConfigError, load_local_key, load_postoffice
from hedwig.config.localkey import NAME, LocalKey, this_host
from hedwig.settings import Listen, Postoffice


@click.command("local-key")
@click.pass_obj
def local_key(config_dir: Path) -> None:
    """Join mailman and postoffice on this host (the packages do it; doing it again does no harm).

    Makes CONFIGDIR/local.key, and its client's file where postoffice is installed.
    """
    file = config_dir / NAME
    with changing(config_dir):
        try:
            old = load_local_key(file)
        except ConfigError as error:
            raise click.ClickException(f"{error}\nMend the file, or remove it and run this again.") from None
        new = LocalKey(old.fqdn or this_host(), _url(config_dir), old.key or secrets.token_urlsafe(32))
        if new.postoffice:  # first: mailman uses the key as soon as it is there
            _admit(config_dir / "clients.d" / f"{new.fqdn}.yml", new)
        if new != old:
            replace(file, str(new))
            click.echo(f"{clean(str(file))}: {_said(new)}")


def own_url(listen: Sequence[Listen]) -> str:
    """Where this host itself reaches a postoffice that listens there: loopback before other addresses; "" nowhere."""
    reached = [url for one in listen if one.port and (url := _reach(one))]
    return min(reached, key=lambda url: not url.startswith(("http://127.", "http://[::1]")), default="")


def _reach(one: Listen) -> str:
    try:
        address = ipaddress.ip_address(one.host)
    except ValueError:  # an interface, whose address may change
        return ""
    if address.is_unspecified:
        return f"http://{'127.0.0.1' if address.version == 4 else '[::1]'}:{one.port}/"
    return f"http://{dataclasses.replace(one, host=str(address))}/"


def _url(config_dir: Path) -> str:
    file = config_dir / "postoffice.yml"
    if not file.exists():
        return ""
    try:
        settings = load_postoffice(file)
    except ConfigError as error:
        settings = Postoffice()
        click.echo(f"{error}\n{clean(str(file))} is broken: its default address is taken", err=True)
    url = own_url(settings.listen)
    if not url:
        click.echo(
            f"{clean(str(file))}: it listens on no fixed address, so mailman here can't be joined to it; "
            "add 127.0.0.1:8025 to `listen:` and run `hedwig local-key` again",
            err=True,
        )
    return url


def _said(key: LocalKey) -> str:
    if key.postoffice:
        return f"mailman here hands mail to {key.postoffice} as {key.fqdn}"
    return "made; it takes effect when postoffice is installed on this host too"


def _admit(file: Path, key: LocalKey) -> None:
    hashed = hash_of(key.key)
    with changing(file.parent):
        text = client_text(file)
        if hashed not in clientfile.keys_in(file, text):
            replace(file, clientfile.with_key(file, text, hashed, time.strftime("%Y-%m-%d")))
            click.echo(f"{clean(str(file))}: {key.fqdn} may hand in mail")
