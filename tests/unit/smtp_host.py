"""A far side for the SMTP client's tests: one scripted conversation on a raw socket, in a thread of its own.

A script says and reads what it likes, so that hosts can misbehave. What it asserts fails the test, and so does a script
that is not through when the client is: every read has a time-out.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import uvloop

from hedwig.smtp import Deadlines, Report, Target, Transaction
from hedwig.smtp.connection import Connection, connect, dial
from hedwig.smtp.tls import OPPORTUNISTIC, Security

PATIENCE = 10.0  # seconds; only a failing test waits so long
LETTER = b"Subject: hello\r\n\r\n.a letter\r\n"


LOOPS = ("asyncio", "uvloop")


def a_loop(kind: str) -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop of that kind, closed afterwards: for a module's `event_loop` fixture."""
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop() if kind == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


class Peer:
    """The host's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""

    def say(self, *lines: str) -> None:
        """All lines in one write."""
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def more(self) -> bytes:
        """Whatever comes next; b"" at the end."""
        octets = self.sock.recv(1 << 16)
        self.buffer += octets
        return octets

    def line(self, start: str = "") -> bytes:
        """The next line with its end; it must begin with `start`."""
        while b"\n" not in self.buffer:
            assert self.more(), f"the client closed where {start} was due"
        line, end, self.buffer = self.buffer.partition(b"\n")
        assert line.startswith(start.encode()), line
        return line + end

    def body(self) -> bytes:
        """Everything up to the end of data, which must be the last octets that came."""
        while not (b"\r\n" + self.buffer).endswith(b"\r\n.\r\n"):
            assert self.more(), "the client closed within the body"
        octets, self.buffer = self.buffer, b""
        return octets

    def rest(self) -> bytes:
        """Everything up to the client's close, however abrupt."""
        with contextlib.suppress(ConnectionResetError):
            while self.more():
                pass
        return self.buffer

    def open(self, *keywords: str) -> None:
        """Banner and EHLO."""
        self.say("220 host.example")
        self.line("EHLO me.example")
        self.say(*(f"250-{word}" for word in ("host.example", *keywords)), "250 HELP")

    def group(self, *answers: str) -> list[bytes]:
        """MAIL, one RCPT and DATA, read whole before any of them is answered: so they came pipelined."""
        lines = [self.line("MAIL"), self.line("RCPT"), self.line("DATA")]
        assert self.buffer == b""
        self.say(*(answers or ("250 ok", "250 ok", "354 go")))
        return lines

    def secure(self, context: ssl.SSLContext) -> None:
        """The host's side of the handshake after STARTTLS."""
        self.sock = context.wrap_socket(self.sock, server_side=True)


Script = Callable[[Peer], None]


@contextlib.asynccontextmanager
async def host(*scripts: Script) -> AsyncIterator[Target]:
    """Each script serves one connection, in turn. Leaving waits for them and raises what they raised."""
    failures: list[BaseException] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE)

    def serve() -> None:
        try:
            for script in scripts:
                sock, _ = listener.accept()
                sock.settimeout(PATIENCE)
                peer = Peer(sock)
                try:
                    script(peer)
                finally:
                    peer.sock.close()
        except BaseException as failure:  # noqa: BLE001  carried to the test's own thread
            failures.append(failure)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Target("host.example", "127.0.0.1", listener.getsockname()[1])
    finally:
        await asyncio.to_thread(thread.join)
        listener.close()
    if failures:
        raise failures[0]


def letter(body: bytes = LETTER, *rcpttos: str) -> Transaction:
    """A transaction whose body is in memory."""
    return Transaction("a@example.com", rcpttos or ("b@example.org",), lambda: (body,), len(body))


def streamed(pieces: Callable[[], Iterable[bytes]], size: int) -> Transaction:
    """A transaction whose body comes in pieces, and is sent as it is or not at all."""
    return Transaction("a@example.com", ("b@example.org",), pieces, size, convert=False)


async def reach(
    target: Target,
    *,
    security: Security = OPPORTUNISTIC,
    deadlines: Deadlines | None = None,
    trace: Callable[[str], None] | None = None,
) -> Connection:
    """A connection to the scripted host, with the RFC's deadlines unless others are given."""
    return await connect(dial, target, "me.example", deadlines or Deadlines(), security=security, trace=trace)


def unmarked() -> None:
    """The dot mark of a message whose dot must not go out."""
    raise AssertionError("the dot was marked")


def words(report: Report) -> list[str]:
    """A report in brief: "rcpt 550" or "dot connection reset by peer" for each recipient."""
    return [f"{said.stage} {said.reply.code if said.reply else said.detail}" for said in report.said]
