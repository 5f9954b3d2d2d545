"""hedwig.smtp over TLS: opportunistic, with any certificate, and nothing from the clear survives the handshake."""

import asyncio
import dataclasses
import datetime
import itertools
import pathlib
import ssl
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from smtp_host import LOOPS, Peer, a_loop, host, letter, reach, unmarked

from hedwig.reply import Reply, Stage
from hedwig.smtp import ConnectFailed, Deadlines, Said, Transaction
from hedwig.smtp.tls import CLEAR, server_name

pytestmark = pytest.mark.usefixtures("event_loop")


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Self-signed, expired, weak and for another name: all that is common among exchangers."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2001, 1, 1))
        .not_valid_after(datetime.datetime(2002, 1, 1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "host.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def context(certificate: pathlib.Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(certificate)
    return context


def offer(peer: Peer) -> None:
    """Up to the client's STARTTLS, unanswered."""
    peer.open("PIPELINING", "STARTTLS", "SIZE 1")
    peer.line("STARTTLS")
    assert peer.buffer == b""


def serve(peer: Peer) -> None:
    """EHLO and one message, whose body may be large."""
    peer.line("EHLO me.example")
    peer.say("250-host.example", "250 PIPELINING")
    peer.group()
    tail = b"\r\n" + peer.buffer
    while not tail.endswith(b"\r\n.\r\n"):
        tail = tail[-5:] + peer.sock.recv(1 << 18)
    peer.buffer = b""
    peer.say("250 ok")
    peer.line("QUIT")
    peer.say("221 bye")


@pytest.mark.parametrize("size", [100, 3_000_000])
async def test_a_letter_goes_through_tls_whatever_the_certificate(context: ssl.SSLContext, size: int) -> None:
    """And what the host announced in the clear (SIZE 1) counts no more (RFC 3207 §4.2)."""
    named: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: named.append(name)

    def script(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        peer.secure(context)
        serve(peer)

    async with host(script) as target:
        connection = await reach(target)
        assert connection.tls.startswith("TLSv1.3 TLS_")
        assert connection.extensions == {"PIPELINING": ""}
        report = await connection.send(letter(b"x" * (size - 2) + b"\r\n"), lambda: None)
        assert report.said[0].delivered
        assert report.reusable
        await connection.quit()
    assert named == ["host.example"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated")
async def test_an_old_host_gets_old_tls_rather_than_none(context: ssl.SSLContext) -> None:
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1

    def script(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        peer.secure(context)
        serve(peer)

    async with host(script) as target:
        connection = await reach(target)
        assert connection.tls.startswith("TLSv1 ")
        assert (await connection.send(letter(), lambda: None)).said[0].delivered
        await connection.quit()


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "502 5.5.1 what"])
async def test_a_refused_starttls_goes_on_in_the_clear(answer: str) -> None:
    """In the same session; what EHLO announced holds."""

    def script(peer: Peer) -> None:
        offer(peer)
        peer.say(answer)
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        assert connection.tls == ""
        assert connection.extensions["SIZE"] == "1"
        connection.abort()


@pytest.mark.parametrize("injected", ["250 ok", "250-half", "2"])
async def test_octets_in_the_clear_after_starttls_end_the_session(injected: str, context: ssl.SSLContext) -> None:
    """CVE-2011-0411: nobody may slip a reply in front of the ones that TLS protects."""

    def script(peer: Peer) -> None:
        offer(peer)
        peer.sock.sendall(b"220 go\r\n" + injected.encode() + b"\r\n"[: 2 * (len(injected) > 1)])
        assert peer.rest() == b""

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await reach(target)
        assert failure.value.said.stage is Stage.STARTTLS
        assert failure.value.said.reply is None
        assert failure.value.said.detail.startswith("protocol error")


async def test_a_handshake_that_fails_says_so_and_the_clear_remains() -> None:
    """The worker comes again with CLEAR; then STARTTLS is not said."""

    def broken(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        peer.more()
        peer.say("500 what is this")
        peer.rest()

    def clear(peer: Peer) -> None:
        peer.open("STARTTLS")
        assert peer.rest() == b""

    async with host(broken, clear) as target:
        with pytest.raises(ConnectFailed) as failure:
            await reach(target)
        assert failure.value.said.stage is Stage.STARTTLS
        assert failure.value.said.reply is None
        assert failure.value.said.detail.startswith("TLS handshake: ")
        connection = await reach(target, security=CLEAR)
        assert connection.tls == ""
        connection.abort()


async def test_a_connection_lost_in_the_handshake_is_told_at_starttls() -> None:
    def script(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        peer.more()

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await reach(target)
        assert failure.value.said.stage is Stage.STARTTLS


async def test_a_handshake_without_end_is_left() -> None:
    def script(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        peer.rest()

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await asyncio.wait_for(reach(target, deadlines=dataclasses.replace(Deadlines(), starttls=0.2)), 5)
        assert failure.value.said == Said(Stage.STARTTLS, None, "no TLS handshake within 0.2 s")


async def test_a_refusal_within_tls_is_the_ehlos(context: ssl.SSLContext) -> None:
    def script(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        peer.secure(context)
        peer.line("EHLO")
        peer.say("421 4.3.2 going down")
        peer.rest()

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await reach(target)
        assert failure.value.said == Said(Stage.EHLO, Reply(421, "4.3.2", "going down"))


async def test_a_connection_lost_after_the_dot_is_in_doubt_within_tls_too(context: ssl.SSLContext) -> None:
    def script(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        peer.secure(context)
        peer.line("EHLO")
        peer.say("250-host.example", "250 PIPELINING")
        peer.group()
        peer.body()

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(letter(), lambda: None)
        assert report.said[0].in_doubt


async def test_a_host_that_never_reads_is_left_within_tls_too(context: ssl.SSLContext) -> None:
    """TLS has buffers of its own between us and the socket: back-pressure must come through them."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        peer.secure(context)
        peer.line("EHLO")
        peer.say("250-host.example", "250 PIPELINING")
        peer.group()
        asyncio.run_coroutine_threadsafe(done.wait(), loop).result(10)

    async with host(script) as target:
        connection = await reach(target, deadlines=dataclasses.replace(Deadlines(), block=0.2))
        piece = b"x" * 65534 + b"\r\n"
        large = Transaction("", ("b@example.org",), lambda: itertools.repeat(piece, 1024), 1024 * len(piece))
        report = await asyncio.wait_for(connection.send(large, unmarked), 5)
        done.set()
        assert report.said == (Said(Stage.DATA, None, "the host took nothing within 0.2 s"),)


@pytest.mark.parametrize(
    ("host_name", "sni"),
    [
        ("mx.example.org", "mx.example.org"),
        ("mx.example.org.", "mx.example.org"),
        ("mx_1.example.org", "mx_1.example.org"),
        ("192.0.2.1", None),
        ("[192.0.2.1]", None),
        ("2001:db8::1", None),
        ("", None),
        (".example.org", None),
        ("a..example.org", None),
        ("x" * 64 + ".example.org", None),
        ("mx\0.example.org", None),
    ],
)
def test_sni_is_a_host_name_or_nothing(host_name: str, sni: str | None) -> None:
    """A name out of DNS that TLS can't carry must not break the handshake (I11)."""
    assert server_name(host_name) == sni
