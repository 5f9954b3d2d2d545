"""The end of data and nothing else ends data (I6); large letters, full disks, slow senders (I9)."""

import asyncio
import io
import itertools
import time

import pytest
from mailman_fixtures import event_loop, journal, mailman  # noqa: F401

from hedwig.mailman import service
from hedwig.mailman.intake import Intake
from hedwig.reply import Reply

BREAKS = [
    bytes(letters) for length in range(5) for letters in itertools.product(b"\r\n", repeat=length)
]  # "" to any four of CR and LF: 31 of them
HEADER = b"From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\n"
SMUGGLED = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<victim@d.example>\r\nDATA\r\n"


def expected(octets: bytes) -> tuple[bytes, bytes]:
    """Content and rest, by the words of RFC 5321 §4.1.1.4 and nothing of the code under test."""
    before, end, rest = (b"\r\n" + octets).partition(b"\r\n.\r\n")
    assert end
    lines = (before + b"\r\n")[2:].split(b"\r\n")
    return b"\r\n".join(line.removeprefix(b".") for line in lines), rest


def test_no_mixture_of_cr_and_lf_around_a_dot_ends_data_however_the_chunks_are_cut():
    for before, after in itertools.product(BREAKS, BREAKS):
        octets = b"x" + before + b"." + after + SMUGGLED + b".\r\n\r\n.\r\nQUIT\r\n"
        content, rest = expected(octets)
        for size in (1, 2, 3, 5, len(octets)):
            intake = Intake(1000)
            got = None
            for start in range(0, len(octets), size):
                got = intake.feed(octets[start : start + size])
                if got is not None:
                    got += octets[start + size :]
                    break
            assert got == rest
            assert intake.content() == content
            assert intake.received == len(octets) - len(rest)


async def test_no_smuggled_letter_over_a_real_socket():
    """961 forms of "end of data" around a dot: only CRLF.CRLF ends the letter; the rest of each is its content."""
    ended = 0
    async with mailman() as host, host.client() as client:
        await client.greet()
        for before, after in itertools.product(BREAKS, BREAKS):
            octets = HEADER + b"x" + before + b"." + after + SMUGGLED
            host.forwarder.taken.clear()
            if b"\r\n.\r\n" in octets:
                # Here the letter truly ends, and what follows would be commands.
                ended += 1
                async with host.client() as other:
                    await other.greet()
                    await other.transaction()
                    assert (await other.ask(octets))[0] == 250
            else:
                await client.transaction()
                assert (await client.ask(octets + b"end\r\n.\r\n"))[0] == 250
            (taken,) = host.forwarder.taken
            crlfs = taken.body.count(b"\r\n")
            assert taken.body.count(b"\r") == taken.body.count(b"\n") == crlfs
            assert taken.body.count(SMUGGLED + b"end\r\n") == (b"\r\n.\r\n" not in octets)
    # CRLF after any two or fewer letters, and before any two or fewer: 7 times 7.
    assert ended == 49


async def test_8_bit_gbk_and_dots_arrive_byte_for_byte():
    body = b"".join(
        (b".\r\n", b"..\r\n", b".a\r\n", "中文，标点。\r\n".encode("gbk"), bytes(range(128, 256)) + b"\r\n", b"...\r\n")
    )
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.transaction()
        stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
        assert (await client.ask(HEADER + stuffed + b".\r\n"))[0] == 250
        assert host.forwarder.taken[0].body.endswith(HEADER + body)


@pytest.mark.parametrize("first", [b".\r\n", b"..\r\n.\r\n", b".x\r\n.\r\n"])
async def test_a_dot_on_the_very_first_line(first):
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.transaction()
        assert (await client.ask(first))[0] == 250
        body = host.forwarder.taken[0].body.partition(b"\r\n\r\n")[2]
        assert body == {b".\r\n": b"", b"..\r\n.\r\n": b".\r\n", b".x\r\n.\r\n": b"x\r\n"}[first]


