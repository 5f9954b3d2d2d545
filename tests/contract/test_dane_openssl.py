"""hedwig.dane after real handshakes, on both event loops; and OpenSSL's own DANE (`openssl s_client`) says the same.

OpenSSL does it within the handshake, from records that it is given before; Python has no door to that.
"""

import asyncio
import hashlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from certificates import CLIENTS_ONLY, Made, make, rsa_key
from dns_fixtures import program

from hedwig.dane import TlsaRecord, usable
from hedwig.dane.presented import presented_chain
from hedwig.dane.verify import verify

HOST = "mx.example.com"
ROOT = make("root", authority=True)
MIDDLE = ROOT.sign("middle", authority=True)
OLD = make("old", authority=True, days=(-20, -10))
RSA = make("rsa root", authority=True, key=rsa_key())
STRANGER = make("root", authority=True)
LEAF = MIDDLE.sign("mx", names=[HOST])
SELF = make(HOST, names=[HOST])
CHAINS = {
    "whole": (LEAF, MIDDLE, ROOT),
    "without root": (LEAF, MIDDLE),
    "alone": (LEAF,),
    "direct": (ROOT.sign("mx", names=[HOST]), ROOT),
    "rsa": (RSA.sign("mx", names=[HOST], key=rsa_key()), RSA),
    "self-signed": (SELF,),
    "self-signed twice": (SELF, SELF),
    "expired": (ROOT.sign("mx", names=[HOST], days=(-20, -10)), ROOT),
    "expired self-signed": (make(HOST, days=(-20, -10)),),
    "old authority": (OLD.sign("mx", names=[HOST]), OLD),
    "other name": (ROOT.sign("mx", names=["other.example.com"]), ROOT),
    "wildcard": (ROOT.sign("mx", names=["*.example.com"]), ROOT),
    "common name": (ROOT.sign(HOST), ROOT),
    "for clients": (ROOT.sign("mx", names=[HOST], usage=CLIENTS_ONLY), ROOT),
    "no authority": (ROOT.sign("a").sign("mx", names=[HOST]), ROOT.sign("a"), ROOT),
    "stranger's": (STRANGER.sign("mx", names=[HOST]), ROOT),
}
FORMS = [(usage, selector, matching) for usage in (2, 3) for selector in (0, 1) for matching in (0, 1)]

pytestmark = pytest.mark.usefixtures("event_loop")

Serve = Callable[[tuple[Made, ...]], Awaitable[int]]


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
async def serve(event_loop: asyncio.AbstractEventLoop, tmp_path: Path) -> AsyncIterator[Serve]:
    servers: list[asyncio.Server] = []

    async def one(chain: tuple[Made, ...]) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain[0].write(tmp_path / "chain.pem", *chain[1:]))
        server = await asyncio.start_server(_until_the_end, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield one
    for server in servers:
        server.close()


async def _until_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def shown(port: int) -> tuple[bytes, ...]:
    """What the host shows to a client that checks nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=HOST)
    chain = presented_chain(writer.get_extra_info("ssl_object"))
    writer.close()
    return chain


async def openssl_accepts(port: int, record: TlsaRecord) -> bool:
    """Whether OpenSSL, given this record, takes the host for HOST."""
    rdata = f"{record.usage} {record.selector} {record.matching} {record.association.hex()}"
    command = [
        *(program("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-brief", "-verify_return_error"),
        *("-dane_tlsa_domain", HOST, "-dane_ee_no_namechecks", "-dane_tlsa_rrdata", rdata),
    ]
    client = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await client.communicate()
    assert (b"Verification: OK" in output) == (client.returncode == 0), output
    return client.returncode == 0


@pytest.mark.parametrize("chain", ["whole", "alone", "self-signed twice"])
async def test_the_chain_as_the_host_shows_it(serve: Serve, chain: str) -> None:
    """All of it, its own certificate first, on a connection that checked none of it."""
    assert await shown(await serve(CHAINS[chain])) == tuple(made.der for made in CHAINS[chain])


async def test_connection_without_certificates() -> None:
    """No handshake yet: nothing was shown, and that is no exception."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert presented_chain(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=HOST)) == ()


@pytest.mark.parametrize("event_loop", ["asyncio"], indirect=True)
@pytest.mark.parametrize("chain", CHAINS)
async def test_openssl_says_the_same(serve: Serve, chain: str) -> None:
    """Each kind of chain, with records of all forms for each of its certificates, and for those that it lacks."""
    port = await serve(CHAINS[chain])
    ders = await shown(port)
    about = dict.fromkeys((*CHAINS[chain], ROOT, MIDDLE))
    records = [tlsa(*form, made) for made in about for form in FORMS]
    theirs = [await openssl_accepts(port, record) for record in records]
    ours = [verify(ders, usable([record]), [HOST]) for record in records]
    differing = [
        (str(record), accepted, failed)
        for record, accepted, failed in zip(records, theirs, ours, strict=True)
        if accepted != (failed is None)
    ]
    assert differing == []
    assert any(theirs)


def tlsa(usage: int, selector: int, matching: int, made: Made) -> TlsaRecord:
    octets = made.spki if selector else made.der
    return TlsaRecord(usage, selector, matching, hashlib.sha256(octets).digest() if matching else octets)
