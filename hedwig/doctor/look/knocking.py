"""A connection to a receiver's MX from one of our addresses: greeting, EHLO, QUIT. No letter is spoken of."""

import asyncio
import contextlib
import errno
import ipaddress
import re
from dataclasses import dataclass

from hedwig.doctor.finding import Text, Unknown, same
from hedwig.doctor.look.lookups import Lookups
from hedwig.doctor.reach_rules import Knock, Reach
from hedwig.reply import one_line

CONNECT = 4.0  # seconds
ANSWER = 5.0
_MOST = 100  # lines of a reply
_SEEN = re.compile(r"\[(?:IPv6:)?([0-9a-fA-F.:]{3,45})\]")


@dataclass(frozen=True, slots=True)
class Door:
    """Whom to connect to. `receiver`: a domain; `address`: that is judged; `bind`: the one to leave from, "" for the
    system's choice."""

    receiver: str
    address: str
    bind: str
    ehlo: str
    port: int = 25


async def knock(lookups: Lookups, door: Door) -> Knock:
    """How far one gets, within some ten seconds."""
    wanted = 6 if ":" in door.address else 4
    found = await lookups.mx(door.receiver)
    if isinstance(found.hosts, Unknown):
        return Knock(door.receiver, door.address, Reach.NO_HOST, trouble=same(found.hosts.text))
    for host in found.hosts:
        there = () if isinstance(host.addresses, Unknown) else host.addresses
        fit = [each for each in there if ipaddress.ip_address(each).version == wanted]
        if fit:
            return await _at(door, host.name, fit[0])
    none = Text(f"no MX by IPv{wanted}", f"没有 IPv{wanted} 的 MX")
    return Knock(door.receiver, door.address, Reach.NO_HOST, trouble=none)


async def _at(door: Door, host: str, address: str) -> Knock:
    def failed(reach: Reach, english: str, chinese: str = "") -> Knock:
        trouble = Text(*(f"{address}: {one_line(each)}" for each in (english, chinese or english)))
        return Knock(door.receiver, door.address, reach, host, trouble=trouble)

    try:
        async with asyncio.timeout(CONNECT):
            local = (door.bind, 0) if door.bind else None
            reader, writer = await asyncio.open_connection(address, door.port, local_addr=local)
    except TimeoutError:
        return failed(Reach.SILENT, f"nothing within {CONNECT:g} s", f"{CONNECT:g} 秒内没有应答")
    except OSError as error:
        reach = Reach.UNBOUND if error.errno == errno.EADDRNOTAVAIL else Reach.CLOSED
        return failed(reach, str(error.strerror or error))
    try:
        async with asyncio.timeout(ANSWER):
            return await _talk(door, host, reader, writer)
    except TimeoutError:
        return failed(
            Reach.SILENT, f"connected, but no greeting within {ANSWER:g} s", f"已连上，{ANSWER:g} 秒内没有问候"
        )
    except (OSError, EOFError, ValueError) as error:
        return failed(Reach.CLOSED, str(error) or type(error).__name__)
    finally:
        writer.close()


async def _talk(door: Door, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Knock:
    code, greeting = await _reply(reader)
    said = greeting
    if code == 220:
        writer.write(f"EHLO {door.ehlo}\r\n".encode("ascii", "replace"))
        code, said = await _reply(reader)
    with contextlib.suppress(OSError):
        writer.write(b"QUIT\r\n")
        await writer.drain()
    words = greeting if 200 <= code < 300 else said
    return Knock(door.receiver, door.address, Reach.ANSWERED, host, words, code, _seen_as(said))


async def _reply(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Code and first line. EOFError, ValueError for what is no reply (RFC 5321 §4.2)."""
    first = ""
    for _ in range(_MOST):
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the connection was closed")
        if not re.match(rb"[2-5]\d\d(?:[ -]|\r?\n)", line):
            raise ValueError(f"no SMTP: {one_line(line[:80].decode('ascii', 'replace'))}")
        first = first or one_line(line.decode("utf-8", "replace").strip())
        if line[3:4] != b"-":
            return int(first[:3]), first
    raise ValueError("an endless reply")


def _seen_as(words: str) -> str:
    """The address in the answer to EHLO, as many servers give it: "at your service, [203.0.113.7]"."""
    found = _SEEN.search(words)
    try:
        return str(ipaddress.ip_address(found[1])) if found else ""
    except ValueError:
        return ""
