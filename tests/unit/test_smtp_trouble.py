"""hedwig.smtp.connection with hosts that misbehave: what is not sent, not believed, and said of a lost connection."""

import asyncio
import itertools
import re
import socket
from collections.abc import Iterator

import pytest
from smtp_host import LETTER, LOOPS, Peer, a_loop, host, letter, reach, streamed, unmarked, words

from hedwig.reply import Stage

MIB = 1 << 20
pytestmark = pytest.mark.usefixtures("event_loop")


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


# what is not sent

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


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("250 again", "mail protocol error: 250 when no reply was due"),
        ("421 4.4.2 idle too long", "mail 421"),
        ("junk", "mail protocol error: not an SMTP reply: 'junk'"),
    ],
)
async def test_a_word_to_an_idle_connection_ends_it(word: str, said: str) -> None:
    """A second 250 to one dot would answer the next MAIL, and shift every reply after it. Who comes next learns why."""

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
        assert words(report) == [said]
        await connection.quit()


async def test_a_connection_that_is_closed_while_idle_says_so() -> None:
    """By the host, between two letters; or by ourselves."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        peer.body()
        peer.say("250 ok")

    async with host(script) as target:
        connection = await reach(target)
        await connection.send(letter(), lambda: None)
        while connection.alive:
            await asyncio.sleep(0.01)
        assert words(await connection.send(letter(), unmarked)) == ["mail connection closed by the far side"]
    connection.abort()
    assert not connection.alive


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
