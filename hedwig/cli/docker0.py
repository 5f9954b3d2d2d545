"""`hedwig detect-docker0`: write docker0's address into the listen lines, after it has moved.

The address is (1) the interface's own, (2) `bip` of docker's daemon.json, (3) 172.17.0.1, Docker's default. Only
addresses that no interface of this host has any more are replaced, and in `listen:` alone: all else of the files stays
to the letter. A guess (3) changes nothing: an address that isn't there yet is bound all the same (IP_FREEBIND).
"""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
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


class _Address(click.ParamType):
    name = "ADDRESS"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(ipaddress.IPv4Address(value))
        except ValueError:
            self.fail(f"{clean(repr(value))} is no IPv4 address", param, ctx)


@click.command("detect-docker0")
@click.option("--print", "only_print", is_flag=True, help="Print the address, and change nothing.")
@click.option("--old", type=_Address(), help="The address to replace, where it isn't clear which one.")
@click.option("--daemon-json", type=click.Path(path_type=Path), default=DAEMON_JSON, hidden=True)
@click.pass_obj
def detect_docker0(config_dir: Path, only_print: bool, old: str | None, daemon_json: Path) -> None:
    """Write docker0's address into the listen lines of mailman.yml and postoffice.yml.

    For when docker0 has moved. An address in `listen:` that this host no longer has is replaced; nothing else changes.
    """
    try:
        interfaces = addresses()
    except OSError as error:
        raise click.ClickException(f"can't look at this host's interfaces: {error.strerror}") from None
    docker0 = find(interfaces, daemon_json)
    if only_print:
        click.echo(docker0.address)
        return
    click.echo(f"docker0: {docker0.address} ({clean(docker0.source)})")
    if docker0.guessed and not old:
        click.echo("Nothing was changed.")
        return
    with changing(config_dir):
        texts = _texts(config_dir)
        gone = _to_replace([item for one in texts for item in _listed(one)], interfaces, docker0, old)
        changes = [change for one in texts if gone and (change := _moved(one, gone, docker0.address))]
        for change in changes:  # all of them can be made, or none is
            replace(change.file, change.text, kept=True)
            click.echo(f"{clean(str(change.file))}: listen: {change.said}")
    if changes:
        click.echo("Then: systemctl reload " + " ".join(f"hedwig-{change.file.stem}" for change in changes))
    else:
        click.echo("The listen lines are right: nothing was changed.")


@dataclass(frozen=True, slots=True)
class _Text:
    """A file, and its text. `said`: what became of its list, where it was changed."""

    file: Path
    text: str
    said: str = ""


def _texts(config_dir: Path) -> list[_Text]:
    try:
        files = [config_dir / name for name in _FILES if (config_dir / name).exists()]
        return [_Text(file, read_text(file)) for file in files]
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


def _to_replace(listed: list[str], interfaces: Sequence[InterfaceAddress], docker0: Docker0, old: str | None) -> str:
    """The one address that was docker0's; "" where there is nothing to replace."""
    if old:
        if not any(_host(item) == old for item in listed):
            raise click.ClickException(f"{old} is in no `listen:` line; there are {', '.join(listed) or 'none'}")
        return old
    gone = _gone(listed, interfaces, docker0)
    if len(gone) > 1:
        named = " or ".join(sorted(gone))
        raise click.ClickException(f"several addresses in `listen:` are gone: which one was docker0's? --old {named}")
    return next(iter(gone), "")


def _host(item: str) -> str:
    return item.rpartition(":")[0]


def _gone(listed: Sequence[str], interfaces: Sequence[InterfaceAddress], docker0: Docker0) -> set[str]:
    """Private IPv4 addresses of the lists that no interface has, and that docker0 will not have either."""
    here = {one.address for one in interfaces} | {docker0.address}
    found = set()
    for item in listed:
        host = _host(item)
        try:
            address = ipaddress.IPv4Address(host)
        except ValueError:
            continue
        usable = address.is_loopback or address.is_unspecified or not address.is_private
        if not usable and host not in here:
            found.add(host)
    return found


def _moved(one: _Text, old: str, new: str) -> _Text | None:
    """The file with its list changed; None where it doesn't have that address."""

    def move(item: str) -> str:
        return f"{new}:{item.rpartition(':')[2]}" if _host(item) == old else item

    before = _listed(one)
    after = [move(item) for item in before]
    if after == before:
        return None
    if doubled := [item for item in after if after.count(item) > 1]:
        wrong = f"{one.file}: `listen:` has {doubled[0]} already: take {old} out of it by hand"
        raise click.ClickException(f"{wrong}\nNothing was changed.")
    if yamltext.has(one.file, one.text, "listen"):
        text = yamltext.with_items_changed(one.file, one.text, "listen", move)
    else:
        text = yamltext.with_value(one.file, one.text, "listen", written("listen", tuple(after)))
    return _Text(one.file, text, f"{', '.join(before)} -> {', '.join(after)}")
