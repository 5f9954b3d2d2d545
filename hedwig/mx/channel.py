"""One UDP socket to one nameserver, shared by the questions that wait on it (RFC 1035 §4.2.1, RFC 5452).

A datagram counts only if it comes from that server (the socket is connected), and carries the ID and the question that
were sent; all others are ignored and the wait goes on, so that a forger must guess a random ID and a random port. At
most IN_FLIGHT questions wait at a time (answers to them fit the socket's receive buffer), and after PER_SOCKET
questions the socket is retired for one with another port.
"""

import asyncio
import struct

import dns.entropy
import dns.flags
import dns.rcode

IN_FLIGHT = 200
PER_SOCKET = 1000
_OPCODE = 0x7800  # of a query all zero
# Servers that give up early may leave out the question, as dnspython's own check allows.
_WITHOUT_QUESTION = frozenset({dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED})


def question_of(query: bytes) -> bytes:
    """Name, type and class as they stand after the header, in lower case (a question of ours is never compressed)."""
    end = 12
    while query[end]:
        end += 1 + query[end]
    return query[12 : end + 5].lower()


def answers(response: bytes, number: int, question: bytes) -> bool:
    """Whether `response` answers the question that was sent under the ID `number`."""
    if len(response) < 12:
        return False
    its_number, flags, questions = struct.unpack_from("!HHH", response)
    if its_number != number or not flags & dns.flags.QR or flags & _OPCODE:
        return False
    if questions == 0:
        return flags & 15 in _WITHOUT_QUESTION
    return questions == 1 and response[12 : 12 + len(question)].lower() == question


class Channel(asyncio.DatagramProtocol):
    """Opened by `open_channel`. Once retired it takes no more questions and closes itself after the last answer."""

    def __init__(self) -> None:
        self.retired = False
        self.closed = False
        self.transport: asyncio.DatagramTransport | None = None
        self._asked = 0
        self._waiting: dict[int, tuple[bytes, asyncio.Future[bytes]]] = {}

    @property
    def usable(self) -> bool:
        """Whether one more question may go over this socket."""
        return not self.retired and self._asked < PER_SOCKET and len(self._waiting) < IN_FLIGHT

    async def ask(self, query: bytes) -> bytes:
        """Send `query` with a random ID in the place of its own; the datagram that answers it. Waits without end;
        raises OSError where the socket fails (nobody listens there, the network is down)."""
        if self.transport is None:
            raise ConnectionError("the socket is not open")
        number = dns.entropy.random_16()
        while number in self._waiting:
            number = dns.entropy.random_16()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (question_of(query), answer)
        self._asked += 1
        try:
            self.transport.sendto(number.to_bytes(2, "big") + query[2:])
            return await answer
        finally:
            del self._waiting[number]
            if self.retired:
                self.retire()

    def retire(self) -> None:
        """Take no more questions; close as soon as nobody waits."""
        self.retired = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        """Close the socket; who waits gets OSError."""
        self.closed = True
        if self.transport is not None:
            self.transport.close()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """A datagram came (asyncio calls this)."""
        del addr
        waiting = self._waiting.get(int.from_bytes(data[:2], "big"))
        if waiting is None:
            return
        question, answer = waiting
        if not answer.done() and answers(data, int.from_bytes(data[:2], "big"), question):
            answer.set_result(data)

    def error_received(self, exc: Exception | None) -> None:
        """ICMP says that nobody listens, or the network is down: all questions fail at once (asyncio calls this)."""
        self._fail(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed (asyncio calls this)."""
        self.closed = True
        self._fail(exc)

    def _fail(self, error: Exception | None) -> None:
        self.retired = True
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError(str(error) if error is not None else "the socket was closed"))


async def open_channel(address: str, port: int) -> Channel:
    """A channel to this server. Raises OSError (no route, no descriptors left)."""
    transport, channel = await asyncio.get_running_loop().create_datagram_endpoint(Channel, remote_addr=(address, port))
    channel.transport = transport
    return channel
