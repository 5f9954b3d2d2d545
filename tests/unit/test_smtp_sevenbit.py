"""8-bit mail to a host without 8BITMIME, over a connection: it is converted or refused, and never sent raw (I6)."""

import asyncio
import email
import itertools
import re
from collections.abc import Callable, Iterable, Iterator

import pytest
from smtp_host import LOOPS, Peer, Script, a_loop, host, reach, unmarked, words

from hedwig.reply import Stage
from hedwig.smtp import Report, Transaction
from hedwig.smtp.fitting import IN_MEMORY

pytestmark = pytest.mark.usefixtures("event_loop")
HEAD = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=gbk\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
LINES = ".你好，斯泰诺特！\r\n.\r\n联通 \r\n".encode("gbk")
SIZES = [0, IN_MEMORY // 2, IN_MEMORY, 3_000_000]  # in memory; so large only when it is converted; streamed


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


def of(message: bytes, *, convert: bool = True, smtputf8: bool = False) -> Transaction:
    """In pieces of a size that fits nothing, from an iterator that is gone once it is used."""
    cuts = range(0, len(message), 99_991)
    pieces: Callable[[], Iterable[bytes]] = lambda: (message[start : start + 99_991] for start in cuts)  # noqa: E731
    return Transaction("a@example.com", ("b@example.org",), pieces, len(message), smtputf8, convert=convert)


def gbk(size: int) -> bytes:
    return HEAD + LINES * (1 + size // len(LINES))


def taking(seen: list[bytes], *keywords: str) -> Script:
    """A host that takes one letter, and keeps MAIL's line and the letter."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING", *keywords)
        seen.append(peer.group()[0])
        tail, chunks = b"\r\n" + peer.buffer, [peer.buffer]
        while not tail.endswith(b"\r\n.\r\n"):
            chunks.append(peer.sock.recv(1 << 18))
            assert chunks[-1]
            tail = tail[-5:] + chunks[-1]
        seen.append(b"".join(chunks))
        peer.buffer = b""
        peer.say("250 2.0.0 taken")
        assert peer.rest() == b""

    return script


async def sent(transaction: Transaction, *keywords: str) -> tuple[Report, bytes, bytes]:
    """What became of it, MAIL's line, and the message that the host received."""
    seen: list[bytes] = []
    marks: list[int] = []
    async with host(taking(seen, *keywords)) as target:
        connection = await reach(target)
        report = await connection.send(transaction, lambda: marks.append(1))
        connection.abort()
    assert marks == [1]
    return report, seen[0], re.sub(rb"(\A|\r\n)\.", rb"\1", seen[1][:-3])


@pytest.mark.parametrize("size", SIZES)
async def test_a_seven_bit_host_gets_what_decodes_to_the_same(size: int) -> None:
    report, mail, received = await sent(of(gbk(size)), "SIZE 99000000")
    assert received.isascii()
    assert mail == b"MAIL FROM:<a@example.com> SIZE=%d\r\n" % len(received)
    assert email.message_from_bytes(received).get_payload(decode=True) == gbk(size)[len(HEAD) :]
    assert words(report) == ["dot 250"]
    assert report.said[0].detail == "its 8-bit content was sent as 7-bit, since the host does not offer 8BITMIME"


@pytest.mark.parametrize("size", SIZES)
async def test_an_eight_bit_host_gets_it_as_it_was(size: int) -> None:
    report, mail, received = await sent(of(gbk(size)), "8BITMIME")
    assert mail == b"MAIL FROM:<a@example.com> BODY=8BITMIME\r\n"
    assert received == gbk(size)
    assert report.said[0].detail == ""


@pytest.mark.parametrize("size", SIZES)
async def test_ascii_is_left_alone_whatever_its_label_says(size: int) -> None:
    """So its signature holds."""
    message = b"DKIM-Signature: v=1\r\n" + HEAD + b"x = 1 \r\n" * (1 + size // 8)
    report, mail, received = await sent(of(message), "SIZE")
    assert mail == b"MAIL FROM:<a@example.com> SIZE=%d\r\n" % len(message)
    assert received == message
    assert report.said[0].detail == ""


async def test_a_signature_that_was_broken_is_told() -> None:
    report, _, _ = await sent(of(b"DKIM-Signature: v=1\r\n" + gbk(0)))
    assert report.said[0].detail.endswith("does not offer 8BITMIME; that breaks its DKIM signature")


async def refused(transaction: Transaction, *keywords: str) -> tuple[Stage, str]:
    """Our own word on it; the host hears nothing, and the connection is as good as before."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING", *keywords)
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(transaction, unmarked)
        assert report.reusable
        connection.abort()
    assert report.said[0].reply is not None
    return report.said[0].stage, str(report.said[0].reply)


async def test_where_conversion_is_not_wanted_it_is_refused() -> None:
    said = "554 5.6.3 the message has 8-bit content and the host does not offer 8BITMIME"
    assert await refused(of(gbk(0), convert=False)) == (Stage.LOCAL, said)


async def test_a_large_one_is_refused_when_it_comes_to_that() -> None:
    """Where it isn't converted nobody looks through it before."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        assert b"\r\n.\r\n" not in peer.rest()

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(of(gbk(3_000_000), convert=False), unmarked)
    assert words(report) == ["local 554"]


@pytest.mark.parametrize("size", SIZES)
async def test_what_cant_be_converted_is_refused_before_it_is_begun(size: int) -> None:
    """A signature that its receiver could not check would be worse than a bounce."""
    signed = (
        b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n"
        + LINES * (1 + size // len(LINES))
        + b"--b--\r\n"
    )
    stage, said = await refused(of(signed))
    assert stage is Stage.LOCAL
    assert said == (
        "554 5.6.3 the host does not offer 8BITMIME, and the message can't be converted: "
        "it is signed (multipart/signed) with 8-bit octets in what is signed"
    )


@pytest.mark.parametrize("size", SIZES[1:])
async def test_the_size_that_counts_is_the_converted_one(size: int) -> None:
    stage, said = await refused(of(gbk(size)), f"SIZE {len(gbk(size)) + 1000}")
    assert stage is Stage.MAIL
    assert re.fullmatch(r"552 5\.3\.4 the message has \d+ octets, the host takes \d+", said)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bad", [b"a\nb", b"a\rb", b"a\0b"])
async def test_what_must_not_leave_is_not_hidden_by_an_encoding(size: int, bad: bytes) -> None:
    stage, said = await refused(of(gbk(size) + bad))
    assert stage is Stage.LOCAL
    assert said.startswith("554 5.6.0 ")


@pytest.mark.parametrize("size", SIZES)
async def test_a_header_that_needs_smtputf8_is_not_converted(size: int) -> None:
    """RFC 6530 §8: nobody on the way makes an internationalized message into another one."""
    message = "Subject: 你好\r\n".encode() + gbk(size)
    stage, said = await refused(of(message, smtputf8=True))
    assert (stage, said) == (
        Stage.LOCAL,
        "550 5.6.7 the message's header needs SMTPUTF8 and the host does not offer it",
    )
    _, _, received = await sent(of(message))
    assert received.startswith(b"Subject: =?utf-8?B?5L2g5aW9?=\r\n")


@pytest.mark.parametrize("size", SIZES)
async def test_a_body_of_another_length_is_our_fault(size: int) -> None:
    transaction = of(gbk(size))
    short = Transaction("", ("b@example.org",), transaction.body, transaction.size + 1)
    assert (await refused(short))[1].startswith("451 4.3.0 ")


async def test_a_host_that_goes_while_a_large_body_is_looked_through() -> None:
    """It says nothing about the message: the next connection gets it."""
    gone = asyncio.Event()

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")

    async with host(script) as target:
        connection = await reach(target)

        def pieces() -> Iterator[bytes]:
            yield from itertools.repeat(LINES * 10_000, 20)

        async def wait_for_the_end() -> None:
            while connection.alive:
                await asyncio.sleep(0)
            gone.set()

        waiting = asyncio.create_task(wait_for_the_end())
        size = 20 * 10_000 * len(LINES)
        report = await connection.send(Transaction("", ("b@example.org",), pieces, size), unmarked)
        await waiting
        assert not report.reusable
        assert report.said[0].stage is Stage.MAIL
        assert report.said[0].reply is None


async def test_others_have_their_turn_while_a_large_body_is_converted() -> None:
    """I9: no more than a block's work at a time."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await refused(of(gbk(3_000_000)), "SIZE 1")
    task.cancel()
    assert turns > 2 * 3_000_000 / (256 << 10)
