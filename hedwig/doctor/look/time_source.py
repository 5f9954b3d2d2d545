"""The clock: what systemd says of it (timesyncd, chrony and ntpd all tell the kernel), and what an NTP server shows."""

import asyncio
import struct
import time
from collections.abc import Callable

from hedwig.doctor.finding import Text, Unknown, same
from hedwig.doctor.look.commands import runs_systemd, said_by
from hedwig.doctor.look.lookups import Lookups
from hedwig.doctor.network_rules import Clock

PORT = 123
_EPOCH = 2_208_988_800  # seconds from 1900, NTP's beginning, to 1970 (RFC 5905 §6)
_WAIT = 3.0


async def look(lookups: Lookups, server: str, clock: Callable[[], float] = time.time) -> Clock:
    """`server`: whom to ask, by name or address; "" for nobody."""
    synchronised = await _synchronised()
    if not server:
        return Clock(synchronised, trouble=Text("no NTP server was asked", "没有询问 NTP 服务器"))
    found = await lookups.addresses(server)
    if isinstance(found, Unknown) or not found:
        absent = Text(f"{server} has no address", f"{server} 没有地址")
        trouble = same(found.text) if isinstance(found, Unknown) else absent
        return Clock(synchronised, server=server, trouble=trouble)
    try:
        return Clock(synchronised, await _offset(found[0], clock), server)
    except (TimeoutError, OSError, ValueError) as error:
        silent = Text(f"{server} gives no answer within {_WAIT:g} s", f"{server} 在 {_WAIT:g} 秒内没有应答")
        trouble = same(str(error)) if str(error) else silent
        return Clock(synchronised, server=server, trouble=trouble)


async def _synchronised() -> bool | None:
    if not runs_systemd():
        return None
    said = await said_by("timedatectl", "show", "-p", "NTPSynchronized", "--value")
    return {"yes": True, "no": False}.get((said or "").strip())


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


async def _offset(address: str, clock: Callable[[], float]) -> float:
    """Seconds that the server's clock is ahead of ours (RFC 5905 §8)."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Answer(answer), remote_addr=(address, PORT))
    try:
        sent = clock()
        stamp = _stamp(sent)
        transport.sendto(b"\x23" + bytes(39) + stamp)  # version 4, client
        async with asyncio.timeout(_WAIT):
            octets = await answer
        came = clock()
    finally:
        transport.close()
    if len(octets) < 48 or octets[0] & 7 != 4 or octets[1] == 0 or octets[24:32] != stamp:
        raise ValueError(f"{address} gives no time")
    ahead: float = ((_seconds(octets[32:40]) - sent) + (_seconds(octets[40:48]) - came)) / 2
    return ahead


def _stamp(moment: float) -> bytes:
    return struct.pack("!II", (int(moment) + _EPOCH) & 0xFFFFFFFF, int(moment % 1 * (1 << 32)))


def _seconds(stamp: bytes) -> float:
    whole, part = (int(each) for each in struct.unpack("!II", stamp))
    era = 0 if whole & 0x80000000 else 1 << 32  # past 2036 (RFC 4330 §3)
    return float(whole + era - _EPOCH) + part / (1 << 32)
