"""hedwig.smtp.connection over real sockets, on asyncio's loop and on uvloop: how it opens, and what it sends."""

import asyncio
import re
import socket
from collections.abc import Iterator

import pytest
from smtp_host import LETTER, LOOPS, Peer, a_loop, host, letter, reach, streamed, unmarked, words

from hedwig.reply import Reply, Stage
from hedwig.smtp import ConnectFailed, Deadlines, Report, Said, Target
from hedwig.smtp.connection import INLINE, connect
from hedwig.smtp.fitting import IN_MEMORY

MIB = 1 << 20
pytestmark = pytest.mark.usefixtures("event_loop")


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


# sending


async def test_a_letter_arrives_and_the_connection_is_used_again() -> None:
    """Pipelined, stuffed, marked once per message and before its dot (I5)."""
    marks: list[int] = []
    seen: list[bytes] = []
    marks_at_354: list[int] = []

    def script(peer: Peer) -> None:
        peer.open("PIPELINING", "SIZE 1000000", "8BITMIME")
        for _ in range(2):
            seen.extend(peer.group())
            marks_at_354.append(len(marks))
            seen.append(peer.body())
            peer.say("250 2.0.0 queued as 1")
        peer.line("QUIT")
        peer.say("221 bye")

    async with host(script) as target:
        connection = await reach(target)
        assert connection.tls == ""
        assert connection.extensions["SIZE"] == "1000000"
        for count in (1, 2):
            report = await connection.send(letter(), lambda: marks.append(1))
            assert report == Report((Said(Stage.DOT, Reply(250, "2.0.0", "queued as 1")),), reusable=True)
            assert len(marks) == count
        assert connection.alive
        assert connection.sent == 2
        await connection.quit()
        assert not connection.alive
    wire = [b"MAIL FROM:<a@example.com> SIZE=%d\r\n" % len(LETTER), b"RCPT TO:<b@example.org>\r\n", b"DATA\r\n"]
    assert seen == [*wire, b"Subject: hello\r\n\r\n..a letter\r\n.\r\n"] * 2


async def test_a_host_without_pipelining_is_served_in_lock_step() -> None:
    def script(peer: Peer) -> None:
        peer.open()
        for verb, answer in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("RCPT", "550 no"), ("DATA", "354 go")):
            peer.line(verb)
            assert peer.buffer == b""
            peer.say(answer)
        peer.body()
        peer.say("250 ok")
        peer.rest()

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(letter(LETTER, "b@example.org", "c@example.org"), lambda: None)
        assert words(report) == ["dot 250", "rcpt 550"]
        connection.abort()


@pytest.mark.parametrize("size", [0, 1, INLINE, INLINE + 1, IN_MEMORY, IN_MEMORY + 1, 5 * MIB + 3])
async def test_a_body_of_any_size_arrives_byte_for_byte(size: int) -> None:
    """In one write, in blocks, or streamed from pieces that end anywhere: the wire shows no difference."""
    marks: list[int] = []
    line = b".dots, 8-bit \xe4\xbd\xa0\xe5\xa5\xbd and more\r\n"
    body = (line * (size // len(line) + 1))[:size]
    if body.endswith(b"\r"):
        body = body[:-1] + b"x"
    expected = body + b"\r\n" if body and not body.endswith(b"\r\n") else body
    arrived: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.open("PIPELINING", "8BITMIME")
        peer.group()
        chunks = [peer.buffer]
        tail = b"\r\n"
        while not (tail + chunks[-1]).endswith(b"\r\n.\r\n"):
            tail = (tail + chunks[-1])[-5:]
            chunks.append(peer.sock.recv(1 << 18))
            assert chunks[-1]
        arrived.append(b"".join(chunks))
        peer.say("250 ok")
        peer.rest()

    pieces = [body[start : start + 99_991] for start in range(0, len(body), 99_991)]
    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(streamed(lambda: pieces, len(body)), lambda: marks.append(1))
        assert words(report) == ["dot 250"]
        assert marks == [1]
        connection.abort()
    assert arrived[0].endswith(b".\r\n")
    unstuffed = re.sub(rb"(\A|\r\n)\.", rb"\1", arrived[0][:-3])
    assert unstuffed == expected


async def test_replies_an_octet_at_a_time_are_replies() -> None:
    def slowly(peer: Peer, *lines: str) -> None:
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in "".join(f"{line}\r\n" for line in lines).encode():
            peer.sock.sendall(bytes([octet]))

    def script(peer: Peer) -> None:
        slowly(peer, "220 hi")
        peer.line("EHLO")
        slowly(peer, "250-host", "250 PIPELINING")
        for verb in ("MAIL", "RCPT", "DATA"):
            peer.line(verb)
        slowly(peer, "250 ok", "250-2.1.5 ok", "250 2.1.5 ok", "354 go")
        peer.body()
        slowly(peer, "250 taken")
        peer.rest()

    async with host(script) as target:
        connection = await reach(target)
        assert words(await connection.send(letter(), lambda: None)) == ["dot 250"]
        connection.abort()


async def test_a_host_that_cannot_take_it_is_not_asked() -> None:
    """SIZE, 8BITMIME and addresses are judged before a word is said; the connection stays good."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING", "SIZE 100")
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        assert words(await connection.send(letter(b"x" * 101), unmarked)) == ["mail 552"]
        assert words(await connection.send(streamed(lambda: (b"\xe6\r\n",), 3), unmarked)) == ["local 554"]
        assert words(await connection.send(letter(LETTER, "b@x\r\nDATA"), unmarked)) == ["local 553"]
        assert connection.alive
        connection.abort()


async def test_no_recipient_is_left_and_the_lone_dot_delivers_nothing() -> None:
    """RFC 2920 §3.1; the dot is not marked, for nobody can be in doubt."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group("250 ok", "550 5.1.1 unknown", "354 go")
        assert peer.body() == b".\r\n"
        peer.say("250 2.0.0 taken all the same")
        peer.rest()

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(letter(), unmarked)
        assert words(report) == ["rcpt 550"]
        assert report.reusable
        connection.abort()


# opening


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (["554 5.7.1 not you"], Said(Stage.BANNER, Reply(554, "5.7.1", "not you"))),
        (["421 busy"], Said(Stage.BANNER, Reply(421, "", "busy"))),
        (["220 hi", "450 later"], Said(Stage.EHLO, Reply(450, "", "later"))),
        ([], Said(Stage.BANNER, None, "connection closed by the far side")),
        (["220 hi"], Said(Stage.EHLO, None, "connection closed by the far side")),
        (["SSH-2.0-x"], Said(Stage.BANNER, None, "protocol error: not an SMTP reply: 'SSH-2.0-x'")),
    ],
)
async def test_an_opening_that_fails_says_where(replies: list[str], expected: Said) -> None:
    """Who refuses in words is told QUIT (RFC 5321 §3.1)."""
    farewell: list[bytes] = []

    def script(peer: Peer) -> None:
        for number, reply in enumerate(replies):
            if number:
                peer.line("EHLO")
            peer.say(reply)
        if expected.reply is not None:
            farewell.append(peer.rest())
        elif replies == ["220 hi"]:
            peer.line("EHLO")

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await reach(target)
        assert failure.value.said == expected
        assert failure.value.target == target
    if expected.reply is not None:
        assert farewell == [b"" if expected.reply.code == 421 else b"QUIT\r\n"]


