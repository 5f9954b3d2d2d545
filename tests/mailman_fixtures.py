"""A mailman's listener on a free port of loopback, and a raw SMTP client: bytes out, replies in, nothing repaired."""

import asyncio
import contextlib
import dataclasses
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import pytest
import uvloop

from hedwig import log
from hedwig.bind import bound
from hedwig.doors import Doors
from hedwig.interfaces import InterfaceAddress
from hedwig.mailman import Submission
from hedwig.mailman.listener import KIND, Listener
from hedwig.reply import Reply
from hedwig.settings import Listen, Mailman
from hedwig.supervisor import HandedOn, Supervisor

SETTINGS = Mailman(fqdn="host.example", spool="/nonexistent/spool.db")
PATIENCE = 20.0  # seconds after which a test fails instead of waiting on


@pytest.fixture(params=["asyncio", "uvloop"], autouse=True)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """Each test runs on both event loops."""
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def journal() -> Iterator[list[tuple[log.Level, str, dict[str, str]]]]:
    """What was logged: (level, message, fields)."""
    entries: list[tuple[log.Level, str, dict[str, str]]] = []
    log.start("hedwig-mailman", debug=True)
    log.capture(lambda level, message, fields: entries.append((level, message, fields)))
    yield entries
    log.start("hedwig")


class Forwarder:
    """Takes submissions as the forwarder does. `verdict` may be replaced by a coroutine function or an exception."""

    def __init__(self) -> None:
        self.taken: list[Submission] = []
        self.verdict: Callable[[Submission], Awaitable[Reply]] | Exception | None = None

    async def __call__(self, submission: Submission) -> Reply:
        self.taken.append(submission)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        if self.verdict:
            return await self.verdict(submission)
        return Reply(250, "2.0.0", f"queued as {submission.queue_id}")


class Client:
    """A raw connection. Replies come as (code, text of all lines joined by newlines)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await asyncio.wait_for(self.writer.drain(), PATIENCE)

    async def reply(self) -> tuple[int, str]:
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readuntil(b"\n"), PATIENCE)).decode()
            assert line.endswith("\r\n")
            assert len(line) <= 512
            lines.append(line[4:-2])
            if line[3] == " ":
                return int(line[:3]), "\n".join(lines)

    async def ask(self, octets: bytes) -> tuple[int, str]:
        await self.send(octets)
        return await self.reply()

    async def greet(self) -> "Client":
        assert (await self.reply())[0] == 220
        assert (await self.ask(b"EHLO box\r\n"))[0] == 250
        return self

    async def transaction(self, mail: bytes = b"MAIL FROM:<a@b.example>", *rcpts: bytes) -> None:
        """Up to DATA's 354."""
        assert (await self.ask(mail + b"\r\n"))[0] == 250
        for rcpt in rcpts or (b"<c@d.example>",):
            assert (await self.ask(b"RCPT TO:" + rcpt + b"\r\n"))[0] == 250
        assert (await self.ask(b"DATA\r\n"))[0] == 354

    def reset(self) -> None:
        """Go away with an RST, as a killed container does."""
        end = self.writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def ended(self) -> bytes:
        """What comes before the other side closes."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)


class Host:
    """A listener that runs."""

    def __init__(self, listener: Listener, forwarder: Forwarder) -> None:
        self.listener, self.forwarder = listener, forwarder

    @property
    def port(self) -> int:
        return int(self.listener.sockets[0].getsockname()[1])

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()


def as_kept(listening: socket.socket) -> HandedOn:
    """As systemd hands on what a predecessor had it keep."""
    host, port = listening.getsockname()
    return HandedOn(f"smtp-{host}-{port}", listening)


@contextlib.asynccontextmanager
async def mailman(
    interfaces: Callable[[], Sequence[InterfaceAddress]] = tuple, **changes: object
) -> AsyncIterator[Host]:
    """A listener with these settings on a free port of loopback; it is stopped at the end."""
    forwarder = Forwarder()
    handed_on = [] if "listen" in changes else [as_kept(bound(("127.0.0.1", 0)))]
    changes.setdefault("listen", tuple(Listen(*one.socket.getsockname()) for one in handed_on))
    doors = Doors(KIND, Supervisor(handed_on=handed_on), interfaces)
    listener = Listener(dataclasses.replace(SETTINGS, **changes), forwarder, config_path="/etc/x.yml", doors=doors)
    await listener.start()
    try:
        yield Host(listener, forwarder)
    finally:
        await listener.stop(0.1)
