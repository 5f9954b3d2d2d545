"""hedwig.smtp.connection over real sockets, on asyncio's loop and on uvloop: what is sent, and what is believed."""

import asyncio
import itertools
import re
import socket
from collections.abc import Callable, Iterable, Iterator

import pytest
import uvloop
from smtp_host import LETTER, Peer, host, letter

from hedwig.reply import Reply, Stage
from hedwig.smtp import ConnectFailed, Deadlines, Report, Said, Target, Transaction
from hedwig.smtp.connection import IN_MEMORY, INLINE, Connection, connect, dial

MIB = 1 << 20
pytestmark = pytest.mark.usefixtures("event_loop")


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


async def reach(target: Target, **more: object) -> Connection:
    return await connect(dial, target, "me.example", Deadlines(), **more)


def unmarked() -> None:
    raise AssertionError("the dot was marked")


def words(report: Report) -> list[str]:
    return [f"{said.stage} {said.reply.code if said.reply else said.detail}" for said in report.said]


def streamed(pieces: Callable[[], Iterable[bytes]], size: int) -> Transaction:
    return Transaction("a@example.com", ("b@example.org",), pieces, size)


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


ENDS = ("", "\r", "\n", "\r\n", "\r\r\n", "\r\n\n", "\n\r", "\r\r", "\n\n", "\r\n\r\n", "\0")


async def test_nothing_in_a_body_ends_it_early() -> None:
    """Smuggling: for each combination of line ends around a dot the body is refused and the host hears nothing, or what
    leaves has one end of data, at its end, whatever a host takes for one (I6)."""
    bodies = [
        f"Subject: x\r\n\r\nbegin{before}.{after}MAIL FROM:<evil@example.com>\r\n".encode()
        for before, after in itertools.product(ENDS, ENDS)
    ]
    clean = [body for body in bodies if not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", body)]
    assert 0 < len(clean) < len(bodies)

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        for body in clean:
            peer.group()
            sent = b"\r\n" + peer.body()
            assert [end.start() for end in re.finditer(rb"(?=[\r\n]\.[\r\n])", sent)] == [len(sent) - 4]
            assert re.sub(rb"\r\n\.", b"\r\n", sent)[2:-2] == body
            peer.say("250 ok")
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        for body in bodies:
            marks: list[int] = []
            report = await connection.send(letter(body), lambda marks=marks: marks.append(1))
            assert words(report) == (["dot 250"] if body in clean else ["local 554"])
            assert len(marks) == (body in clean)
            assert report.reusable
        connection.abort()


async def test_a_host_that_cannot_take_it_is_not_asked() -> None:
    """SIZE, 8BITMIME and addresses are judged before a word is said; the connection stays good."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING", "SIZE 100")
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        assert words(await connection.send(letter(b"x" * 101), unmarked)) == ["mail 552"]
        assert words(await connection.send(letter(b"\xe6\r\n"), unmarked)) == ["local 554"]
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


# what is not believed


@pytest.mark.parametrize("answer", ["250 2.0.0 taken", "354 go on", "rubbish", "2"])
async def test_a_word_before_the_body_is_not_the_dots(answer: str) -> None:
    """A 250 that comes with the 354 would else be taken for the acceptance of a message not yet sent."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group("250 ok", "250 ok", "354 go", answer)
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        [said] = (await connection.send(letter(), unmarked)).said
        assert (said.stage, said.reply) == (Stage.DATA, None)
        assert said.detail.startswith("protocol error")
        assert not connection.alive


@pytest.mark.parametrize(("answer", "said"), [("552 5.3.4 too big", "data 552"), ("421 bye", "data 421")])
async def test_a_refusal_with_the_354_is_believed(answer: str, said: str) -> None:
    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group("250 ok", "250 ok", "354 go", answer)
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(letter(), unmarked)
        assert words(report) == [said]
        assert not report.reusable


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("552 5.3.4 too big", "data 552"),
        ("452 4.3.1 full", "data 452"),
        ("250 2.0.0 taken", "data protocol error: 250 when no reply was due"),
        ("rubbish", "data protocol error: not an SMTP reply: 'rubbish'"),
    ],
)
async def test_a_reply_within_the_body(answer: str, said: str) -> None:
    """A refusal counts, an acceptance does not, and the dot is never sent."""
    piece = (b"x" * 78 + b"\r\n") * 13107
    size = 64 * len(piece)  # more than the buffers of both sockets hold: the host answers before all has left

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        assert len(peer.sock.recv(1000)) == 1000
        peer.say(answer)
        assert not peer.rest().endswith(b".\r\n")
        assert len(peer.buffer) < size

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(streamed(lambda: itertools.repeat(piece, 64), size), unmarked)
        assert words(report) == [said]
        assert not report.reusable


