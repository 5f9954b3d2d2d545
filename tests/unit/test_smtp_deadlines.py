"""hedwig.smtp's deadlines: a host that is silent, drips or does not read holds nobody longer than was agreed."""

import asyncio
import contextlib
import dataclasses
import itertools
import math
import socket
import time
from collections.abc import Iterator

import pytest
from smtp_host import LOOPS, Peer, a_loop, host, letter, reach

from hedwig.reply import Stage
from hedwig.smtp import ConnectFailed, Deadlines, Said, Target, Transaction
from hedwig.smtp.connection import connect
from hedwig.smtp.watch import Watch

SHORT = 0.15
LONG = Deadlines()
pytestmark = pytest.mark.usefixtures("event_loop")


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


def short(stage: Stage) -> Deadlines:
    """All deadlines as the RFC has them, but this one."""
    return dataclasses.replace(LONG, **{stage.value: SHORT})


def linger(peer: Peer, drips: bytes) -> None:
    """Says nothing more, or one octet now and then, until the client goes."""
    peer.sock.settimeout(SHORT / 10)
    left = itertools.chain(drips, itertools.repeat(None))
    for octet in left:
        try:
            if octet is not None:
                peer.sock.sendall(bytes([octet]))
            if not peer.sock.recv(1 << 16):
                return
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            return


DRIPS = [b"", b"250-" + b"x" * 5000]


@pytest.mark.parametrize("drips", DRIPS, ids=["silent", "dripping"])
@pytest.mark.parametrize("stage", [Stage.BANNER, Stage.EHLO, Stage.STARTTLS])
async def test_an_opening_ends_in_time(stage: Stage, drips: bytes) -> None:
    """No octet buys more time: the deadline is for the whole reply."""

    def script(peer: Peer) -> None:
        if stage is Stage.STARTTLS:
            peer.open("STARTTLS")
            peer.line("STARTTLS")
        elif stage is Stage.EHLO:
            peer.say("220 hi")
            peer.line("EHLO")
        linger(peer, drips)

    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await asyncio.wait_for(reach(target, deadlines=short(stage)), 5)
        assert failure.value.said == Said(stage, None, f"no reply within {SHORT} s")


