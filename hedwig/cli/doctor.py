"""`hedwig doctor [FQDN|DOMAIN]`: what receivers, or this host, would find wrong, and the exact line that mends it.

Without a name the whole host is looked at, with each source address and each sender domain that is known here: those of
`senders` in clients.d, of the DKIM keys, and of `tls_report`; else the EHLO names. With a name only what is seen from
outside, for that sender domain, or for those of that client. What is seen from outside is a matter of hosts that
deliver; one that sends alone is looked at itself.

Exit status: 0: all pass, or warn; 1: something fails; 2: it could not be run, or a wrong option.
"""

import asyncio
import importlib
import ipaddress
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hedwig import log
from hedwig.cli import doctor_view
from hedwig.cli.keys import Fqdn
from hedwig.cli.language import chinese, told, told_of
from hedwig.cli.terminal import clean, echo_json
from hedwig.config import ConfigError, load_client, load_worker
from hedwig.doctor import inside
from hedwig.doctor.finding import Check, Finding, Grade, Text

_LEVELS = {Grade.FAIL: log.Level.ERROR, Grade.WARN: log.Level.WARNING}


class Address(click.ParamType):
    """An IP address."""

    name = "ADDRESS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """In its usual form, or a usage error."""
        try:
            return str(ipaddress.ip_address(str(value)))
        except ValueError:
            self.fail(f"{clean(repr(value))} is no IP address", param, ctx)


@click.command()
@click.argument("name", metavar="[FQDN|DOMAIN]", type=Fqdn(), required=False)
@click.option("--address", "addresses", type=Address(), multiple=True, help="The address that receivers see (NAT).")
@click.option("--connect/--no-connect", default=True, help="Connect to receivers' port 25 and an NTP server.")
@click.option("--receiver", "receivers", type=Fqdn(), multiple=True, metavar="DOMAIN", help="Whose MX to connect to.")
@click.option("--dnsbl", "dnsbls", type=Fqdn(), multiple=True, metavar="ZONE", help="A DNSBL to ask, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, in English.")
@click.option("--journal", is_flag=True, help="A line each, for the journal: what fails is an error there.")
@click.pass_obj
def doctor(config_dir: Path, name: str | None, as_json: bool, journal: bool, **given: Any) -> None:
    """Look for what receivers, or this host, would find wrong, and print the exact line that mends it.

    Exit status: 0 when nothing fails, 1 when something does, 2 when it could not be run.
    """
    try:
        with log.overheard(lambda *_: None):
            found = asyncio.run(_examined(config_dir, name, given))
    except (OSError, ConfigError, _NotHere) as error:
        for line in (told_of(error) if isinstance(error, ConfigError) else str(error)).splitlines():
            click.echo(clean(line), err=True)
        raise SystemExit(2) from None
    in_chinese = chinese(os.environ)
    if as_json:
        echo_json(doctor_view.json_of(found))
    elif journal:
        log.start("hedwig-doctor")
        for each in found:
            log.say(_LEVELS.get(each.grade, log.Level.INFO), doctor_view.line_of(each, in_chinese))
    else:
        for line in doctor_view.text_of(found, in_chinese, coloured=sys.stdout.isatty()):
            click.echo(line)
    raise SystemExit(1 if any(each.grade is Grade.FAIL for each in found) else 0)


class _NotHere(Exception):
    """This host can't be asked so; str() says why."""


async def _examined(config_dir: Path, name: str | None, given: dict[str, Any]) -> list[Finding]:
    delivers = (config_dir / "worker.yml").exists()
    if name and not delivers:
        raise _NotHere(
            told(
                f"{config_dir}: there is no worker.yml here; ask on the host that delivers",
                f"{config_dir}：这里没有 worker.yml；请在投递主机上运行",
            )
        )
    if not any((config_dir / f"{daemon}.yml").exists() for daemon in ("mailman", "postoffice", "worker")):
        raise _NotHere(
            told(
                f"{config_dir}: there is no configuration file in this directory",
                f"{config_dir}：此目录里没有配置文件",
            )
        )
    looks = [] if name else [inside.examine(config_dir)]
    if delivers:
        looks.append(_outside(config_dir, name, given))
    return [finding for findings in await asyncio.gather(*looks) for finding in findings]


async def _outside(config_dir: Path, name: str | None, given: dict[str, Any]) -> list[Finding]:
    try:
        seen = importlib.import_module("hedwig.doctor.outside")
        senders = importlib.import_module("hedwig.doctor.senders")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hedwig"):
            raise
        text = f"hedwig-worker is not installed here (there is no {error.name})"
        return [Check("outside", "-").skipped(Text(text, f"本机没有安装 hedwig-worker（缺 {error.name}）"))]
    try:
        settings = load_worker(config_dir / "worker.yml")
    except ConfigError:
        if name:
            raise
        return []  # each of its faults is a finding already
    client = ""
    if name and (config_dir / "clients.d" / f"{name}.yml").exists():
        client = load_client(config_dir / "clients.d" / f"{name}.yml").fqdn
    if name and "." not in name and not client:
        raise _NotHere(
            told(
                f"{name} is no domain that mail comes from, and no host in clients.d: write it like example.com",
                f"{name} 不是发信域名，clients.d 里也没有这台主机：请写成 example.com 这样",
            )
        )
    domains = senders.domains(config_dir, settings, name or "", client)
    if name and not domains:
        raise _NotHere(
            told(
                f"{name} has no domain to look at: write `senders` into clients.d/{name}.yml",
                f"{name} 没有可检查的域名：请在 clients.d/{name}.yml 里写 senders",
            )
        )
    wanted = seen.Wanted(domains=tuple(domains), client=client)
    found: list[Finding] = await seen.examine(settings, config_dir, replace(wanted, **given))
    return found
