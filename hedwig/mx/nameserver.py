"""One question to the configured nameservers: UDP with EDNS, TCP where the answer is truncated, the next server where
one fails (RFC 1035, 6891, 7766; 9715 for the size).

`Nameservers.ask` gives a parsed answer whose code is NOERROR or NXDOMAIN, or raises Unanswered, whose text says what
each server did. Waits grow from round to round (2, 5, 8 s of the default 15). A server that is not there (time-out,
nobody listening: perhaps it is just being restarted) is asked again in the next round, and last of all for SHUNNED
seconds. A server that said that it failed (SERVFAIL, REFUSED, a malformed answer) is not asked that question again:
others are, and then the failure is the answer.

Only of a server on this host (loopback) is it believed that DNSSEC vouches for an answer, the AD bit (RFC 4035 §3.2.3):
on the way from any other one anybody could set it. Such a server is asked for it (RFC 6840 §5.7), and from the answers
of others the bit is taken away. DO, which would bring all signatures too, isn't sent. Where servers of both sorts are
given, what fails at the one that validates is answered by the other, and so counts as insecure: whoever wants DANE
names none but servers of this host.

At most YOUNG questions are under way that are younger than SLOW seconds. So a burst doesn't drown the server's receive
buffer, and slow names, which leave that count after SLOW seconds, hold back no others (I9).
"""

import asyncio
import ipaddress
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import dns.entropy
import dns.exception
import dns.flags
import dns.name
import dns.rcode
import dns.rdatatype

from hedwig.mx.channel import Channel, answers, open_channel, question_of
from hedwig.mx.control import Control, Question
from hedwig.mx.wire import Answer, query, read

RESOLV_CONF = Path("/etc/resolv.conf")
SHUNNED = 30.0  # seconds
REREAD = 5.0  # seconds
YOUNG = 100
SLOW = 0.5  # seconds
MAX_SYSTEM = 3  # as resolv.conf(5): MAXNS
CONTROL_TIME = 2.0
_ROUNDS = (0.4, 1.0, 1.6)  # how long a server may take, as shares of `timeout`
_PAUSE = 0.2  # how long a round lasts at least, so that a refused connection isn't tried thrice within a millisecond
_LEAST = 0.01  # seconds; with less left nobody is asked any more
_PERHAPS_EDNS = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS})


class Unanswered(Exception):
    """No server gave an answer; the text says what each of them did. `gone`: for how many seconds they have answered
    nothing at all (control.py); 0 where it is this question that they can't answer."""

    gone = 0.0


class _Failed(Exception):
    """One server failed at one question; the text says how. `absent`: it said nothing, so it may be asked again."""

    def __init__(self, text: str, absent: bool = False) -> None:
        super().__init__(text)
        self.absent = absent


def read_resolv_conf(path: Path = RESOLV_CONF) -> tuple[str, ...]:
    """The servers that the system uses, as resolv.conf(5) has it: at most three, and where none is named this host."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver"]
    return tuple(name for name in named if _is_address(name))[:MAX_SYSTEM] or ("127.0.0.1",)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class _Place:
    """One of the YOUNG places: taken on entering, given back at the end or after SLOW seconds, whichever is first."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = False

    async def __aenter__(self) -> None:
        await self._places.acquire()
        self._held = True
        self._timer = asyncio.get_running_loop().call_later(SLOW, self._give_back)

    async def __aexit__(self, *_: object) -> None:
        self._timer.cancel()
        self._give_back()

    def _give_back(self) -> None:
        if self._held:
            self._held = False
            self._places.release()