async def test_25_mib_arrive_byte_for_byte_within_two_seconds(tmp_path):
    body = (b".%075d\r\n" * 1000) % tuple(range(1000)) * 336
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
    async with mailman(spool=str(tmp_path / "spool.db")) as host, host.client() as client:
        await client.greet()
        await client.transaction()
        began = time.process_time()
        assert (await client.ask(HEADER + stuffed + b".\r\n"))[0] == 250
        spent = time.process_time() - began
        assert host.forwarder.taken[0].body.endswith(HEADER + body)
        assert list(tmp_path.iterdir()) == []
    assert spent < 2


@pytest.mark.parametrize("size", [1000, 300_000])
async def test_size_is_honoured_to_the_octet(size):
    line = b".23456789.123456789\r\n"
    content = HEADER + line * ((size - len(HEADER)) // len(line))
    content += b"x" * (size - len(content) - 2) + b"\r\n"
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    async with mailman(max_size=size) as host, host.client() as client:
        await client.greet()
        assert await client.ask(b"MAIL FROM:<a@b.example> SIZE=%d\r\n" % (size + 1)) == (
            552,
            f"5.3.4 the message is too large: {size} octets are taken",
        )
        await client.transaction(b"MAIL FROM:<a@b.example> SIZE=%d" % size)
        assert (await client.ask(stuffed + b".\r\n"))[0] == 250
        await client.transaction()
        code, text = await client.ask(b"x" + stuffed + b".\r\n")
        assert (code, text[:6]) == (552, "5.3.4 ")
        await client.transaction()
        code, text = await client.ask(b"x\r\n" * (2 * size) + b".\r\n")
        assert (code, text[:6]) == (552, "5.3.4 ")
        assert (await client.ask(b"NOOP\r\n"))[0] == 250
        assert len(host.forwarder.taken) == 1


@pytest.mark.parametrize(
    ("content", "status"), [(b"Received: x\r\n" * 51, "5.4.6 "), (b"S: x\r\n\r\na\0b\r\n", "5.6.0 ")]
)
async def test_loops_and_nuls_are_refused(content, status):
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.transaction()
        code, text = await client.ask(content + b".\r\n")
        assert (code, text[:6]) == (554, status)
        assert host.forwarder.taken == []
        await client.transaction()


async def test_a_full_disk_is_452_and_small_letters_pass(journal):  # noqa: F811
    """I8. Letters that are arriving may hold no more disk than spool_limit."""
    async with mailman(spool_limit=400_000) as host, host.client() as client:
        await client.greet()
        await client.transaction()
        code, text = await client.ask(b"x\r\n" * 300_000 + b".\r\n")
        assert (code, text[:6]) == (452, "4.3.1 ")
        await client.transaction()
        assert (await client.ask(b"x\r\n.\r\n"))[0] == 250
        assert host.listener._service.on_disk == 0
        await client.transaction()
        assert (await client.ask(b"x\r\n" * 120_000 + b".\r\n"))[0] == 250
        assert host.listener._service.on_disk == 0
    assert any("spool_limit is 400000" in message for _, message, _ in journal)


async def test_a_disk_that_is_truly_full_is_452(monkeypatch, journal):  # noqa: F811
    async with mailman() as host, host.client() as client:
        monkeypatch.setattr(service.Service, "file_for_large", lambda _: io.FileIO("/dev/full", "r+b"))
        await client.greet()
        await client.transaction()
        code, text = await client.ask(b"x\r\n" * 300_000 + b".\r\n")
        assert (code, text[:6]) == (452, "4.3.1 ")
        await client.transaction()
        assert (await client.ask(b"x\r\n.\r\n"))[0] == 250
        assert len(host.forwarder.taken) == 1
    assert any("No space left on device" in message for _, message, _ in journal)


def test_a_file_that_takes_a_part_only_of_each_write_loses_nothing(tmp_path):
    class Grudging(io.FileIO):
        def write(self, octets):
            return super().write(bytes(octets)[:7])

    intake = Intake(1 << 20)
    letter = b"".join(b".%d\r\n" % number for number in range(5000))
    with Grudging(tmp_path / "letter", "w+b") as file:
        for start in range(0, len(letter), 999):
            assert intake.feed(letter[start : start + 999]) is None
            intake.spill(file)
            assert intake.in_memory <= 5
        assert intake.feed(b".\r\nQUIT\r\n") == b"QUIT\r\n"
        assert intake.content() == letter.replace(b".", b"")


async def test_large_letters_wait_for_memory_and_small_ones_pass_by():
    """I9: while one large letter is being handed on, a second waits and a small one does not."""
    gate, came = asyncio.Event(), asyncio.Queue()
    large = HEADER + b"x" * 60 + b"\r\n"
    large += (b"y" * 76 + b"\r\n") * (service.LARGE // 26)

    async with mailman() as host, host.client() as one, host.client() as two, host.client() as three:
        host.listener._service.memory = service.Budget(len(large) + 1000)

        async def verdict(submission):
            await came.put(len(submission.body))
            if len(submission.body) > service.LARGE:
                await gate.wait()
            return Reply(250, "2.0.0", "queued")

        host.forwarder.verdict = verdict
        for client in (one, two):
            await client.greet()
            await client.transaction()
            await client.send(large + b".\r\n")
        assert await asyncio.wait_for(came.get(), 10) > service.LARGE
        await three.greet()
        await three.transaction()
        assert (await three.ask(b"small\r\n.\r\n"))[0] == 250
        assert await came.get() < 1000
        assert came.empty()
        gate.set()
        assert (await one.reply())[0] == 250
        assert (await two.reply())[0] == 250
        assert host.listener._service.memory.used == 0


@pytest.mark.parametrize("stage", ["greeting", "command", "data"])
async def test_a_peer_that_drips_or_is_silent_is_cut_off(stage, journal):  # noqa: F811
    """One octet each 50 ms does not hold a connection of idle time-out 0.3 s for a second longer than that."""
    async with mailman(idle_timeout=0.3) as host, host.client() as client:
        if stage != "greeting":
            await client.greet()
        if stage == "data":
            await client.transaction()
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def drip():
            while stage != "greeting":
                client.writer.write(b"x")
                await asyncio.sleep(0.05)

        dripping = asyncio.ensure_future(drip())
        try:
            farewell = await client.ended()
        except ConnectionResetError:
            farewell = b"421 4.4.2 "  # our octets crossed with the close
        dripping.cancel()
        assert loop.time() - began < 2
        assert b"421 4.4.2 " in farewell
    assert any("too slow" in message for _, message, _ in journal)


async def test_a_peer_that_reads_no_replies_is_cut_off(journal):  # noqa: F811
    async with mailman(idle_timeout=0.3) as host:
        async with host.client() as client:
            client.writer.get_extra_info("socket").setsockopt(1, 8, 4096)
            client.reader._transport.pause_reading()
            with pytest.raises((ConnectionError, TimeoutError)):
                async with asyncio.timeout(30):
                    while True:
                        client.writer.write(
                            b"MAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<c@d.example>\r\n" * 900 + b"EHLO x\r\n"
                        )
                        await client.writer.drain()
                        await asyncio.sleep(0)
        assert host.listener.connections == 0


async def test_time_that_the_forwarder_needs_is_not_the_clients():
    async def verdict(_):
        await asyncio.sleep(0.5)
        return Reply(250, "2.0.0", "queued")

    async with mailman(idle_timeout=0.2) as host, host.client() as client:
        host.forwarder.verdict = verdict
        await client.greet()
        await client.transaction()
        assert (await client.ask(b".\r\n"))[0] == 250
        assert (await client.ask(b"QUIT\r\n"))[0] == 221