async def test_an_old_host_is_greeted_with_helo() -> None:
    def script(peer: Peer) -> None:
        peer.say("220 hi")
        peer.line("EHLO")
        peer.say("502 what")
        peer.line("HELO me.example")
        peer.say("250 you")
        peer.rest()

    async with host(script) as target:
        connection = await reach(target)
        assert connection.extensions == {}
        connection.abort()


async def test_a_host_that_talks_before_it_is_asked_is_not_trusted() -> None:
    def script(peer: Peer) -> None:
        peer.say("220 hi", "250 you")
        assert peer.rest() == b""

    async with host(script) as target:
        with pytest.raises(ConnectFailed, match="no reply was due"):
            await reach(target)


async def test_a_closed_port_is_a_connect_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectFailed) as failure:
        await reach(Target("host.example", "127.0.0.1", port))
    assert failure.value.said == Said(Stage.CONNECT, None, "connection refused")


async def test_a_name_that_is_none_is_an_error_of_ours() -> None:
    async def undialled(_target: Target) -> socket.socket:
        raise AssertionError("dialled")

    with pytest.raises(ValueError, match="EHLO"):
        await connect(undialled, Target("h", "127.0.0.1"), "me\r\nRSET", Deadlines())


async def test_quit_on_a_host_that_has_gone_is_quiet() -> None:
    def script(peer: Peer) -> None:
        peer.open()
        peer.line("QUIT")

    async with host(script) as target:
        connection = await reach(target)
        await connection.quit()
        await connection.quit()
        assert not connection.alive


async def test_the_trace_has_every_line_and_little_of_the_body() -> None:
    """For `debug: true`; control characters don't reach the log (I11)."""
    lines: list[str] = []
    body = b"Subject: x\r\n\r\n" + b"y" * 300 + b"\r\n"

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        peer.body()
        peer.say("250 2.0.0 \x1b[31mtaken")
        peer.line("QUIT")
        peer.say("221 bye")

    async with host(script) as target:
        connection = await reach(target, trace=lines.append)
        await connection.send(letter(body), lambda: None)
        await connection.quit()
    assert lines == [
        "< 220 host.example",
        "> EHLO me.example",
        "< 250-host.example",
        "< 250-PIPELINING",
        "< 250 HELP",
        "> MAIL FROM:<a@example.com>",
        "> RCPT TO:<b@example.org>",
        "> DATA",
        "< 250 ok",
        "< 250 ok",
        "< 354 go",
        "> Subject: x " + "y" * 186 + f" [{len(body)} octets]",
        "> .",
        "< 250 2.0.0  [31mtaken",
        "> QUIT",
        "< 221 bye",
    ]
