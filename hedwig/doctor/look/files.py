"""Files of this host: configuration, secrets and who may read them, certificates."""

import grp
import os
import pwd
import socket
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from hedwig.config import (
    ConfigError,
    Problem,
    load_alerts,
    load_client,
    load_delivery,
    load_mailman,
    load_postoffice,
    load_reception,
    load_worker,
)
from hedwig.doctor.file_rules import Certificate, Secret
from hedwig.doctor.finding import Text, same
from hedwig.settings import Alerts, Client, Mailman, Postoffice, Worker

USER = "hedwig"
Settings = Mailman | Postoffice | Worker

DAEMONS = ("mailman", "postoffice", "worker")
_CREDENTIALS = "/run/credentials/"  # systemd's, which the daemon alone can see
_WAIT = 4.0  # seconds
# The file alone, and the file with all that its daemon reads beside it.
_LOADERS: dict[str, tuple[Callable[[Path], Settings], Callable[[Path], Settings]]] = {
    "mailman": (load_mailman, load_mailman),
    "postoffice": (load_postoffice, load_reception),
    "worker": (load_worker, load_delivery),
}


def settings(config_dir: Path, daemon: str) -> tuple[Settings | None, list[Problem]]:
    """A daemon's settings, where its file gives any, and what is wrong with it or with what lies beside it (DKIM keys,
    rules)."""
    file, (alone, whole) = config_dir / f"{daemon}.yml", _LOADERS[daemon]
    try:
        found = alone(file)
    except ConfigError as error:
        return None, list(error.problems)
    try:
        whole(file)
    except ConfigError as error:
        return found, list(error.problems)
    except ModuleNotFoundError as error:  # its package is not installed here (any more)
        if (error.name or "").startswith("hedwig"):
            raise
    return found, []


def present(config_dir: Path) -> list[str]:
    """The daemons that this host has: those with a file."""
    return [daemon for daemon in DAEMONS if (config_dir / f"{daemon}.yml").exists()]


def alerts(config_dir: Path) -> tuple[Alerts, list[Problem]]:
    """Whom alerts are told; nobody where the file is missing, or has faults."""
    try:
        return load_alerts(config_dir / "alerts.yml"), []
    except ConfigError as error:
        return Alerts(), list(error.problems)


def clients(config_dir: Path) -> Iterator[tuple[Path, Client | None, list[Problem]]]:
    """Each file of clients.d. OSError where the folder can't be read."""
    folder = config_dir / "clients.d"
    if not folder.is_dir():
        return
    for file in sorted(each for each in folder.iterdir() if each.suffix == ".yml" and each.name[0] != "."):
        try:
            yield file, load_client(file), []
        except ConfigError as error:
            yield file, None, list(error.problems)


def secret_files(config_dir: Path, worker: Worker | None, alerts: Alerts) -> list[Path]:
    """Those that hold keys, hashes of keys, or passwords."""
    found = [config_dir / "mailman.yml", config_dir / "local.key", *sorted((config_dir / "clients.d").glob("*.yml"))]
    found += sorted((config_dir / "dkim").glob("*/*.pem*"))
    if alerts.webhook.secret:
        found.append(config_dir / "alerts.yml")
    if alerts.webhook.secret_file and not alerts.webhook.secret_file.startswith(_CREDENTIALS):
        found.append(Path(alerts.webhook.secret_file))
    if worker is not None:
        if any(host.password for host in worker.smarthosts.values()):
            found.append(config_dir / "worker.yml")
        found += [Path(host.password_file) for host in worker.smarthosts.values() if host.password_file]
    return [file for file in dict.fromkeys(found) if file.exists()]


def secret(file: Path, user: str = USER) -> Secret:
    """Its mode, and whether the daemons' user may read it, as far as its mode tells."""
    said = file.stat()
    return Secret(
        str(file), stat.S_IMODE(said.st_mode), f"{_user(said.st_uid)}:{_group(said.st_gid)}", _may(said, user)
    )


def _may(said: os.stat_result, user: str) -> bool | None:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return None
    if said.st_uid == account.pw_uid:
        return bool(said.st_mode & stat.S_IRUSR)
    if said.st_gid in os.getgrouplist(user, account.pw_gid):
        return bool(said.st_mode & stat.S_IRGRP)
    return bool(said.st_mode & stat.S_IROTH)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _distrusted(why: str) -> Text:
    return Text(f"it is not trusted: {why}", f"不被信任：{why}")


def served_certificate(mailman: Mailman, now: float | None = None) -> list[Certificate]:
    """That of the postoffice's URL, where it is https."""
    parts = urlsplit(mailman.postoffice)
    if parts.scheme != "https" or not parts.hostname:
        return []
    try:
        context = ssl.create_default_context()
        if mailman.ca_file:
            file = Path(mailman.ca_file)
            context = (
                ssl.create_default_context(capath=file) if file.is_dir() else ssl.create_default_context(cafile=file)
            )
        with (
            socket.create_connection((parts.hostname, parts.port or 443), _WAIT) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            told = secure.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return [Certificate(mailman.postoffice, trouble=_distrusted(error.verify_message))]
    except OSError as error:
        return [Certificate(mailman.postoffice, trouble=same(str(error)))]
    ends = ssl.cert_time_to_seconds(str(told["notAfter"]))
    return [Certificate(mailman.postoffice, ends - (time.time() if now is None else now))]
