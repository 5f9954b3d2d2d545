"""Which addresses mail leaves from, and by which name: `sources` of worker.yml, or what the system chooses."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from hedwig import log
from hedwig.doctor.beside import in_thread
from hedwig.settings import Worker
from hedwig.worker import myself

_SOMEWHERE_V6 = (
    "2001:db8::1",
    9,
)  # documentation's: a datagram socket that connects sends nothing, and shows the route
_NAME_TIME = 6.0  # seconds for `hostname -f` and a PTR, which the system's resolver looks up


@dataclass(frozen=True, slots=True)
class Leaving:
    """`address`: as receivers see it; `bind`: to leave from, "" for the system's choice; `source`: its name in
    worker.yml, "" without one."""

    address: str
    ehlo: str
    source: str = ""
    bind: str = ""


async def leavings(settings: Worker, client: str = "", addresses: Sequence[str] = ()) -> list[Leaving]:
    """All of them; those of a client where it is named. `addresses`: that receivers see instead (NAT)."""
    ehlo = settings.ehlo or (await _own_name() if not settings.sources or _unnamed(settings) else "")
    if addresses:
        return [Leaving(address, ehlo or next(iter(_names(settings)), "")) for address in addresses]
    if not settings.sources:
        return [Leaving(address, ehlo, bind=address) for address in _chosen()]
    rule = settings.clients.get(client)
    wanted = rule.sources if rule is not None and rule.sources else tuple(settings.sources)
    return [
        Leaving(address, source.ehlo or ehlo, name, address)
        for name, source in settings.sources.items()
        if name in wanted
        for address in (source.ipv4, source.ipv6)
        if address
    ]


def _unnamed(settings: Worker) -> bool:
    return any(not source.ehlo for source in settings.sources.values())


def _names(settings: Worker) -> list[str]:
    return [source.ehlo for source in settings.sources.values() if source.ehlo]


async def _own_name() -> str:
    """As a worker finds it (worker/myself.py); its alarm is not ours to raise."""

    def find() -> str:
        with log.overheard(lambda *_: None):
            return myself.ehlo_name()

    try:
        async with asyncio.timeout(_NAME_TIME):
            return await in_thread(find)
    except TimeoutError:
        return f"[{myself.source_address()}]"


def _chosen() -> list[str]:
    """What the system would choose, of each family that has a way out."""
    found = [address for address in [myself.source_address()] if address != "127.0.0.1"]
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE_V6)
        except OSError:
            return found
        return [*found, str(probe.getsockname()[0])]
