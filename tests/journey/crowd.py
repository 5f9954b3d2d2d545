"""A far side for crowds: many connections and thousands of letters a second, by one thread, counted exactly.

FarSide (farside.py) is for misbehaviour and has a thread for each connection; this one is for limits and rates. It may
have several addresses; they are one receiver. A connection counts until this side has closed it, or the other side has:
before one more is counted, those are found whose client has gone, by the kernel's word.
"""

import asyncio
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import cast

import uvloop

_GREETING = b"220 mx.crowd.example ESMTP\r\n"
_EHLO = b"250-mx.crowd.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 41943040\r\n"
_OK = b"250 2.0.0 ok\r\n"
_ENOUGH = b"421 4.7.0 too many connections from you\r\n"
_ESTABLISHED = 1  # TCP_ESTABLISHED of linux/tcp_states.h


@dataclass
class Manner:
    """How it behaves. `most`: connections at a time from one address, any other gets 421 for a greeting. `pause`:
    seconds before each reply; `dot`: before the one to the data; `drip`: seconds between the octets of replies;
    `silent`: says nothing at all."""

    most: int = 1 << 30
    pause: float = 0.0
    dot: float = 0.0
    drip: float = 0.0
    silent: bool = False


@dataclass(frozen=True)
class Carried:
    """A transaction whose data has ended. `at`: monotonic; `source`: the client's address; `connection`: its number."""

    at: float
    source: str
    connection: int
    rcpttos: tuple[str, ...]


@dataclass
class Call:
    """A connection. `at`: monotonic; `address`: ours; `messages`: transactions that were begun."""

    at: float
    source: str
    address: str
    ehlo: str = ""
    messages: int = 0


