"""Probing a host: MAIL and RCPT, then QUIT. Never DATA, whatever it answers."""

import asyncio
from collections.abc import Iterator

import pytest
from smtp_host import LOOPS, Peer, a_loop, host, letter, reach, words

from hedwig.reply import Reply, Stage
from hedwig.smtp import Report, Said
from hedwig.smtp.commands import Letter
from hedwig.smtp.events import Action, Heard, Ready, Send
from hedwig.smtp.inquiry import inquiry, probe
from hedwig.smtp.session import Session, State

pytestmark = pytest.mark.usefixtures("event_loop")


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


def opened(*keywords: str) -> Session:
    session = Session("me.example")
    session.heard(Heard(220, ("hello",)))
    assert isinstance(session.heard(Heard(250, ("you", *keywords))), Ready)
    return session


def asked(*replies: str, keywords: tuple[str, ...] = ("PIPELINING",)) -> tuple[list[bytes], Action | None, Session]:
    """What was sent, what came of it, and the session afterwards."""
    session = opened(*keywords)
    composed = inquiry("", "b@y.org", session.extensions)
    assert isinstance(composed, Letter)
    action: Action | None = session.begin(composed, asking=True)
    sent = []
    for reply in replies:
        assert isinstance(action, Send), action
        sent.append(action.octets)
        action = session.heard(Heard(int(reply[:3]), (reply[4:],)))
    return sent, action, session


@pytest.mark.parametrize(
    ("replies", "said", "reusable"),
    [
        (["250 ok", "250 2.1.5 ok"], Said(Stage.RCPT, Reply(250, "2.1.5", "ok")), True),
        (["250 ok", "251 will forward"], Said(Stage.RCPT, Reply(251, "", "will forward")), True),
        (["250 ok", "550 5.1.1 nobody"], Said(Stage.RCPT, Reply(550, "5.1.1", "nobody")), True),
        (["250 ok", "451 4.7.1 later"], Said(Stage.RCPT, Reply(451, "4.7.1", "later")), True),
        (["550 5.7.1 go away"], Said(Stage.MAIL, Reply(550, "5.7.1", "go away")), True),
        (["250 ok", "421 4.3.2 closing"], Said(Stage.RCPT, Reply(421, "4.3.2", "closing")), False),
        (["421 busy"], Said(Stage.MAIL, Reply(421, "", "busy")), False),
        (["250 ok", "354 go on"], Said(Stage.RCPT, None, "protocol error: 354 at RCPT"), False),
    ],
)
def test_the_reply_to_rcpt_ends_it(replies: list[str], said: Said, reusable: bool) -> None:
    """In lock-step although the host has PIPELINING, so that nothing is on its way when it has answered."""
    sent, action, _ = asked(*replies)
    assert action == Report((said,), reusable)
    assert sent == [b"MAIL FROM:<>\r\n", b"RCPT TO:<b@y.org>\r\n"][: len(replies)]


def test_what_comes_after_a_probe_begins_anew() -> None:
    """A transaction on the same connection is none of the probe's: it is reset, and goes on to DATA."""
    _, _, session = asked("250 ok", "250 ok")
    composed = inquiry("a@x.org", "c@y.org", session.extensions)
    assert isinstance(composed, Letter)
    action = session.begin(composed)
    assert isinstance(action, Send)
    assert action.octets == b"RSET\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<c@y.org>\r\nDATA\r\n"
    assert session.state is State.RSET


ALL = {"SIZE": "1000", "8BITMIME": "", "SMTPUTF8": "", "DSN": ""}


@pytest.mark.parametrize(
    ("mailfrom", "rcptto", "announced", "mail", "rcpt"),
    [
        ("", "b@y.org", ALL, b"MAIL FROM:<>\r\n", b"RCPT TO:<b@y.org>\r\n"),
        ("a@x.org", "b@bücher.example", {}, b"MAIL FROM:<a@x.org>\r\n", b"RCPT TO:<b@xn--bcher-kva.example>\r\n"),
        ("", "jörg@y.org", ALL, b"MAIL FROM:<> SMTPUTF8\r\n", "RCPT TO:<jörg@y.org>\r\n".encode()),
    ],
)
def test_it_says_no_more_than_is_known(
    mailfrom: str, rcptto: str, announced: dict[str, str], mail: bytes, rcpt: bytes
) -> None:
    """No size, for there is no message."""
    made = inquiry(mailfrom, rcptto, announced)
    assert isinstance(made, Letter)
    assert (made.mail, made.rcpts) == (mail, (rcpt,))


async def test_a_connection_probes_and_says_quit() -> None:
    heard: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.open("PIPELINING", "SIZE 1000")
        for answer in ("250 ok", "550 5.1.1 nobody here", "221 bye"):
            heard.append(peer.line())
            peer.say(answer)
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        said = await probe(connection, "", "b@example.org")
        assert said == Said(Stage.RCPT, Reply(550, "5.1.1", "nobody here"))
        await connection.quit()
    assert heard == [b"MAIL FROM:<>\r\n", b"RCPT TO:<b@example.org>\r\n", b"QUIT\r\n"]


async def test_a_host_that_goes_away_is_a_value_too() -> None:
    def script(peer: Peer) -> None:
        peer.open()
        peer.line("MAIL")

    async with host(script) as target:
        connection = await reach(target)
        said = await probe(connection, "", "b@example.org")
        assert (said.stage, said.reply) == (Stage.MAIL, None)
        assert not connection.alive
        again = await probe(connection, "", "b@example.org")
        assert again == Said(Stage.MAIL, None, "the connection is closed")


async def test_what_we_refuse_the_host_never_hears() -> None:
    """SMTPUTF8 that it lacks, and what is no address (I11)."""

    def script(peer: Peer) -> None:
        peer.open()
        assert peer.rest() == b"QUIT\r\n"

    async with host(script) as target:
        connection = await reach(target)
        for rcptto, status in (("jörg@example.org", "5.6.7"), ("a>\r\nDATA\r\n@example.org", "5.1.3")):
            said = await probe(connection, "", rcptto)
            assert (said.stage, said.reply and said.reply.enhanced) == (Stage.LOCAL, status)
        await connection.quit()


async def test_a_letter_may_follow() -> None:
    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.line("MAIL")
        peer.say("250 ok")
        peer.line("RCPT")
        peer.say("250 ok")
        peer.line("RSET")
        peer.say("250 ok")
        peer.group()
        peer.body()
        peer.say("250 taken")
        peer.line("QUIT")
        peer.say("221 bye")

    async with host(script) as target:
        connection = await reach(target)
        await probe(connection, "", "b@example.org")
        assert words(await connection.send(letter(), lambda: None)) == ["dot 250"]
        await connection.quit()
