"""A nameserver for tests that does as it is told: broken answers, silence, forgeries. Real ones are in dns_fixtures.py.

The fixtures `event_loop` (asyncio's, then uvloop's) and `start` are imported by the test modules that use them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
import uvloop
from dns_fixtures import free_port

from hedwig.mx import Exchanger, MxFound

AMPLE = 10.0  # a resolver's `timeout` where an answer comes: its first wait is two fifths of it
SHORT = (
    2.0  # ... where a test waits for a time-out: short, but long enough that a loaded machine's answers come in time
)

Script = Callable[[dns.message.Message, bool], Iterable[bytes]]


class ScriptedDns(asyncio.DatagramProtocol):
    """A nameserver that does what `script` says: from the query, and whether it came by TCP, to datagrams in answer.

    Nothing is silence. `asked` lists the questions, as ("example.org.", "MX", by TCP), but controls for the root (see
    hedwig.mx.control); `ports` are the UDP ports that they came from. Runs in the test's event loop.
    """

    def __init__(self, script: Script, address: str = "127.0.0.1") -> None:
        self.script = script
        self.address = address
        self.port = 0
        self.asked: list[tuple[str, str, bool]] = []
        self.ports: set[int] = set()
        self._last_peer: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> "ScriptedDns":
        """Listen on `port` (0: a free one), UDP and TCP."""
        self.port = port or free_port(self.address)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.address, self.port))
        self._server = await asyncio.start_server(self._by_tcp, self.address, self.port)
        return self

    async def close(self) -> None:
        """Stop listening."""
        assert self._transport is not None and self._server is not None
        self._transport.close()
        self._server.close()
        await self._server.wait_closed()

    def _answers(self, query: bytes, by_tcp: bool) -> Iterable[bytes]:
        message = dns.message.from_wire(query)
        question = message.question[0]
        if question.name != dns.name.root:
            self.asked.append((question.name.to_text(), dns.rdatatype.to_text(question.rdtype), by_tcp))
        return self.script(message, by_tcp)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._last_peer = addr
        self.ports.add(addr[1])
        for answer in self._answers(data, False):
            self._transport.sendto(answer, addr)

    def resend(self, datagram: bytes) -> None:
        """Send this to whoever asked last."""
        assert self._transport is not None
        assert self._last_peer is not None
        self._transport.sendto(datagram, self._last_peer)

    async def _by_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            query = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            for answer in self._answers(query, True):
                writer.write(len(answer).to_bytes(2, "big") + answer)
            await writer.drain()
        writer.close()


def answer(query: dns.message.Message, *records: str, rcode: int = dns.rcode.NOERROR) -> dns.message.Message:
    """An answer with these records: "name TTL type rdata", as in a zone file, SOAs into the authority section."""
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.Rcode.make(rcode))
    for record in records:
        name, ttl, rdtype, rdata = record.split(" ", 3)
        section = response.authority if rdtype == "SOA" else response.answer
        section.append(dns.rrset.from_text(name, int(ttl), "IN", rdtype, rdata))
    return response


Start = Callable[..., Awaitable[ScriptedDns]]


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[ScriptedDns] = []

    async def one(script: Script, address: str = "127.0.0.1", port: int = 0) -> ScriptedDns:
        started.append(await ScriptedDns(script, address).start(port))
        return started[-1]

    yield one
    for server in started:
        await server.close()


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def good(query: dns.message.Message, by_tcp: bool = False) -> Iterable[bytes]:
    """MX 10 mx.example.net for every name, and one address of each family."""
    del by_tcp
    name, rdtype = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
    rdata = {"MX": "10 mx.example.net.", "A": "192.0.2.1", "AAAA": "2001:db8::1"}[rdtype]
    return [answer(query, f"{name} 60 {rdtype} {rdata}").to_wire()]


def silent(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
    del query, by_tcp
    return []


def failing(rcode: dns.rcode.Rcode) -> Script:
    return lambda query, by_tcp: [answer(query, rcode=rcode).to_wire()]


GOOD = MxFound((Exchanger(10, "mx.example.net"),))
