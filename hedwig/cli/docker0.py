"""`hedwig detect-docker0`: write docker0's address into the listen lines, after it has moved.

The address is (1) the interface's own, (2) `bip` of docker's daemon.json, (3) 172.17.0.1, Docker's default. Only
addresses that no interface of this host has any more are replaced, and in `listen:` alone: all else of the files stays
to the letter. A guess (3) changes nothing: an address that isn't there yet is bound all the same (IP_FREEBIND).
"""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from hedwig.cli import yamltext
from hedwig.cli.files import changing, replace
from hedwig.cli.terminal import clean
from hedwig.config import ConfigError
from hedwig.config.document import read_text
from hedwig.config.kinds import written
from hedwig.interfaces import InterfaceAddress, addresses
from hedwig.settings import Mailman, Postoffice

DEFAULT = "172.17.0.1"
DAEMON_JSON = Path("/etc/docker/daemon.json")
_FILES = {"mailman.yml": Mailman, "postoffice.yml": Postoffice}


@dataclass(frozen=True, slots=True)
class Docker0:
    """docker0's address and where it is known from; `guessed`: it is only Docker's default."""

    address: str
    source: str
    guessed: bool = False


def find(interfaces: Sequence[InterfaceAddress], daemon_json: Path) -> Docker0:
    """The address of docker0 as it is, or as it will be."""
    for one in interfaces:
        if one.name == "docker0" and one.network.version == 4:
            return Docker0(one.address, "the interface docker0")
    if bip := _bip(daemon_json):
        return Docker0(bip, f"bip in {daemon_json}")
    return Docker0(DEFAULT, "Docker's default, as there is no docker0", guessed=True)


def _bip(daemon_json: Path) -> str:
    """`bip` without its prefix, or "" where the file has none or can't be read (docker says so itself, then)."""
    try:
        content = json.loads(daemon_json.read_bytes())
        interface = ipaddress.IPv4Interface(str(content["bip"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return str(interface.ip)


@click.command("detect-docker0")
@click.option("--print", "only_print", is_flag=True, help="Print the address, and change nothing.")
@click.option("--old", metavar="ADDRESS", help="The address to replace, where it isn't clear which one.")
@click.option("--daemon-json", type=click.Path(path_type=Path), default=DAEMON_JSON, hidden=True)
@click.pass_obj
def detect_docker0(config_dir: Path, only_print: bool, old: str | None, daemon_json: Path) -> None:
    """Write docker0's address into the listen lines of mailman.yml and postoffice.yml.

    For when docker0 has moved. An address in `listen:` that this host no longer has is replaced; nothing else changes.
    """
    interfaces = addresses()
    docker0 = find(interfaces, daemon_json)
    if only_print:
        click.echo(docker0.address)
        return
    texts = _texts(config_dir)
    gone = {old} if old else _gone({item for one in texts.values() for item in _listed(one)}, interfaces, docker0)
    click.echo(f"docker0: {docker0.address} ({clean(docker0.source)})")
    if docker0.guessed and not old:
        click.echo("Nothing was changed.")
        return
    if len(gone) > 1:
        named = " or ".join(sorted(gone))
        raise click.ClickException(f"several addresses in `listen:` are gone: which one was docker0's? --old {named}")
    changed = [_rewrite(one, next(iter(gone)), docker0.address) for one in texts.values()] if gone else []
    if any(changed):
        click.echo("Then: systemctl reload " + " ".join(unit for unit in changed if unit))
    else:
        click.echo("The listen lines are right: nothing was changed.")


@dataclass(frozen=True, slots=True)
class _Text:
    """A file, and the addresses and ports its daemon listens on, as texts."""

    file: Path
    text: str


def _texts(config_dir: Path) -> dict[str, _Text]:
    try:
        return {
            name: _Text(config_dir / name, read_text(config_dir / name))
            for name in _FILES
            if (config_dir / name).exists()
        }
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


def _listed(one: _Text) -> list[str]:
    """The listen items, those of the default where the file has none."""
    try:
        if yamltext.has(one.file, one.text, "listen"):
            return yamltext.items(one.file, one.text, "listen")
    except ConfigError as error:
        raise click.ClickException(f"{error}\nNothing was changed.") from None
    return [str(place) for place in _FILES[one.file.name]().listen]


def _gone(listed: set[str], interfaces: Sequence[InterfaceAddress], docker0: Docker0) -> set[str]:
    """Private IPv4 addresses of the lists that no interface has, and that docker0 will not have either."""
    here = {one.address for one in interfaces} | {docker0.address}
    found = set()
    for item in listed:
        host = item.rpartition(":")[0]
        try:
            address = ipaddress.IPv4Address(host)
        except ValueError:
            continue
        usable = address.is_loopback or address.is_unspecified or not address.is_private
        if not usable and host not in here:
            found.add(host)
    return found


def _moved(old: str, new: str, item: str) -> str:
    host, _, port = item.rpartition(":")
    return f"{new}:{port}" if host == old else item


def _rewrite(one: _Text, old: str, new: str) -> str:
    """Replace it in one file; the unit to reload, or "" where nothing changed."""
    move = partial(_moved, old, new)
    before = _listed(one)
    after = [move(item) for item in before]
    if after == before:
        return ""
    with changing(one.file.parent):
        if yamltext.has(one.file, one.text, "listen"):
            text = yamltext.with_items_changed(one.file, one.text, "listen", move)
        else:
            text = yamltext.with_value(one.file, one.text, "listen", written("listen", tuple(after)))
        replace(one.file, text, kept=True)
    click.echo(f"{clean(str(one.file))}: listen: {', '.join(before)} -> {', '.join(after)}")
    return f"hedwig-{one.file.stem}"
