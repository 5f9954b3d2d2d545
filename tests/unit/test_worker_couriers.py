"""Couriers, dispatch and settling over a real spool, against scripted receivers on loopback."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hedwig import queueid
from hedwig.envelope import Envelope, digest
from hedwig.mx import AddressAnswer, AddressesFound, Exchanger, MxAnswer, MxFound
from hedwig.settings import Retry
from hedwig.smtp import Deadlines
from hedwig.spool import Bytes, Kind, NewMessage, State, Waiting
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.worker.bag import Bag
from hedwig.worker.delivery import Rules
from hedwig.worker.dispatch import Dispatch
from hedwig.worker.dots import DotMarks
from hedwig.worker.route import Myself, Route, Router
from hedwig.worker.settle import Settler
from hedwig.worker.tools import Tools

OWNER = "host/1"


class Names:
    """A resolver: one site of the hosts given, in order of preference."""

    def __init__(self, hosts: dict[str, str]) -> None:
        self.hosts = hosts

    async def exchangers(self, domain: str) -> MxAnswer:
        return MxFound(tuple(Exchanger(number, host) for number, host in enumerate(self.hosts)))

    async def addresses(self, host: str) -> AddressAnswer:
        return AddressesFound((self.hosts[host],))


class Receiver:
    """An SMTP server for one test. `at_dot(number)` gives what to do with the number-th message in all: a reply, or
    None to drop the connection. `close_after`: messages on a connection before the server closes it silently."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.connections = 0
        self.at_dot: Callable[[int], bytes | None] = lambda number: b"250 2.0.0 ok\r\n"
        self.close_after = 1000
        self.wait_at_dot = asyncio.Event()
        self.wait_at_dot.set()
        self.wait_at_mail = asyncio.Event()
        self.wait_at_mail.set()
        self.at_dot_now = asyncio.Event()
        self.server: asyncio.Server | None = None

    async def start(self) -> int:
        self.server = await asyncio.start_server(self.session, "127.0.0.1", 0, limit=1 << 22)
        return int(self.server.sockets[0].getsockname()[1])

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        carried = 0
        writer.write(b"220 there ESMTP\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while carried < self.close_after and (line := await reader.readline()):
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(b"250-there\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                elif verb == b"MAIL":
                    await self.wait_at_mail.wait()
                    writer.write(b"250 ok\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go\r\n")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    self.at_dot_now.set()
                    await self.wait_at_dot.wait()
                    answer = self.at_dot(len(self.messages))
                    self.messages.append(content)
                    if answer is None:
                        break
                    carried += 1
                    writer.write(answer)
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")
        writer.close()


class Rig:
    """A worker's delivering half: what is registered in `spool` is claimed and carried by `send`."""

    def __init__(self, tmp_path: Path, hosts: dict[str, str], port: int) -> None:
        self.spool: SqliteSpool = open_spool(str(tmp_path / "spool.db"))
        self.hinted: list[Waiting] = []
        self.settler = Settler(self.spool, self.hinted.extend, time.time)
        self.router = Router(Names(hosts), Myself("robot.genee.cn", ()), port)
        self.tools = Tools(
            spool=self.spool,
            router=self.router,
            bag=Bag(),
            dots=DotMarks(tmp_path / "1.dots"),
            settler=self.settler,
            rules=Rules(Retry(schedule=(60,), jitter=0.0), "robot.genee.cn", lambda: 0.5),
            deadlines=Deadlines(connect=5, banner=5, ehlo=5, mail=5, rcpt=5, data=5, dot=5),
        )
        self.dispatch = Dispatch(self.tools)
        self.running = asyncio.create_task(self.settler.run())

    async def register(self, count: int, destination: str = "example.com", body: bytes = b"S: x\r\n\r\nhi\r\n") -> None:
        now = time.time()
        envelope = Envelope("a@example.org", (f"b@{destination}",))
        messages = [
            NewMessage(
                queueid.new(),
                "less.nankai.edu.cn",
                envelope,
                Bytes(body),
                digest(envelope, [body]),
                now,
                now + 86400,
                envelope.by_destination(),
            )
            for _ in range(count)
        ]
        await asyncio.wrap_future(self.spool.register(messages))

    async def send(self, destination: str = "example.com") -> None:
        now = time.time()
        due = [waiting.delivery for waiting in self.spool.due(destination, now, 1000)]
        route = await self.router.route(destination)
        assert isinstance(route, Route)
        for claim in await asyncio.wrap_future(self.spool.claim(due, OWNER, now)):
            self.dispatch.carry(claim, route)

    async def settled(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    def states(self) -> list[State]:
        return [recipient.state for recipient in self.spool.queued()[0]]

    async def close(self) -> None:
        await self.dispatch.stop(0)
        self.settler.stop()
        await self.running
        self.spool.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    yield made
    if made.server:
        made.server.close()


@pytest.fixture
async def rig(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, {"mx.example.com": "127.0.0.1"}, await receiver.start())
    yield made
    await made.close()


async def test_many_messages_share_few_connections(rig: Rig, receiver: Receiver) -> None:
    await rig.register(100)
    await rig.send()
    await rig.settled(lambda: not rig.states())
    assert len(receiver.messages) == 100
    assert receiver.connections <= 10
    assert rig.tools.bag.messages == 0


async def test_a_kept_connection_that_the_receiver_closed_costs_nothing(rig: Rig, receiver: Receiver) -> None:
    receiver.close_after = 1
    for _ in range(3):
        await rig.register(1)
        await rig.send()
        await rig.settled(lambda: not rig.states())
    assert len(receiver.messages) == 3
    assert rig.settler.counts[Kind.DEFERRED] == 0


async def test_the_reply_to_the_dot_lost_is_in_doubt_and_not_sent_again_at_once(rig: Rig, receiver: Receiver) -> None:
    receiver.at_dot = lambda number: None
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.IN_DOUBT] == 1)
    await rig.settled(lambda: rig.states() == [State.DEFERRED])
    assert len(receiver.messages) == 1
    assert rig.spool.queued()[0][0].due > time.time() + 50


async def test_stopping_waits_for_the_reply_to_a_dot(rig: Rig, receiver: Receiver) -> None:
    receiver.wait_at_dot.clear()
    await rig.register(1)
    await rig.send()
    await receiver.at_dot_now.wait()
    stopping = asyncio.create_task(rig.dispatch.stop(10))
    await asyncio.sleep(0)
    receiver.wait_at_dot.set()
    await stopping
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)
    assert len(receiver.messages) == 1


