"""`hedwig open [NETWORK...]`: make postoffice reachable for other hosts.

By default through nginx with TLS, in front of a unix socket that postoffice.yml then has in its `listen:`. The
certificate is the admin's own (--cert, --key), or one of a private authority in CONFIGDIR/tls, whose own certificate is
printed for the other hosts' `ca_file`. With --plain ADDRESS:PORT postoffice itself listens there, without TLS: for a
private network.

Nothing of this opens a firewall; the lines that do are printed. Doing it again with the same words changes nothing.
"""

import datetime
import ipaddress
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hedwig.cli import yamltext
from hedwig.cli.files import changing, replace, trouble
from hedwig.cli.nginx import CONF, Nginx, NginxTrouble, Pair, Site, firewall, url
from hedwig.cli.reloading import reload
from hedwig.cli.terminal import clean
from hedwig.config import ConfigError, Unfit, host_name, load_postoffice
from hedwig.config.document import read_text
from hedwig.config.kinds import LISTS, written
from hedwig.settings import Listen, Postoffice

_SOCKET = "/run/hedwig/http.sock"
_CA_FILE = "/etc/hedwig/postoffice-ca.pem"


class _Network(click.ParamType):
    name = "NETWORK"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(ipaddress.ip_network(value))
        except ValueError:
            self.fail(f"{clean(repr(value))} is no network: write 192.0.2.0/24 or 192.0.2.7", param, ctx)


class _Name(click.ParamType):
    name = "HOST"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            pass
        try:
            return host_name(value)
        except Unfit as error:
            self.fail(clean(str(error)), param, ctx)


class _Place(click.ParamType):
    name = "ADDRESS:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Listen:
        if isinstance(value, Listen):
            return value
        try:
            place = LISTS["listen"](str(value))
        except Unfit as error:
            self.fail(clean(str(error)), param, ctx)
        if not isinstance(place, Listen) or not place.port:
            self.fail("write an address and a port, like 10.1.2.3:8025", param, ctx)
        return place


