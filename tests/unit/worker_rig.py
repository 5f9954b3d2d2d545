"""A worker's delivering half over a real spool, and scripted receivers on loopback."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hedwig import queueid
from hedwig.envelope import Envelope, digest
from hedwig.mx import AddressAnswer, AddressesFound, Exchanger, MxAnswer, MxFound, TextAnswer, TlsaAnswer, TlsaNone
from hedwig.options import PLAIN
from hedwig.settings import Retry, Worker
from hedwig.smtp import Deadlines
from hedwig.spool import NORMAL, Bytes, NewMessage, State, Waiting
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.worker.allowance import Allowances
from hedwig.worker.bag import Bag
from hedwig.worker.broken_tls import BrokenAddresses
from hedwig.worker.delivery import Rules
from hedwig.worker.dispatch import Dispatch
from hedwig.worker.dots import DotMarks
from hedwig.worker.resting import Resting
from hedwig.worker.route import Myself, Route, Router
from hedwig.worker.settle import Settler
from hedwig.worker.slots import Slots
from hedwig.worker.tools import Tools
from hedwig.worker.ways import Ways

OWNER = "host/1"


class Names:
    """A resolver: one site of the hosts given, in order of preference."""

    def __init__(self, hosts: dict[str, str]) -> None:
        self.hosts = hosts

    async def exchangers(self, domain: str) -> MxAnswer:
        return MxFound(tuple(Exchanger(number, host) for number, host in enumerate(self.hosts)))

    async def addresses(self, host: str) -> AddressAnswer:
        return AddressesFound((self.hosts[host],))

    async def texts(self, name: str) -> TextAnswer:
        return ()

    async def tlsa(self, host: str, port: int) -> TlsaAnswer:
        return TlsaNone(f"the addresses of {host} are not secured by DNSSEC")


class Receiver:
    """An SMTP server for one test. `at_dot(number)` gives what to do with the number-th message in all: a reply, or
    None to drop the connection. `close_after`: messages on a connection before the server closes it silently.
    `refused`: a RCPT that has this gets 550, and "@" is in all of them. `most`: connections at a time, any other is
    greeted with 421. `quits`: how many said QUIT; `sources`: where connections came from."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.connections = self.quits = self.open = self.most_open = self.turned_away = 0
        self.most = 1000
        self.sources: list[str] = []
        self.at_dot: Callable[[int], bytes | None] = lambda number: b"250 2.0.0 ok\r\n"
        self.greeting = b"220 there ESMTP\r\n"
        self.close_after = 1000
        self.refused = b"nobody at all"
        self.wait_at_dot = asyncio.Event()
        self.wait_at_dot.set()
        self.wait_at_mail = asyncio.Event()
        self.wait_at_mail.set()
        self.at_mail = 0  # MAIL commands that came, answered or not
        self.at_dot_now = asyncio.Event()
        self.server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self.server = await asyncio.start_server(self.session, "127.0.0.1", 0, limit=1 << 22)
        return int(self.server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Nothing of it outlives its test: a conversation that waits for the test is broken off."""
        if self.server:
            self.server.close()
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._sessions.add(task)
            task.add_done_callback(self._sessions.discard)
        if self.open >= self.most:
            self.turned_away += 1
            writer.write(b"421 4.7.0 too many connections from you\r\n")
            writer.close()
            return
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self.sources.append(writer.get_extra_info("peername")[0])
        try:
            await self._talk(reader, writer)
        finally:
            self.open -= 1
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried = refusals = 0
        writer.write(self.greeting)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while carried < self.close_after and (line := await reader.readline()):
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(b"250-there\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                elif verb == b"MAIL":
                    self.at_mail += 1
                    await self.wait_at_mail.wait()
                    refusals = 0
                    writer.write(b"250 ok\r\n")
                elif verb == b"DATA" and refusals and self.refused == b"@":
                    writer.write(b"503 5.5.1 no recipients\r\n")
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
                elif verb == b"RCPT" and self.refused in line:
                    refusals += 1
                    writer.write(b"550 5.1.1 no such user\r\n")
                elif verb == b"QUIT":
                    self.quits += 1
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")


class Rig:
    """A worker's delivering half: what is registered in `spool` is claimed and carried by `send`."""

    def __init__(
        self, tmp_path: Path, hosts: dict[str, str] | Names, port: int, settings: Worker | None = None
    ) -> None:
        self.spool: SqliteSpool = open_spool(str(tmp_path / "spool.db"))
        self.hinted: list[Waiting] = []
        self.settler = Settler(self.spool, self.hinted.extend, time.time)
        resting = Resting(self.spool)
        self.settings = settings or Worker()
        resting.use(self.settings.sources)
        slots = Slots(str(tmp_path / "run"))
        self.router = Router(hosts if isinstance(hosts, Names) else Names(hosts), Myself("robot.genee.cn", ()), port)
        self.tools = Tools(
            spool=self.spool,
            router=self.router,
            bag=Bag({("mx.example.com", ""): 10.0}, resting.apply, slots.share),  # ten connections at once
            dots=DotMarks(tmp_path / "1.dots"),
            settler=self.settler,
            rules=Rules(Retry(schedule=(60,), jitter=0.0), "robot.genee.cn", lambda: 0.5),
            resting=resting,
            allowances=Allowances(self.spool),
            broken=BrokenAddresses(self.spool),
            slots=slots,
            deadlines=Deadlines(connect=5, banner=5, ehlo=5, mail=5, rcpt=5, data=5, dot=5),
        )
        self.router.ways = Ways(self.settings, self.tools.closed_for)
        self.dispatch = Dispatch(self.tools)
        self.running = asyncio.create_task(self.settler.run())

    async def register(
        self, count: int, destination: str = "example.com", body: bytes = b"S: x\r\n\r\nhi\r\n", **other: Any
    ) -> None:
        now = time.time()
        envelope = Envelope("a@example.org", other.get("to", (f"b@{destination}",)))
        messages = [
            NewMessage(
                queueid.new(),
                "less.nankai.edu.cn",
                envelope,
                Bytes(body),
                digest(envelope, [body]),
                now,
                other.get("expires_at", now + 86400),
                envelope.by_destination(),
                other.get("priority", NORMAL),
                options=other.get("options", PLAIN),
            )
            for _ in range(count)
        ]
        await asyncio.wrap_future(self.spool.register(messages))

    async def send(self, destination: str = "example.com", later: float = 0.0, priority: int = NORMAL) -> None:
        """Claim what is due, `later` seconds from now, and carry it."""
        now = time.time() + later
        due = [waiting.delivery for waiting in self.spool.due(destination, now, 1000, priority)]
        route = await self.router.route(destination)
        assert isinstance(route, Route)
        for claim in await asyncio.wrap_future(self.spool.claim(due, OWNER, now)):
            self.dispatch.carry(claim, route)

    async def settled(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.005)

    def states(self) -> list[State]:
        return [recipient.state for recipient in self.spool.queued()[0]]

    async def close(self) -> None:
        await self.dispatch.stop(0)
        self.settler.stop()
        await self.running
        self.spool.close()
