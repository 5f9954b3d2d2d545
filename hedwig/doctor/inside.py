"""The host itself: what of hedwig is installed here, and whether it is in order. Works on each kind of host: one that
sends, one that delivers, or one that is both. A daemon counts as installed where its file is.
"""

import asyncio
import importlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hedwig.doctor import client_rules, file_rules, host_rules
from hedwig.doctor.beside import Look, in_thread, together
from hedwig.doctor.finding import Check, Finding, Text
from hedwig.doctor.look import files, host
from hedwig.settings import Listen, Mailman, Postoffice, Worker

LONG = 20.0  # seconds: the postoffice has ten of its own
PATIENCE = 4 * 3600.0  # seconds that mail may wait at a host that sends


async def examine(config_dir: Path) -> list[Finding]:
    """All findings; what can't be used comes first."""
    place = await in_thread(lambda: _Host(config_dir))
    return place.findings + await together(place.looks())


class _Host:
    """What is configured here. Reads the files; OSError."""

    def __init__(self, config_dir: Path) -> None:
        self.config_dir = config_dir
        self.findings: list[Finding] = []
        self._daemons = files.present(config_dir)
        loaded: dict[str, files.Settings] = {}
        for daemon in self._daemons:
            settings, problems = files.settings(config_dir, daemon)
            faults = file_rules.judge_config(str(config_dir / f"{daemon}.yml"), problems)
            self.findings += [each for each in faults if each not in self.findings]  # two daemons read the DKIM keys
            if settings is not None:
                loaded[daemon] = settings
        mailman, postoffice, worker = (loaded.get(daemon) for daemon in files.DAEMONS)
        self._mailman = mailman if isinstance(mailman, Mailman) else None
        self._postoffice = postoffice if isinstance(postoffice, Postoffice) else None
        self._worker = worker if isinstance(worker, Worker) else None
        if self._postoffice and self._worker:
            for key in ("spool", "queue"):
                told = file_rules.judge_agreement(key, getattr(self._postoffice, key), getattr(self._worker, key))
                self.findings += [told] if told else []
        alerts, problems = files.alerts(config_dir)
        if problems:
            self.findings += file_rules.judge_config(str(config_dir / "alerts.yml"), problems)
        self._alerts = alerts
        if "postoffice" in self._daemons:
            self._clients()

    def _clients(self) -> None:
        for file, client, problems in files.clients(self.config_dir):
            if client is None:
                self.findings += file_rules.judge_config(str(file), problems)
            else:
                self.findings.append(client_rules.judge_senders(client, str(file)))
                self.findings += client_rules.judge_keys(client, time.time())

    def looks(self) -> Iterator[Look]:
        """Everything that is to be looked at."""
        yield Look(Check("unit", "-"), self._units)
        for daemon, listen in self._places():
            work = partial(_place, partial(host.place, daemon, listen))
            yield Look(Check("listens", f"{daemon} {listen}"), work)
        settings = self._postoffice or self._worker
        if settings is not None:
            yield Look(Check("listens", settings.queue), partial(_place, partial(host.queue, settings.queue)))
        spools = dict(self._spools())
        for folder in dict.fromkeys(Path(path).parent for path in spools):
            yield Look(Check("disk", str(folder)), partial(_disk, folder))
        for path, daemon in spools.items():
            yield Look(Check("spool", path), partial(self._spool, path, daemon), LONG)
        if self._worker is not None:
            yield Look(Check("workers", "-"), partial(_workers, self._worker.run_dir))
        yield Look(Check("secret", "-"), self._secrets)
        if self._mailman is not None:
            yield Look(Check("key", self._mailman.fqdn), partial(_key, self._mailman), LONG)
            yield Look(Check("certificate", self._mailman.postoffice), partial(_served, self._mailman))
        if self._postoffice is not None:
            yield Look(Check("certificate", "nginx"), _site)

    def _places(self) -> Iterator[tuple[str, Listen]]:
        for daemon, settings in (("mailman", self._mailman), ("postoffice", self._postoffice)):
            for listen in settings.listen if settings is not None else ():
                yield daemon, listen

    def _spools(self) -> Iterator[tuple[str, str]]:
        if self._mailman is not None:
            yield self._mailman.spool, "mailman"
        for settings in (self._worker, self._postoffice):
            if settings is not None:
                yield settings.spool, "postoffice"

    async def _units(self) -> list[Finding]:
        found = await host.units(host_rules.unit_names(self._daemons, self._alerts))
        if found is None:
            why = Text("systemd does not run here", "这里没有运行 systemd")
            return [Check("unit", "-").skipped(why)]
        return [host_rules.judge_unit(unit) for unit in found if not _forgotten(unit)]

    async def _spool(self, path: str, daemon: str) -> list[Finding]:
        state = await in_thread(partial(host.spool, path, daemon))
        found = [host_rules.judge_spool(state)]
        patience = self._worker.retry.warn_after or PATIENCE if self._worker and daemon != "mailman" else PATIENCE
        if not (state.absent or state.fault or state.trouble):
            found.append(host_rules.judge_waiting(state, patience))
        return found

    async def _secrets(self) -> list[Finding]:
        def look() -> list[Finding]:
            secrets = files.secret_files(self.config_dir, self._worker, self._alerts)
            found = [file_rules.judge_secret(files.secret(file)) for file in secrets]
            if self._mailman is not None and self._alerts.webhook.secret:
                found.append(file_rules.judge_hook_secret(str(self.config_dir / "alerts.yml")))
            return found

        return await in_thread(look)


def _not_installed(package: str, error: ModuleNotFoundError) -> Text:
    return Text(
        f"{package} is not installed here (there is no {error.name})", f"本机没有安装 {package}（缺 {error.name}）"
    )


def _forgotten(unit: host_rules.Unit) -> bool:
    """A worker that was stopped for good: systemd still has its name, and nothing enables it."""
    return unit.name.startswith("hedwig-worker@") and unit.active == "inactive" and unit.enabled != "enabled"


async def _place(look: Callable[[], host_rules.Place]) -> list[Finding]:
    return [host_rules.judge_place(await in_thread(look))]


async def _disk(folder: Path) -> list[Finding]:
    return [host_rules.judge_disk(await in_thread(partial(host.disk, folder)))]


async def _workers(run_dir: str) -> list[Finding]:
    running = await in_thread(partial(host.workers, run_dir))
    return [host_rules.judge_workers(running, os.cpu_count() or 1)]


async def _key(mailman: Mailman) -> list[Finding]:
    try:
        partner = importlib.import_module("hedwig.doctor.look.postoffice")
    except ModuleNotFoundError as error:  # requests comes with hedwig-mailman
        return [Check("key", mailman.fqdn).skipped(_not_installed("hedwig-mailman", error))]
    return [file_rules.judge_handshake(await in_thread(partial(partner.shake, mailman)))]


async def _served(mailman: Mailman) -> list[Finding]:
    found = await in_thread(partial(files.served_certificate, mailman))
    return [file_rules.judge_certificate(each) for each in found]


async def _site() -> list[Finding]:
    try:
        site = importlib.import_module("hedwig.doctor.look.site")
    except ModuleNotFoundError as error:  # cryptography comes with hedwig-postoffice
        return [Check("certificate", "nginx").skipped(_not_installed("hedwig-postoffice", error))]
    found = await in_thread(partial(site.certificate, time.time()))
    return [file_rules.judge_certificate(each) for each in found]


def run(config_dir: Path) -> list[Finding]:
    """`examine`, from code that has no event loop."""
    return asyncio.run(examine(config_dir))
