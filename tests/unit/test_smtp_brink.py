"""The brink: what is awaited right before the final dot, with the conversation so far (I5), on both event loops."""

import asyncio
from collections.abc import Iterator

import pytest
from smtp_host import LETTER, LOOPS, Peer, a_loop, host, letter, reach, streamed, unmarked, words

from hedwig.reply import Stage
from hedwig.smtp import Brink
from hedwig.smtp.fitting import IN_MEMORY

pytestmark = pytest.mark.usefixtures("event_loop")
ANSWERS = ("250 sender ok", "250 recipient ok", "550 5.1.1 no", "354 go")


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


def two_rcpts(peer: Peer) -> None:
    peer.line("MAIL")
    peer.line("RCPT")
    peer.line("RCPT")
    peer.line("DATA")
    peer.say(*ANSWERS)


async def test_the_dot_waits_for_the_brink() -> None:
    """The body is there, the dot is not; then it goes out, and its reply decides."""
    ready = asyncio.Event()
    at_brink = asyncio.Event()
    brinks: list[Brink] = []
    loop = asyncio.get_running_loop()

    def script(peer: Peer) -> None:
        peer.open("PIPELINING", "DSN")
        two_rcpts(peer)
        while b"..a letter\r\n" not in peer.buffer:
            assert peer.more()
        assert b"\r\n.\r\n" not in peer.buffer
        loop.call_soon_threadsafe(ready.set)
        assert peer.body().endswith(b"\r\n.\r\n")
        peer.say("250 2.0.0 taken")
        peer.rest()

    async def wait(brink: Brink) -> None:
        brinks.append(brink)
        at_brink.set()
        await ready.wait()

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(letter(LETTER, "b@example.org", "c@example.org"), unmarked, wait)
        assert words(report) == ["dot 250", "rcpt 550"]
        assert report.reusable
        assert at_brink.is_set()
        connection.abort()
    (brink,) = brinks
    assert brink.places == (0,)
    assert brink.talk == (
        f"* host.example[127.0.0.1]:{target.port}, without TLS",
        "< 220 host.example",
        "> EHLO me.example",
        *("< 250-host.example", "< 250-PIPELINING", "< 250-DSN", "< 250 HELP"),
        "> MAIL FROM:<a@example.com>",
        "> RCPT TO:<b@example.org>",
        "> RCPT TO:<c@example.org>",
        "> DATA",
        *(f"< {answer}" for answer in ANSWERS),
        f"* {len(LETTER)} octets of the message are sent",
    )


async def test_a_kept_connection_tells_its_opening_and_this_letter_alone() -> None:
    """Letters before it on the same connection are none of its business; nothing is recorded without a brink."""
    talks: list[tuple[str, ...]] = []

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        for _ in range(3):
            peer.group()
            peer.body()
            peer.say("250 ok")
        peer.rest()

    async def keep(brink: Brink) -> None:
        talks.append(brink.talk)

    async with host(script) as target:
        connection = await reach(target)
        assert words(await connection.send(letter(), lambda: None)) == ["dot 250"]
        for _ in range(2):
            assert words(await connection.send(letter(), unmarked, keep)) == ["dot 250"]
        connection.abort()
    assert [line.startswith("> MAIL") for line in talks[0]].count(True) == 1
    assert talks[0] == talks[1]


@pytest.mark.parametrize("size", [10, IN_MEMORY + 1], ids=["whole", "streamed"])
async def test_a_host_that_hangs_up_at_the_brink_gets_no_dot(size: int) -> None:
    """Lost before the dot: a deferral at DATA, and nobody is in doubt."""
    body = b"x" * (size - 2) + b"\r\n"
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        while len(peer.buffer) < size:
            assert peer.more()
        peer.sock.close()
        loop.call_soon_threadsafe(gone.set)

    async def wait(brink: Brink) -> None:
        await gone.wait()
        while connection.alive or not connection._channel.closed:  # the loss must have been seen
            await asyncio.sleep(0.001)

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(streamed(lambda: (body,), size), unmarked, wait)
        assert [said.stage for said in report.said] == [Stage.DATA]
        assert not any(said.in_doubt for said in report.said)
        assert not report.reusable


async def test_a_refusal_in_the_middle_is_believed() -> None:
    """552 while the mark is being written: that is the outcome, and no dot goes out."""
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        peer.more()
        peer.say("552 5.3.4 too large")
        loop.call_soon_threadsafe(seen.set)
        assert b"\r\n.\r\n" not in peer.rest()

    async def wait(brink: Brink) -> None:
        await seen.wait()
        while not connection._channel.decided:  # the refusal must have been heard
            await asyncio.sleep(0.001)

    async with host(script) as target:
        connection = await reach(target)
        assert words(await connection.send(letter(), unmarked, wait)) == ["data 552"]


async def test_what_the_brink_raises_comes_out_and_no_dot_goes_out() -> None:
    """The disk under the dot marks is broken: the connection is dropped before the end of data."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        assert b"\r\n.\r\n" not in peer.rest()

    async def fail(brink: Brink) -> None:
        raise OSError(5, "Input/output error")

    async with host(script) as target:
        connection = await reach(target)
        with pytest.raises(OSError, match="Input/output error"):
            await connection.send(letter(), unmarked, fail)
        assert not connection.alive
