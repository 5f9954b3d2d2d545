"""Fetching an MTA-STS policy: from a web server that behaves, and from all that don't (RFC 8461 §3.3)."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from certificates import Made, make

from hedwig.tls.sts import MAX_OCTETS
from hedwig.tlsrpt import Result
from hedwig.worker.sts_fetch import Cut, FetchFailed, fetch

HOST = "mta-sts.example.com"
POLICY = b"version: STSv1\nmode: none\nmax_age: 86400\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
Script = Callable[[ssl.SSLSocket], None]


class Web:
    """Web servers for one test, each of which answers one request as its script has it."""

    def __init__(self, directory: Path) -> None:
        self.authority = make("Test Authority", authority=True)
        self.requests: list[bytes] = []
        self.named: list[str | None] = []
        self._directory = directory
        self._ca_file = str(self.authority.write(directory / "ca.pem"))
        self._listeners: list[socket.socket] = []

    def get(self, answer: bytes | Script, *, certificate: Made | None = None, seconds: float = 10.0) -> bytes:
        """What is fetched from a server that gives this answer."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._listeners.append(listener)
        shown = (certificate or self.authority.sign("x", names=[HOST])).write(self._directory / "web.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(shown)
        context.sni_callback = lambda _socket, name, _context: self.named.append(name)

        def serve() -> None:
            connection, _ = listener.accept()
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += secure.recv(1 << 16)
                self.requests.append(request)
                if callable(answer):
                    answer(secure)
                else:
                    secure.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return fetch(HOST, "127.0.0.1", Cut(seconds), self._ca_file, port=listener.getsockname()[1])

    def fails(
        self, answer: bytes | Script, *, certificate: Made | None = None, seconds: float = 10.0
    ) -> tuple[Result, str]:
        """Why nothing is."""
        with pytest.raises(FetchFailed) as failure:
            self.get(answer, certificate=certificate, seconds=seconds)
        return failure.value.result, str(failure.value)

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    yield made
    made.close()


def whole(content: bytes, head: bytes = HEAD) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(content) + content


def test_a_policy_comes_as_it_lies_there(web: Web) -> None:
    """By name, though the connection goes to an address: in the request, and in SNI."""
    assert web.get(whole(POLICY)) == POLICY
    assert web.get(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nve\r\n1\r\nr\r\n0\r\n\r\n") == b"ver"
    assert web.get(HEAD + b"Connection: close\r\n\r\n" + POLICY) == POLICY
    assert web.get(whole(b"x" * MAX_OCTETS)) == b"x" * MAX_OCTETS
    assert web.requests[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert b"\r\nHost: mta-sts.example.com\r\n" in web.requests[0]
    assert set(web.named) == {HOST}


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"404 Not Found", b"500 Oh", b"204 Nothing"])
def test_only_200_is_an_answer(web: Web, status: bytes) -> None:
    """A redirect is not followed, and what lies behind it not looked at."""
    answer = b"HTTP/1.1 " + status + b"\r\nLocation: https://127.0.0.1/\r\nContent-Type: text/plain\r\n"
    result, text = web.fails(whole(POLICY, answer))
    assert result is Result.STS_FETCH_ERROR
    assert status.decode() in text
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n",
        b"HTTP/1.1 200 OK\r\n",
        HEAD + b"Content-Encoding: gzip\r\n",
    ],
)
def test_only_plain_text_is_a_policy(web: Web, head: bytes) -> None:
    content = gzip.compress(POLICY) if b"gzip" in head else POLICY
    assert web.fails(whole(content, head))[0] is Result.STS_INVALID


def test_a_policy_without_end_is_none(web: Web) -> None:
    """And is not read to it."""

    def endless(secure: ssl.SSLSocket) -> None:
        secure.sendall(HEAD + b"\r\n")
        while True:
            secure.sendall(b"mx: mx.example.com\n" * 1000)

    assert web.fails(whole(b"x" * (MAX_OCTETS + 1)))[0] is Result.STS_INVALID
    assert web.fails(endless)[0] is Result.STS_INVALID


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 500\r\n\r\n" + POLICY,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n" + POLICY,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n" + POLICY,
        b"",
        b"220 mx.example.com ESMTP\r\n",
    ],
)
def test_what_breaks_off_is_no_policy(web: Web, answer: bytes) -> None:
    assert web.fails(answer)[0] is Result.STS_FETCH_ERROR


@pytest.mark.parametrize("names", [["example.com"], ["mta-sts.example.org"], []])
def test_a_certificate_for_another_name(web: Web, names: list[str]) -> None:
    """Also where the common name is the right one: that is no name (§3.3)."""
    result, text = web.fails(whole(POLICY), certificate=web.authority.sign(HOST, names=names))
    assert result is Result.STS_WEBPKI_INVALID
    assert "its web server's TLS" in text
    assert web.requests == []


def test_a_certificate_that_nobody_vouches_for(web: Web) -> None:
    expired = web.authority.sign("x", names=[HOST], days=(-9, -1))
    assert web.fails(whole(POLICY), certificate=make("x", names=[HOST]))[0] is Result.STS_WEBPKI_INVALID
    assert "expired" in web.fails(whole(POLICY), certificate=expired)[1]


def test_dripping_gains_nothing(web: Web) -> None:
    """All of it has its time, head and body."""

    def drip(secure: ssl.SSLSocket) -> None:
        for octet in HEAD * 1000:
            secure.sendall(bytes([octet]))
            time.sleep(0.01)

    started = time.monotonic()
    result, text = web.fails(drip, seconds=0.5)
    assert (result, text) == (Result.STS_FETCH_ERROR, "its web server: nothing within 0.5 s")
    assert time.monotonic() - started < 5


def test_nobody_there() -> None:
    with pytest.raises(FetchFailed) as failure:
        fetch(HOST, "127.0.0.1", Cut(), port=1)
    assert str(failure.value) == "its web server: Connection refused"


def test_a_host_that_speaks_no_tls() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with pytest.raises(FetchFailed) as failure:
        fetch(HOST, "127.0.0.1", Cut(), port=listener.getsockname()[1])
    assert failure.value.result is not Result.SUCCESS
    listener.close()
