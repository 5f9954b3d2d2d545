"""The host's own facts: units, listeners, disks, spools, workers. Each call blocks, or asks a program of the system."""

import ipaddress
import os
import socket
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from hedwig import interfaces
from hedwig.doctor.finding import NOTHING, Text, same
from hedwig.doctor.host_rules import Disk, Place, SpoolState, Unit
from hedwig.doctor.look.commands import runs_systemd, said_by
from hedwig.settings import Listen
from hedwig.spool.desk import open_desk
from hedwig.spool.examine import fault_of, see_log
from hedwig.spool.operate import Act, Filter
from hedwig.spool.trouble import Damaged, trouble
from hedwig.spool.words import SpoolTrouble, State
from hedwig.worker.slots import Slots

_PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,Result,NRestarts"
_WAIT = 3.0  # seconds for a listener's answer
_CHECK = 5.0  # seconds for a spool; a large one is looked at in part


async def units(names: Sequence[str]) -> list[Unit] | None:
    """As systemd has them, a pattern's too; None where it can't be asked."""
    if not runs_systemd():
        return None
    said = await said_by("systemctl", "show", f"--property={_PROPERTIES}", "--", *names)
    return None if said is None else read_units(said)


def read_units(said: str) -> list[Unit]:
    """From systemctl's paragraphs of NAME=VALUE. Pure."""
    found = []
    for paragraph in said.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
        if values.get("Id"):
            restarts = values.get("NRestarts", "0")
            found.append(
                Unit(
                    values["Id"],
                    values.get("LoadState", ""),
                    values.get("ActiveState", ""),
                    values.get("UnitFileState", ""),
                    values.get("Result", ""),
                    int(restarts) if restarts.isdigit() else 0,
                )
            )
    return found


def place(daemon: str, listen: Listen) -> Place:
    """A place of `listen`, and whether it answers as its daemon does."""
    shown = str(listen)
    if not listen.port:
        return Place(daemon, shown, _no_http(socket.AF_UNIX, listen.host))
    here = interfaces.addresses()
    docker0 = next((one.address for one in here if one.name == "docker0" and one.network.version == 4), "")
    address = next((one.address for one in here if one.name == listen.host), listen.host)
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return Place(daemon, shown, here=False, docker0=docker0)
    everywhere = known.is_unspecified or known.is_loopback
    if not everywhere and address not in {one.address for one in here}:
        return Place(daemon, shown, here=False, docker0=docker0, private=known.is_private)
    if known.is_unspecified:
        address = "::1" if known.version == 6 else "127.0.0.1"
    family = socket.AF_INET6 if known.version == 6 else socket.AF_INET
    ask = _no_greeting if daemon == "mailman" else _no_http
    return Place(daemon, shown, ask(family, (address, listen.port)))


def queue(url: str) -> Place:
    """The server of the MQ."""
    parts = urlsplit(url)
    where: str | tuple[str, int] = (parts.hostname, parts.port or 11300) if parts.hostname else parts.path
    family = socket.AF_INET if parts.hostname else socket.AF_UNIX
    return Place("queue", url, _asked(family, where, b"list-tube-used\r\n", b"USING "))


def _no_greeting(family: int, where: str | tuple[str, int]) -> Text:
    return _asked(family, where, b"", b"220")


def _no_http(family: int, where: str | tuple[str, int]) -> Text:
    return _asked(family, where, b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/")


def _asked(family: int, where: str | tuple[str, int], question: bytes, wanted: bytes) -> Text:
    """What is wrong with its answer; NOTHING where that is fine."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(_WAIT)
            client.connect(where)
            client.sendall(question)
            answer = client.recv(256)
    except TimeoutError:
        return Text(f"no answer within {_WAIT:g} s", f"{_WAIT:g} 秒内没有应答")
    except OSError as error:
        return same(error.strerror or str(error))
    first = answer.split(b"\r\n")[0].decode("ascii", "replace")
    if not answer.startswith(wanted):
        return (
            Text(f"it says {first}", f"它回答 {first}") if first else Text("it closes the connection", "它关闭了连接")
        )
    return same(first) if b" 503" in answer[:13] else NOTHING


def disk(folder: Path) -> Disk:
    """Of the nearest folder that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    said = os.statvfs(folder)
    free, size = said.f_bavail * said.f_frsize, said.f_blocks * said.f_frsize
    return Disk(str(folder), free, size, said.f_favail, said.f_files)


def spool(path: str, daemon: str, now: float | None = None) -> SpoolState:
    """Looked at by SQLite's own check, for a few seconds; and what waits in it."""
    if not Path(path).exists() and not Path(f"{path}-wal").exists():
        return SpoolState(path, daemon, absent=True)
    waiting, oldest = 0, float("inf")
    try:
        see_log(path)
        if fault := fault_of(path, _CHECK):
            return SpoolState(path, daemon, fault=fault)
        with closing(open_desk(path)) as desk:
            for state in (State.READY, State.DEFERRED):  # what is held or paused waits for the operator
                wanted = Filter(state=state)
                waiting += desk.tally(wanted, Act.DROP, few=1).recipients
                rows, _ = desk.listed(wanted, 1)
                oldest = min([oldest, *(row.accepted_at for row in rows)])
    except Damaged as error:
        return SpoolState(path, daemon, fault=str(error))
    except SpoolTrouble as error:
        return SpoolState(path, daemon, trouble=str(error))
    except sqlite3.Error as error:
        said = trouble(error, path)
        if isinstance(said, Damaged):
            return SpoolState(path, daemon, fault=str(said))
        return SpoolState(path, daemon, trouble=str(said))
    return SpoolState(path, daemon, waiting=waiting, oldest=max(0.0, (now or time.time()) - oldest) if waiting else 0.0)


def workers(run_dir: str) -> int:
    """How many run."""
    return Slots(run_dir).workers()