async def test_stopping_hands_back_what_no_dot_has_gone_out_for(rig: Rig, receiver: Receiver) -> None:
    receiver.wait_at_mail.clear()
    await rig.register(30)
    await rig.send()
    await rig.settled(lambda: receiver.connections > 0)
    await rig.dispatch.stop(10)
    await rig.settled(lambda: rig.states() == [State.READY] * 30)
    receiver.wait_at_mail.set()
    assert receiver.messages == []
    assert all(recipient.tries == 0 for recipient in rig.spool.queued()[0])


async def test_a_reply_that_never_comes_is_in_doubt_when_patience_ends(rig: Rig, receiver: Receiver) -> None:
    receiver.wait_at_dot.clear()
    await rig.register(1)
    await rig.send()
    await receiver.at_dot_now.wait()
    await rig.dispatch.stop(0.05)
    await rig.settled(lambda: rig.settler.counts[Kind.IN_DOUBT] == 1)
    receiver.wait_at_dot.set()


async def test_a_dead_first_host_is_followed_by_the_second(tmp_path: Path, receiver: Receiver) -> None:
    port = await receiver.start()
    rig = Rig(tmp_path, {"dead.example.com": "127.0.0.2", "mx.example.com": "127.0.0.1"}, port)
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)
    await rig.close()


async def test_a_dead_site_costs_one_try_of_one_message(tmp_path: Path, receiver: Receiver) -> None:
    """I9: the others go back untouched, and nothing more is claimed while the site cools."""
    rig = Rig(tmp_path, {"dead.example.com": "127.0.0.2"}, await receiver.start())
    await rig.register(30)
    await rig.send()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    states = rig.states()
    assert states.count(State.READY) >= 20
    route = await rig.router.route("example.com")
    assert isinstance(route, Route)
    assert rig.tools.bag.capacity(route.site, time.time()) == 0
    assert rig.hinted, "what was handed back is hinted again"
    await rig.close()


async def test_more_recipients_than_one_transaction_takes(rig: Rig, receiver: Receiver) -> None:
    """The rest of a delivery is handed back, and goes in the next transaction: nobody gets it twice."""
    now = time.time()
    envelope = Envelope("a@example.org", tuple(f"r{number}@example.com" for number in range(120)))
    body = b"S: x\r\n\r\nhi\r\n"
    message = NewMessage(
        queueid.new(), "c", envelope, Bytes(body), digest(envelope, [body]), now, now + 999, envelope.by_destination()
    )
    await asyncio.wrap_future(rig.spool.register([message]))
    for left in (70, 20, 0):
        await rig.send()
        await rig.settled(lambda left=left: len(rig.states()) == left and rig.tools.bag.messages == 0)
    assert len(receiver.messages) == 3


async def test_eight_bit_text_and_dots_arrive_as_they_are(rig: Rig, receiver: Receiver) -> None:
    body = "S: x\r\n\r\n.\r\n..\r\n你好\r\n".encode() + b"\xc4\xe3\r\n"
    await rig.register(1, body=body)
    await rig.send()
    await rig.settled(lambda: len(receiver.messages) == 1)
    arrived = receiver.messages[0][: -len(b".\r\n")]
    assert b"\r\n".join(line[1:] if line[:1] == b"." else line for line in arrived.split(b"\r\n")) == body


async def test_no_spool_no_loss(rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """While outcomes can't be written they are kept, and written later: a delivered message isn't sent again."""
    from concurrent.futures import Future

    from hedwig.spool import Settled, Settlement, SpoolTrouble
    from hedwig.worker import settle

    monkeypatch.setattr(settle, "TROUBLE_PAUSE", 0.01)
    real, refusals = rig.spool.settle, iter([True, True])

    def full(settlements: "list[Settlement]") -> "Future[list[Settled]]":
        if next(refusals, False):
            failed: Future[list[Settled]] = Future()
            failed.set_exception(SpoolTrouble("disk full"))
            return failed
        return real(settlements)

    monkeypatch.setattr(rig.settler, "_spool", type("Spool", (), {"settle": staticmethod(full)}))
    await rig.register(3)
    await rig.send()
    await rig.settled(lambda: rig.settler.trouble == "disk full")
    await rig.settled(lambda: not rig.states())
    assert rig.settler.trouble == ""
    assert len(receiver.messages) == 3