@dataclass
class Crowd:
    """What was counted; any thread may read it, and change `manner`."""

    addresses: tuple[str, ...]
    manner: Manner = field(default_factory=Manner)
    calls: list[Call] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    came: dict[str, float] = field(default_factory=dict)  # recipients, and when their letter came first
    twice: list[str] = field(default_factory=list)  # who got it again
    most_open: Counter[str] = field(default_factory=Counter)  # by the client's address
    turned_away: int = 0

    def __post_init__(self) -> None:
        self._open: dict[_Conversation, str] = {}
        self._loop = uvloop.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._up.wait(10), "the far side did not come up"

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End it, and all its connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def forget(self) -> None:
        """Count anew; connections that are open stay so."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (self._forget(), done.set()))
        assert done.wait(10)

    def most_in(self, seconds: float, source: str = "") -> int:
        """The most letters that came in any stretch of so many seconds."""
        return _most_in(sorted(each.at for each in list(self.carried) if source in ("", each.source)), seconds)

    def most_calls_in(self, seconds: float) -> int:
        """The most connections, likewise."""
        return _most_in(sorted(call.at for call in list(self.calls)), seconds)

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._open)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        servers = []
        for address in self.addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.create_server((address, 25), family=family, backlog=1024)
            made = self._loop.create_server(lambda: _Conversation(self), sock=listener)
            servers.append(self._loop.run_until_complete(made))
        self._up.set()
        self._loop.run_forever()
        for server in servers:
            server.close()
        for conversation in list(self._open):
            conversation.transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def _forget(self) -> None:
        self.carried, self.calls, self.came, self.twice = [], [], {}, []
        self.most_open = Counter(self._open.values())
        self.turned_away = 0

    # what conversations call, in this thread

    def admit(self, conversation: "_Conversation", source: str) -> bool:
        """One more connection; False where it is one too many."""
        for other in [each for each, of in self._open.items() if of == source and each.is_gone()]:
            del self._open[other]
        have = sum(of == source for of in self._open.values())
        if have >= self.manner.most:
            self.turned_away += 1
            return False
        self._open[conversation] = source
        self.most_open[source] = max(self.most_open[source], have + 1)
        return True

    def part(self, conversation: "_Conversation") -> None:
        """It is over."""
        self._open.pop(conversation, None)

    def keep(self, carried: Carried) -> None:
        """A letter came."""
        self.carried.append(carried)
        for rcptto in carried.rcpttos:
            if self.came.setdefault(rcptto, carried.at) != carried.at:
                self.twice.append(rcptto)


class _Conversation(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._buffer = b""
        self._rcpttos: list[str] = []
        self._in_data = False
        self._busy = False  # a reply is due, after a pause
        self._call = Call(0.0, "", "")
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or not."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        source, address = transport.get_extra_info("peername")[0], transport.get_extra_info("sockname")[0]
        if not self._crowd.admit(self, source):
            self.transport.write(_ENOUGH)
            self.transport.close()
            return
        self._number = len(self._crowd.calls)
        self._call = Call(time.monotonic(), source, address)
        self._crowd.calls.append(self._call)
        if not self._crowd.manner.silent:
            self._reply(_GREETING)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever closed."""
        del exc
        self._crowd.part(self)

    def is_gone(self) -> bool:
        """Whether the client has closed, though that was not read yet."""
        return bool(self._socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED)

    def _socket(self) -> socket.socket:
        found: socket.socket = self.transport.get_extra_info("socket")
        return found

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        self._buffer += data
        if not self._busy:
            self._work()

    def _work(self) -> None:
        """Answer what is there; all in one write where nothing pauses."""
        replies = []
        manner = self._crowd.manner
        unhurried = manner.pause or manner.drip or manner.silent or manner.dot
        while not self._busy and (unit := self._unit()) is not None:
            reply = self._answer(unit)
            if unhurried:
                self._reply(reply, manner.dot if self._is_end(unit) else 0.0)
            else:
                replies.append(reply)
        if replies:
            self.transport.write(b"".join(replies))
            if replies[-1].startswith(b"221"):
                self.transport.close()

    def _is_end(self, unit: bytes) -> bool:
        return unit.endswith(b"\r\n.\r\n")

    def _unit(self) -> bytes | None:
        """The next command, or the data."""
        end = b"\r\n.\r\n" if self._in_data else b"\r\n"
        at = self._buffer.find(end)
        if at < 0:
            return None
        unit, self._buffer = self._buffer[: at + len(end)], self._buffer[at + len(end) :]
        return unit

    def _answer(self, unit: bytes) -> bytes:
        if self._in_data:
            self._in_data = False
            self._crowd.keep(Carried(time.monotonic(), self._call.source, self._number, tuple(self._rcpttos)))
            return _OK
        verb = unit[:4].upper()
        if verb == b"MAIL":
            self._rcpttos = []
            self._call.messages += 1
        elif verb == b"RCPT":
            self._rcpttos.append(unit[9 : unit.index(b">")].decode())
        elif verb == b"DATA":
            self._in_data = True
            return b"354 go ahead\r\n"
        elif verb in (b"EHLO", b"HELO"):
            self._call.ehlo = unit[5:-2].decode()
            return _EHLO
        elif verb == b"QUIT":
            return b"221 2.0.0 bye\r\n"
        return _OK

    def _reply(self, octets: bytes, pause: float = 0.0) -> None:
        manner, loop = self._crowd.manner, asyncio.get_running_loop()
        if manner.silent:
            return
        pause = pause or manner.pause
        if manner.drip:
            self._busy = True
            loop.call_later(manner.drip, self._drip, octets)
        elif pause:
            self._busy = True
            loop.call_later(pause, self._said, octets)
        else:
            self.transport.write(octets)
            if octets.startswith(b"221"):
                self.transport.close()

    def _drip(self, octets: bytes) -> None:
        if self.transport.is_closing():
            return
        if len(octets) == 1:
            self._said(octets)
            return
        self.transport.write(octets[:1])
        asyncio.get_running_loop().call_later(self._crowd.manner.drip or 0.0, self._drip, octets[1:])

    def _said(self, octets: bytes) -> None:
        self._busy = False
        if self.transport.is_closing():
            return
        self.transport.write(octets)
        if octets.startswith(b"221"):
            self.transport.close()
        else:
            self._work()


def _most_in(times: list[float], seconds: float) -> int:
    most = start = 0
    for place, at in enumerate(times):
        while at - times[start] >= seconds:
            start += 1
        most = max(most, place - start + 1)
    return most