@click.command("open")
@click.argument("networks", metavar="[NETWORK]...", nargs=-1, type=_Network())
@click.option("--plain", type=_Place(), help="No TLS: postoffice itself listens there, for a private network.")
@click.option("--name", type=_Name(), help="The name by which other hosts reach this one (default: its own).")
@click.option("--cert", type=click.Path(exists=True, path_type=Path), help="A certificate with its chain (PEM).")
@click.option("--key", type=click.Path(exists=True, path_type=Path), help="Its key.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True, help="Where nginx listens.")
@click.option("--nginx-dir", type=click.Path(path_type=Path), default=CONF, hidden=True)
@click.option("--socket", "path", default=_SOCKET, hidden=True)
@click.pass_obj
def open_(config_dir: Path, networks: tuple[str, ...], plain: Listen | None, **wished: Any) -> None:
    """Make postoffice reachable for other hosts, or for those in the NETWORKs alone.

    With TLS by nginx: your own certificate, or one of a private authority that is made here. It prints what the other
    hosts need, and the line for the firewall.
    """
    wish = _Wish(networks=networks, **wished)
    if plain and (wish.cert or wish.key or wish.name):
        raise click.UsageError("--plain goes without --name, --cert and --key: there is no TLS")
    if bool(wish.cert) != bool(wish.key):
        raise click.UsageError("--cert and --key go together")
    try:
        if plain:
            _plain(config_dir, plain, networks)
        else:
            _tls(config_dir, wish)
    except (ConfigError, NginxTrouble, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise trouble("write", Path(error.filename or config_dir), error) from None


@dataclass(frozen=True, slots=True)
class _Wish:
    """The options, as click gives them."""

    networks: tuple[str, ...]
    name: str | None
    cert: Path | None
    key: Path | None
    port: int
    nginx_dir: Path
    path: str


def _tls(config_dir: Path, wish: _Wish) -> None:
    name = wish.name or host_name(socket.getfqdn())
    nginx = Nginx(wish.nginx_dir)
    nginx.look()  # before anything is changed
    settings = _listening(config_dir, Listen(wish.path, 0))
    pair = Pair(wish.cert.resolve(), wish.key.resolve()) if wish.cert and wish.key else _private(config_dir, name)
    remark = nginx.use(Site(name, wish.port, pair, wish.path, wish.networks, settings.max_size))
    click.echo(f"{clean(str(nginx.file))}: nginx takes TLS on port {wish.port} for {name}")
    if remark:
        click.echo(f"warning: {remark}", err=True)
    _tell_firewall(wish.networks, wish.port)
    _tell_hosts(url(name, wish.port), None if wish.cert else pair.certificate.parent / "ca.pem")


def _private(config_dir: Path, name: str) -> Pair:
    from hedwig.cli.authority import pair_for  # python3-cryptography comes with hedwig-postoffice alone

    directory = config_dir / "tls"
    with changing(directory):
        return pair_for(name, directory, datetime.datetime.now(datetime.UTC))


def _plain(config_dir: Path, place: Listen, networks: tuple[str, ...]) -> None:
    _fits(load_postoffice(config_dir / "postoffice.yml").listen, place)
    _listening(config_dir, place)
    click.echo(
        "There is no TLS: whoever can listen in on that network reads letters and keys. Other hosts' mailman says so "
        "at each start.",
        err=True,
    )
    if _is_public(place.host):
        click.echo(f"{place.host} is a public address. Without --plain, nginx guards it with TLS.", err=True)
    _tell_firewall(networks, place.port)
    literal = _is_address(place.host) and not _is_wildcard(place.host)
    _tell_hosts(f"http://{place}/" if literal else f"http://{socket.getfqdn()}:{place.port}/", None)


def _fits(listen: Sequence[Listen], place: Listen) -> None:
    """ValueError where all addresses and one of them would have the same port: postoffice can't bind both."""
    for one in listen:
        if one == place or one.port != place.port or (":" in one.host) != (":" in place.host):
            continue
        if _is_wildcard(place.host):
            wrong = f"postoffice listens on {one} already, and can't have {place} beside it"
            raise ValueError(f"{wrong}: name the address that other hosts reach, like 10.1.2.3:{place.port}")
        if _is_wildcard(one.host):
            raise ValueError(
                f"postoffice listens on {one} already, which is every address: --plain {one} says the rest"
            )


def _listening(config_dir: Path, place: Listen) -> Postoffice:
    """Have postoffice listen there too, and take its new settings; what they are."""
    file = config_dir / "postoffice.yml"
    with changing(config_dir):
        settings = load_postoffice(file)
        if place in settings.listen:
            click.echo(f"{clean(str(file))}: it listens on {place} already")
            return settings
        text = read_text(file)
        default = [written("listen", one) for one in Postoffice().listen]
        new = yamltext.with_item(file, text, "listen", written("listen", place), default)
        replace(file, new, kept=True)
        click.echo(f"{clean(str(file))}: {place} is in `listen:` now")
    reload(config_dir, "hedwig-postoffice")
    return settings


def _tell_firewall(networks: tuple[str, ...], port: int) -> None:
    who = "these networks" if networks else "everybody (the key still decides who may send; NETWORKs would limit it)"
    click.echo(f"\nIf a firewall runs here, let in {who}:")
    ufw = shutil.which("ufw") is not None
    for line in firewall(networks, port, ufw=ufw):
        click.echo(f"    {line}")
    if not ufw:
        click.echo(
            "(It needs that table and chain; where yours have other names, write those. A reboot forgets the line "
            "unless /etc/nftables.conf has it.)"
        )


def _tell_hosts(reached: str, authority: Path | None) -> None:
    click.echo(f"\nFor each other host, here: hedwig key add FQDN --url {reached}\nand there: hedwig setup")
    if authority is None:
        return
    click.echo(
        f"with --ca-file {_CA_FILE}, or this line in its mailman.yml:\n    ca_file: {_CA_FILE}\n"
        f"That file, on each of them (it is {clean(str(authority))} here):\n"
    )
    click.echo(authority.read_text(), nl=False)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_wildcard(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified


def _is_public(host: str) -> bool:
    return _is_wildcard(host) or (_is_address(host) and ipaddress.ip_address(host).is_global)
