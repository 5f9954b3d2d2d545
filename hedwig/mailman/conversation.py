"""The course of one SMTP connection: lines in, replies out, time-outs, faults. What the commands mean is in `session`.

It stands on aiosmtpd's SMTP protocol, from which come the stream, the session and envelope objects and their reset
rules, with these changes:

- PIPELINING (RFC 2920): replies to commands that came together leave together.
- A line ends with CRLF and nothing else (RFC 5321 §2.3.8), and is bounded.
- One timer a connection, moved lazily; a peer that reads no replies is cut off like one that writes nothing.
- The end of input, or a lost connection, does not cancel what is being done: a complete message is handed on even if
  its client has left meanwhile.
- A fault in a command is 451 4.3.0, logged, and the connection lives (I8). Within DATA the place in the conversation
  would be unknown, so there it ends with 421.
- TCP_QUICKACK after each read: msmtp writes in small pieces and waits for each ACK (48 ms a message; 5 with it).
- aiosmtpd inspects itself at each connection, at 0.2 ms; here it does so once, and connections copy the outcome.

Only the public face of transports is used, so that asyncio's and uvloop's both serve.
"""

import asyncio
import socket
import traceback
from collections.abc import Mapping
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from hedwig import log
from hedwig.mailman.access import plain
from hedwig.mailman.service import Service
from hedwig.mailman.wire import wire
from hedwig.reply import Reply

MAX_COMMAND = 2048  # octets; RFC 5321 §4.5.3.1.4 wants 512 and what extensions add
_READ = 256 * 1024
_READ_AHEAD = 64 * 1024  # the stream pauses its transport at twice this
_BREATH = 50  # commands in one chunk after which others get their turn (I9)
_FAREWELL = 5.0  # seconds for a last reply to leave before the connection is cut
_MOMENT = 2.0  # seconds of silence between messages that a client has while mailman stops


class Gone(Exception):
    """The connection has ended; there is nobody to reply to."""


def template(service: Service, loop: asyncio.AbstractEventLoop) -> Mapping[str, Any]:
    """What aiosmtpd's constructor finds out about itself, for all connections of a service."""
    found: Mapping[str, Any] = vars(SMTP(None, hostname=service.settings.fqdn, enable_SMTPUTF8=True, loop=loop))
    return found