@pytest.mark.parametrize("drips", DRIPS, ids=["silent", "dripping"])
@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
async def test_a_transaction_ends_in_time(stage: Stage, drips: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        for verb in ("MAIL", "RCPT", "DATA"):
            peer.line(verb)
        answers = {Stage.MAIL: (), Stage.RCPT: ("250 ok",), Stage.DATA: ("250 ok",) * 2}
        peer.say(*answers.get(stage, ("250 ok", "250 ok", "354 go")))
        if stage is Stage.DOT:
            peer.body()
        linger(peer, drips)

    async with host(script) as target:
        connection = await reach(target, deadlines=short(stage))
        report = await asyncio.wait_for(connection.send(letter(), lambda: None), 5)
        assert report.said == (Said(stage, None, f"no reply within {SHORT} s"),)
        assert report.said[0].in_doubt is (stage is Stage.DOT)
        assert not report.reusable
        assert not connection.alive


async def test_a_host_that_never_reads_is_left() -> None:
    """A body that does not flow is given up under the block's deadline, and the dot was never marked."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    marks: list[int] = []

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        asyncio.run_coroutine_threadsafe(done.wait(), loop).result(10)

    async with host(script) as target:
        connection = await reach(target, deadlines=dataclasses.replace(LONG, block=SHORT))
        piece = b"x" * 65534 + b"\r\n"
        large = Transaction("", ("b@example.org",), lambda: itertools.repeat(piece, 1024), 1024 * len(piece))
        report = await asyncio.wait_for(connection.send(large, lambda: marks.append(1)), 5)
        done.set()
        assert report.said == (Said(Stage.DATA, None, f"the host took nothing within {SHORT} s"),)
        assert marks == []


async def test_many_slow_replies_cannot_outlast_the_session() -> None:
    """Each in time, together for ever: the session's own deadline ends it."""
    names = tuple(f"b{number}@example.org" for number in range(2000))

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while True:
                peer.say("250 ok")
                time.sleep(SHORT / 20)

    async with host(script) as target:
        connection = await reach(target, deadlines=dataclasses.replace(LONG, session=2 * SHORT))
        report = await asyncio.wait_for(connection.send(letter(b"x\r\n", *names), lambda: None), 5)
        assert {said.detail for said in report.said} == {f"the session took longer than {2 * SHORT} s"}


async def test_the_dots_reply_has_its_full_time() -> None:
    """I5: cutting the wait at the end of the session would make doubles; but no further message is begun."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        peer.body()
        time.sleep(3 * SHORT)  # the session's time runs out: that is what is tested
        peer.say("250 taken")
        peer.rest()

    async with host(script) as target:
        connection = await reach(target, deadlines=dataclasses.replace(LONG, session=2 * SHORT))
        report = await asyncio.wait_for(connection.send(letter(), lambda: None), 5)
        assert report.said[0].delivered
        assert not report.reusable
        assert not connection.alive
        connection.abort()


async def test_a_dial_that_hangs_ends_in_time() -> None:
    async def hang(_target: Target) -> socket.socket:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    target = Target("host.example", "192.0.2.1")
    with pytest.raises(ConnectFailed) as failure:
        await connect(hang, target, "me.example", dataclasses.replace(LONG, connect=SHORT))
    assert failure.value.said == Said(Stage.CONNECT, None, f"no connection within {SHORT} s")


async def test_the_kernels_own_timeout_is_told_as_such() -> None:
    async def unreachable(_target: Target) -> socket.socket:
        raise TimeoutError(110, "Connection timed out")

    with pytest.raises(ConnectFailed, match="connection timed out"):
        await connect(unreachable, Target("host.example", "192.0.2.1"), "me.example", LONG)


async def test_quit_waits_but_shortly() -> None:
    def script(peer: Peer) -> None:
        peer.open()
        peer.line("QUIT")
        linger(peer, b"")

    async with host(script) as target:
        connection = await reach(target, deadlines=short(Stage.QUIT))
        await asyncio.wait_for(connection.quit(), 5)
        assert not connection.alive


async def test_after_quit_the_host_closes_first() -> None:
    """Until then it counts the connection: one that is opened instead would be one too many."""
    closed: list[float] = []

    def script(peer: Peer) -> None:
        peer.open()
        peer.line("QUIT")
        peer.say("221 bye")
        time.sleep(0.2)
        closed.append(time.monotonic())

    async with host(script) as target:
        connection = await reach(target)
        await connection.quit()
        assert closed and closed[0] <= time.monotonic()


async def test_a_host_that_does_not_close_after_quit_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedwig.smtp.connection.PARTING", 0.05)

    def script(peer: Peer) -> None:
        peer.open()
        peer.line("QUIT")
        peer.say("221 bye")
        peer.rest()

    async with host(script) as target:
        connection = await reach(target)
        await asyncio.wait_for(connection.quit(), 5)


async def test_an_idle_connection_has_no_deadline() -> None:
    """Between messages nothing is due: only the worker's own bound ends an idle connection."""

    def script(peer: Peer) -> None:
        peer.open("PIPELINING")
        peer.group()
        peer.body()
        peer.say("250 ok")
        peer.rest()

    stages = {stage.value: SHORT for stage in (Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.DATA)}
    async with host(script) as target:
        connection = await reach(target, deadlines=dataclasses.replace(LONG, **stages))
        await asyncio.sleep(2 * SHORT)  # twice what any reply has: no timer may have been left behind
        assert connection.alive
        assert (await connection.send(letter(), lambda: None)).said[0].delivered
        connection.abort()


async def test_the_watch_rings_once_and_only_when_due() -> None:
    """Moved away it stays silent, moved nearer it rings in time, stopped it never rings."""
    loop = asyncio.get_running_loop()
    rung = asyncio.Event()
    watch = Watch(loop, rung.set)
    start = loop.time()
    watch.set(start + SHORT / 3)
    watch.set(start + SHORT)
    watch.set(start + 60)
    watch.set(start + SHORT)
    await asyncio.wait_for(rung.wait(), 5)
    assert loop.time() >= start + SHORT
    rung.clear()
    watch.set(loop.time() + SHORT / 10)
    watch.set(math.inf)
    watch.set(loop.time() + SHORT / 10)
    watch.stop()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rung.wait(), SHORT)