@pytest.mark.parametrize("word", ["250 again", "421 4.4.2 idle too long", "junk"])
async def test_a_word_to_an_idle_connection_ends_it(word: str) -> None:
    """A second 250 to one dot would answer the next MAIL, and shift every reply after it."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        peer.body()
        peer.say("250 ok", word)
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(letter(), lambda: None)
        assert words(report) == ["dot 250"]
        assert not report.reusable
        assert not connection.alive
        report = await connection.send(letter(), unmarked)
        assert words(report) == ["mail the connection was closed while idle"]
        await connection.quit()


async def test_an_extra_reply_in_lock_step_is_not_taken_for_the_next() -> None:
    def script(peer: Peer) -> None:
        peer.open()
        peer.line("MAIL")
        peer.say("250 ok", "250 ok")
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        assert words(await connection.send(letter(), unmarked)) == ["rcpt protocol error: 250 when no reply was due"]


# losses


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage.MAIL, "mail connection closed by the far side"),
        (Stage.RCPT, "rcpt connection closed by the far side"),
        (Stage.DATA, "data connection closed by the far side"),
        (Stage.DOT, "dot connection closed by the far side"),
    ],
)
async def test_a_closed_connection_is_told_at_its_stage(stage: Stage, expected: str) -> None:
    """Only after the dot is the recipient in doubt (I5)."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        for verb in ("MAIL", "RCPT", "DATA"):
            peer.line(verb)
        answers = {Stage.MAIL: (), Stage.RCPT: ("250 ok",), Stage.DATA: ("250 ok",) * 2}
        peer.say(*answers.get(stage, ("250 ok", "250 ok", "354 go")))
        if stage is Stage.DOT:
            peer.body()

    async with host(script) as target:
        connection = await reach(target)
        marks: list[int] = []
        report = await connection.send(letter(), lambda: marks.append(1))
        assert words(report) == [expected]
        assert report.said[0].in_doubt is (stage is Stage.DOT)
        assert bool(marks) is (stage is Stage.DOT)
        assert not report.reusable


async def test_a_reset_after_the_dot_is_in_doubt() -> None:
    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        peer.body()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(letter(), lambda: None)
        assert words(report) == ["dot connection reset by peer"]
        assert report.said[0].in_doubt


@pytest.mark.parametrize("size", [len(LETTER), 3 * MIB])
async def test_a_dot_that_cannot_be_marked_is_not_sent(size: int) -> None:
    """The disk of the dot marks is full: the message stays ours, and the error is heard (I5)."""
    body = b"x" * (size - 2) + b"\r\n"

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        assert not peer.rest().endswith(b".\r\n")

    def full() -> None:
        raise OSError(28, "No space left on device")

    async with host(script) as target:
        connection = await reach(target)
        with pytest.raises(OSError, match="No space"):
            await connection.send(letter(body), full)
        assert not connection.alive


async def test_a_body_that_breaks_off_is_not_ended() -> None:
    """The spool fails while a large body is read: no dot, and the error is the caller's."""

    def pieces() -> Iterator[bytes]:
        yield b"x" * MIB
        raise ConnectionError("the spool is gone")

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        assert not peer.rest().endswith(b".\r\n")

    async with host(script) as target:
        connection = await reach(target)
        with pytest.raises(ConnectionError, match="spool"):
            await connection.send(streamed(pieces, 2 * MIB), unmarked)
        assert not connection.alive


@pytest.mark.parametrize(
    ("end", "said"),
    [(b"a\nb\r\n", "local 554"), (b"a\r\rb\r\n", "local 554"), (b"\xe6\r\n", "local 554"), (b"", "local 451")],
)
async def test_a_streamed_body_that_must_not_leave_breaks_the_connection(end: bytes, said: str) -> None:
    """What is wrong shows after megabytes have gone: the dot never follows them (I6)."""
    start = (b"x" * 78 + b"\r\n") * 16384

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        assert not peer.rest().endswith(b".\r\n")

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(streamed(lambda: (start, end), len(start) + (len(end) or 5)), unmarked)
        assert words(report) == [said]
        assert not connection.alive


async def test_a_cancelled_send_drops_the_connection() -> None:
    """The worker stops while a dot's reply is due: the mark tells that it was out."""
    marked = asyncio.Event()

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        peer.body()
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        task = asyncio.ensure_future(connection.send(letter(), marked.set))
        await marked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not connection.alive


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