class Conversation(SMTP):
    """A connection. Subclasses give `obey`, which carries out one command line."""

    line_length_limit = _READ_AHEAD

    # What of aiosmtpd's state is used here.
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport | None
    session: Session
    envelope: Envelope
    _timeout_handle: asyncio.TimerHandle | None

    def __init__(self, service: Service, common: Mapping[str, Any]) -> None:
        self.__dict__.update(common)
        loop = self.loop
        reader = asyncio.StreamReader(limit=_READ_AHEAD, loop=loop)
        asyncio.StreamReaderProtocol.__init__(self, reader, self._take_streams, loop)
        self.service = service
        self.peer = ""
        self._socket: Any = None  # asyncio and uvloop have each a class of their own for it
        self._admitted = False
        self._leaving = False
        self._idle = False  # waiting for a command
        self._in_data = False  # what comes in is a message
        self._served = False  # a message was handed in here
        self._patient = False  # what takes time is ours: the client is not cut off
        self._input = bytearray()
        self._replies: list[bytes] = []
        self._deadline = 0.0

    # --- the connection's life, called by the event loop

    def connection_made(self, transport: Any) -> None:
        """Let the peer in, or tell it why not and close."""
        name = transport.get_extra_info("peername")
        if name is None:  # it went away before we looked
            transport.abort()
            return
        self.peer = plain(name[0])
        self._socket = transport.get_extra_info("socket")
        refusal = self.service.enter(self)
        if refusal:
            transport.write(wire(refusal, utf8=False))
            transport.close()
            return
        self._admitted = True
        super().connection_made(transport)

    def _take_streams(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def data_received(self, data: bytes) -> None:
        """Take a chunk, and have the next one acknowledged at once."""
        if not self._admitted:
            return
        super().data_received(data)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        except OSError:  # the peer has just gone; the stream says so itself
            self._leaving = True

    def eof_received(self) -> bool:
        """The client says no more; what it has said is still answered (aiosmtpd would cancel)."""
        return self._admitted and bool(super(SMTP, self).eof_received())

    def connection_lost(self, error: Exception | None) -> None:
        """The stream ends, and the conversation with it as soon as it looks (aiosmtpd would cancel it)."""
        if not self._admitted:
            return
        if self._timeout_handle:
            self._timeout_handle.cancel()
        self.service.leave(self)
        super(SMTP, self).connection_lost(error)
        self.transport = None

    def wind_down(self) -> None:
        """Leave after a moment of silence. Until then who has just come may hand in one message, and who was served may
        say QUIT: neither is refused (I10), and a client that hears 421 to its QUIT would send the message again."""
        if self._idle and self.envelope.mail_from is None and self._timeout_handle:
            self._timeout_handle.cancel()
            self._timeout_handle = None
            self._reset_timeout()

    def leave(self) -> None:
        """Say 421 and close."""
        self._cut_off(Reply(421, "4.3.2", "mailman is stopping, try again in a moment"))

    # --- time

    def _reset_timeout(self, duration: float | None = None) -> None:
        """The client has so many seconds from now; without `duration` the idle time-out, or a moment."""
        stopping = self.service.stopping and self.envelope.mail_from is None
        usual = _MOMENT if stopping else self.service.settings.idle_timeout
        self._deadline = self.loop.time() + (duration or usual)
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        """The timer rang; most often the deadline has moved on since it was set."""
        self._timeout_handle = None
        if self.transport is None:
            return
        if self._patient:
            self._reset_timeout()
        elif self._deadline > self.loop.time():
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        elif self.service.stopping:
            self.leave()
        else:
            log.event("refused", f"{self.peer} was too slow and is cut off", client=self.peer)
            self._cut_off(Reply(421, "4.4.2", "you were silent or too slow for too long"))

    def _cut_off(self, farewell: Reply) -> None:
        """Close at once; the farewell gets a moment to leave, but a peer that reads nothing can't hold us."""
        self._leaving = True
        transport = self.transport
        if transport is not None:
            transport.write(b"".join((*self._replies, wire(farewell, utf8=False))))
            self._replies.clear()
            self._close(transport)

    def _close(self, transport: Any) -> None:
        transport.close()
        if transport.get_write_buffer_size():
            self.loop.call_later(_FAREWELL, transport.abort)

    # --- the conversation

    async def _handle_client(self) -> None:
        self.say_octets(f"220 {self.service.settings.fqdn} ESMTP hedwig\r\n".encode())
        commands = 0
        try:
            while not self._leaving:
                line = await self._next_line()
                if line is None:
                    break
                commands += 1
                if commands % _BREATH == 0:
                    await self.flush()
                    await asyncio.sleep(0)
                await self._obey_safely(line)
            await self.flush()
        except Gone as gone:
            self.debug("!", f"connection lost: {gone.__cause__ or 'closed'}")
        finally:
            self._leaving = True
            if self.transport is not None:
                self._close(self.transport)

    async def _obey_safely(self, line: bytes) -> None:
        try:
            await self.obey(line)
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001
            # I8: a fault of ours is never the client's. It is told as temporary, logged whole, and survived.
            self.service.counters.faults += 1
            text = f"fault while serving {self.peer}: {traceback.format_exc()}"
            log.event(log.Matter.FAULT, text, log.Level.ERROR, reason=repr(error), peer=self.peer)
            self._set_rset_state()
            if self._in_data:
                # Where the data ends is unknown now, and none of it may be read as a command (I6).
                self.say(Reply(421, "4.3.0", "a fault on our side, try again later; it is in mailman's log"))
                self._leaving = True
            else:
                self.say(Reply(451, "4.3.0", "a fault on our side, try again later; it is in mailman's log"))

    async def obey(self, line: bytes) -> None:
        """Carry out one command line, without its CRLF."""
        raise NotImplementedError

    async def _next_line(self) -> bytes | None:
        """The next command line with the LF that ends it; b"" for one that was too long; None at the end of input."""
        octets = self._input
        overlong = False
        self._reset_timeout()
        while True:
            end = octets.find(b"\n") + 1
            if end:
                line = bytes(octets[:end])
                del octets[:end]
                return b"" if overlong or end > MAX_COMMAND else line
            if len(octets) >= MAX_COMMAND:
                overlong = True
                octets.clear()
            await self.flush()
            self._idle = True
            chunk = await self.read_chunk()
            self._idle = False
            if not chunk:
                return None
            octets += chunk

    async def read_chunk(self) -> bytes:
        """What the client has sent, or sends next; b"" when it says no more. Raises Gone."""
        try:
            chunk: bytes = await self._reader.read(_READ)
        except OSError as error:
            raise Gone from error
        return chunk

    def take_input(self) -> bytes:
        """What was read already and is no command: the beginning of the data."""
        octets = bytes(self._input)
        self._input.clear()
        return octets

    def put_back(self, octets: bytes) -> None:
        """What followed the end of data: the next commands."""
        self._input += octets

    # --- replies

    def say(self, reply: Reply) -> None:
        """Queue a reply; it leaves before the next read."""
        self.say_octets(wire(reply, bool(self.envelope.smtp_utf8)))

    def say_octets(self, octets: bytes) -> None:
        """Queue what has the form of a reply already."""
        self.debug("<", octets)
        self._replies.append(octets)

    async def flush(self) -> None:
        """Send the replies that wait. Raises Gone."""
        if not self._replies:
            return
        octets = b"".join(self._replies)
        self._replies.clear()
        if self.transport is None or self.transport.is_closing():
            raise Gone
        self._writer.write(octets)
        try:
            await self._writer.drain()
        except OSError as error:
            raise Gone from error

    async def push(self, status: bytes | str) -> None:
        """The way in which aiosmtpd replies, for what of it is left in use."""
        self.say_octets((status.encode() if isinstance(status, str) else status) + b"\r\n")

    def debug(self, direction: str, what: bytes | str) -> None:
        """`debug: true` writes the whole conversation to the log."""
        if self.service.settings.debug:
            text = what if isinstance(what, str) else what.decode("utf-8", "backslashreplace")
            for line in text.splitlines():
                log.say(log.Level.DEBUG, f"{self.peer} {direction} {line}")
