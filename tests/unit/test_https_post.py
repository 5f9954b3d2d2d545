"""A POST to a URL that somebody else chose: what it sends, to whom, and how it ends whatever the far side does."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from certificates import make

from hedwig import https_post
from hedwig.https_post import post

ROOT = make("root", authority=True)
HOST = "reports.example"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Far:
    """An HTTPS server on loopback that answers with `answer`, whatever it is asked. `asked`: what it got."""

    def __init__(self) -> None:
        self.answer: bytes | None = OK
        self.asked = b""
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        self.asked = head + await reader.readexactly(length)
        if self.answer is not None:
            writer.write(self.answer)
            writer.close()


Post = Callable[..., Awaitable[str]]


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Far]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ROOT.sign("x", names=[HOST]).write(tmp_path / "far.pem"))
    made = Far()
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def send(far: Far, path: str = "/v1", host: str = HOST) -> str:
    trusting = ssl.create_default_context(cadata=ROOT.der)
    return await post(
        f"https://{host}:{far.port}{path}", "127.0.0.1", b"\x1f\x8bgz", "application/tlsrpt+gzip", trusting
    )


@pytest.mark.parametrize(("path", "target"), [("/v1", b"/v1"), ("", b"/"), ("/a?x=1&y", b"/a?x=1&y"), ("?x", b"/?x")])
async def test_what_is_sent(far: Far, path: str, target: bytes) -> None:
    """The whole content, and no name but the URL's: it was not looked up."""
    assert await send(far, path) == ""
    head, _, content = far.asked.partition(b"\r\n\r\n")
    assert content == b"\x1f\x8bgz"
    assert head.split(b"\r\n") == [
        b"POST " + target + b" HTTP/1.1",
        b"Host: " + HOST.encode() + b":" + str(far.port).encode(),
        b"Content-Type: application/tlsrpt+gzip",
        b"Content-Length: 4",
        b"Connection: close",
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 201 Created\r\n\r\n", ""),
        (b"HTTP/1.0 204\r\n\r\n", ""),
        (b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n", ""),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\n\r\n", "301 Moved"),
        (b"HTTP/1.1 503 \x1b[31mBusy\r\n\r\n", "503  [31mBusy"),
        (b"HTTP/1.1 404\r\n\r\n", "404"),
        (b"HTTP/1.1 100 Continue\r\n", "the connection was closed"),
        (b"", "the connection was closed"),
        (b"220 mx.example ESMTP\r\n", "no HTTP: 220 mx.example ESMTP"),
        (b"HTTP/1.1 200", "no HTTP: HTTP/1.1 200"),
        (b"x" * 100_000, "Separator"),
    ],
)
async def test_what_it_answers(far: Far, answer: bytes, why: str) -> None:
    """2yz is success; all else says why it isn't, in one line (I11)."""
    far.answer = answer
    said = await send(far)
    assert (said == why) or (why == "Separator" and why in said)


async def test_the_certificate_must_be_the_hosts(far: Far) -> None:
    assert "Hostname mismatch" in await send(far, host="other.example")
    assert far.asked == b""
    assert "CERTIFICATE_VERIFY_FAILED" in await post(f"https://{HOST}:{far.port}/", "127.0.0.1", b"", "text/plain")


async def test_a_host_that_says_nothing(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that drips, for the time is for all of it."""
    far.answer = None
    monkeypatch.setattr(https_post, "SECONDS", 0.5)
    assert await send(far) == "no answer within 0.5 s"


async def test_nobody_listens(unused_tcp_port: int) -> None:
    assert "refused" in (await post(f"https://{HOST}:{unused_tcp_port}/", "127.0.0.1", b"", "text/plain")).lower()
