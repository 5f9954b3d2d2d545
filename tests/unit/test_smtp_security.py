"""hedwig.smtp where a session must be secured: TLS required, from the first octet on, with the right host."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import make
from smtp_host import LOOPS, Peer, a_loop, host, letter, reach
from test_smtp_session import brief, tell

from hedwig.reply import Stage
from hedwig.smtp import ConnectFailed, Said
from hedwig.smtp.events import Ready, Refused
from hedwig.smtp.session import Session
from hedwig.smtp.tls import Security

pytestmark = pytest.mark.usefixtures("event_loop")


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(make("host.example").write(tmp_path / "host.pem"))
    return context


def offer(peer: Peer) -> None:
    """Up to the client's STARTTLS, unanswered."""
    peer.open("STARTTLS")
    peer.line("STARTTLS")


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        (["220 hi", "250-you|250 PIPELINING"], "starttls it offers no STARTTLS; because"),
        (["220 hi", "500 what", "250 you"], "starttls it offers no STARTTLS; because"),
        (["220 hi", "250-you|250 STARTTLS", "454 4.7.0 not now"], "starttls 454"),
        (["220 hi", "250-you|250 STARTTLS", "502 what"], "starttls 502"),
    ],
)
def test_where_tls_is_required_there_is_no_session_in_the_clear(replies: list[str], said: str) -> None:
    """It is we who refuse: the host gets its QUIT."""
    [*_, action] = tell(Session("me.example", required="because"), *replies)
    assert isinstance(action, Refused)
    assert action.ours
    assert brief(action.said) == said
    assert "because" in action.said.detail


def test_tls_from_the_first_octet() -> None:
    """RFC 8314 §3.3: the banner comes within it, and STARTTLS is not said; what came before it ends the session."""
    session = Session("me.example", required="because", implicit=True)
    assert session.stage is Stage.STARTTLS
    assert session.secured() is None
    assert tell(session, "220 hi", "250-you|250 STARTTLS")[-1] == Ready()
    [action] = tell(Session("me.example", implicit=True), "220 hi")
    assert isinstance(action, Refused)
    assert brief(action.said) == "starttls protocol error: 220 when no reply was due"


async def test_a_host_that_is_not_the_one_meant_hears_nothing_more(context: ssl.SSLContext) -> None:
    """Not even EHLO: who it is comes first."""
    seen: list[str] = []

    def check(tls: ssl.SSLObject) -> str:
        seen.append(str(tls.version()))
        return "its certificate is another's"

    def script(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        with contextlib.suppress(ssl.SSLError):  # uvloop closes before its part of the handshake has gone out
            peer.secure(context)
            assert peer.rest() == b""

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await reach(target, security=Security(required="because", check=check))
    assert failure.value.said == Said(Stage.STARTTLS, None, "its certificate is another's")
    assert seen == ["TLSv1.3"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_authentication_takes_no_tls_below_1_2(context: ssl.SSLContext) -> None:
    """RFC 8461 §7.2. What opportunistic TLS takes proves nobody."""
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    def script(peer: Peer) -> None:
        offer(peer)
        peer.say("220 go")
        with pytest.raises(ssl.SSLError):
            peer.secure(context)

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await reach(target, security=Security(required="because", authenticated=True))
    assert failure.value.said.stage is Stage.STARTTLS


async def test_required_tls_that_is_not_offered_ends_with_quit() -> None:
    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.line("QUIT")

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await reach(target, security=Security(required="this domain's policy wants it"))
    assert failure.value.said.detail == "it offers no STARTTLS; this domain's policy wants it"


async def test_implicit_tls_and_another_name_for_sni(context: ssl.SSLContext) -> None:
    named: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: named.append(name)

    def script(peer: Peer) -> None:
        peer.secure(context)
        peer.open("PIPELINING", "STARTTLS")
        peer.group()
        peer.body()
        peer.say("250 ok")
        peer.line("QUIT")
        peer.say("221 bye")

    async with host(script) as target:
        connection = await reach(target, security=Security(implicit=True, server_name="base.example"))
        assert connection.tls.startswith("TLSv1.3 ")
        assert (await connection.send(letter(), lambda: None)).said[0].delivered
        await connection.quit()
    assert named == ["base.example"]


async def test_a_host_in_the_clear_where_tls_was_to_be_implicit() -> None:
    def script(peer: Peer) -> None:
        peer.say("220 host.example ESMTP")
        peer.rest()

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await reach(target, security=Security(implicit=True))
    assert failure.value.said.stage is Stage.STARTTLS