class Nameservers:
    """The servers that are asked: those given, or the system's, which are read again every REREAD seconds."""

    def __init__(
        self, addresses: Sequence[str], port: int, timeout: float, lifetime: float, clock: Callable[[], float]
    ) -> None:
        for address in addresses:
            ipaddress.ip_address(address)  # ValueError with the address in its text: now, and not at the first letter
        self._given = tuple(addresses)
        self._port = port
        self._timeout = timeout
        self._lifetime = lifetime
        self._clock = clock
        self._system: tuple[str, ...] = ()
        self._read_at: float | None = None
        self._shunned: dict[str, float] = {}
        self._local: dict[str, bool] = {}
        self._channels: dict[str, Channel] = {}
        self._retired: list[Channel] = []
        self._opening = asyncio.Lock()
        self._young = asyncio.Semaphore(YOUNG)
        self._control = Control(self._answers, clock)

    async def ask(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Answer:
        """The answer (NOERROR or NXDOMAIN) to this question, recursion desired. That it is secure is to be believed.
        Raises Unanswered."""
        try:
            async with _Place(self._young):
                asked_at = self._clock()
                answer = await self._ask_in_rounds(name, rdtype)
        except Unanswered as failure:
            failure.gone = await self._control.gone(asked_at, str(failure))
            raise
        self._control.answered((name, rdtype), bool(answer.records))
        return answer

    async def _answers(self, question: Question) -> bool:
        """Whether any server answers this at once; for control.py."""
        for server in self._in_order():
            try:
                await self._ask_server(server, *question, min(self._timeout * _ROUNDS[0], CONTROL_TIME))
            except _Failed:
                continue
            return True
        return False

    async def _ask_in_rounds(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Answer:
        failures: dict[str, str] = {}
        answered: set[str] = set()
        give_up = self._clock() + self._lifetime
        for share in _ROUNDS:
            next_round = self._clock() + self._timeout * _PAUSE
            for server in self._in_order():
                seconds = min(self._timeout * share, give_up - self._clock())
                if server in answered or seconds < _LEAST:
                    continue
                try:
                    return await self._ask_server(server, name, rdtype, seconds)
                except _Failed as failure:
                    failures[server] = str(failure)
                    if failure.absent:
                        self._shunned[server] = self._clock() + SHUNNED
                    else:
                        answered.add(server)
            if answered.issuperset(failures):
                break
            await asyncio.sleep(max(min(next_round, give_up) - self._clock(), 0))
        raise Unanswered("; ".join(f"nameserver {server}: {text}" for server, text in failures.items()))

    def _in_order(self) -> list[str]:
        now = self._clock()
        servers = self._given
        if not servers:
            if self._read_at is None or now - self._read_at >= REREAD:
                self._system, self._read_at = read_resolv_conf(), now
            servers = self._system
        return sorted(servers, key=lambda server: self._shunned.get(server, 0.0) > now)

    def _believes(self, server: str) -> bool:
        """Whether it is on this host."""
        if server not in self._local:
            self._local[server] = ipaddress.ip_address(server).is_loopback
        return self._local[server]

    async def _ask_server(
        self, server: str, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, seconds: float
    ) -> Answer:
        believed = self._believes(server)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._exchange(server, name, rdtype, query(name, rdtype, ad=believed))
                if answer.rcode in _PERHAPS_EDNS:  # RFC 6891 §6.2.2: a server from before EDNS
                    answer = await self._exchange(server, name, rdtype, query(name, rdtype, edns=False))
        except TimeoutError:
            raise _Failed(f"no answer within {seconds:g} s", absent=True) from None
        if answer.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise _Failed(dns.rcode.to_text(answer.rcode))
        return answer if believed or not answer.secure else replace(answer, secure=False)

    async def _exchange(
        self, server: str, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, question: bytes
    ) -> Answer:
        try:
            channel = await self._channel(server)
            response = await channel.ask(question)
            if int.from_bytes(response[2:4], "big") & dns.flags.TC:
                response = await self._over_tcp(server, question)
        except TimeoutError:
            raise
        except (OSError, EOFError) as error:
            raise _Failed(str(error) or type(error).__name__, absent=True) from error
        try:
            return read(response, name, rdtype)
        except dns.exception.DNSException as error:
            raise _Failed(f"malformed answer ({type(error).__name__})") from error

    async def _channel(self, server: str) -> Channel:
        channel = self._channels.get(server)
        if channel is not None and channel.usable:
            return channel
        async with self._opening:
            channel = self._channels.get(server)
            if channel is not None and channel.usable:
                return channel
            if channel is not None:
                channel.retire()
                self._retired = [old for old in (*self._retired, channel) if not old.closed]
            self._channels[server] = await open_channel(server, self._port)
            return self._channels[server]

    async def _over_tcp(self, server: str, question: bytes) -> bytes:
        number = dns.entropy.random_16()
        reader, writer = await asyncio.open_connection(server, self._port)
        try:
            writer.write(struct.pack("!HH", len(question), number) + question[2:])
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            response = await reader.readexactly(length)
        finally:
            writer.close()
        if not answers(response, number, question_of(question)):
            raise _Failed("an answer to another question came over TCP")
        return response

    async def close(self) -> None:
        """Close the sockets."""
        await self._control.close()
        for channel in (*self._channels.values(), *self._retired):
            channel.close()
        self._channels.clear()
        self._retired.clear()
