"""The octets of one SMTP connection, in and out, as the event loop brings them. What they mean is in `conversation`.

It stands on aiosmtpd's SMTP protocol, from which come the session and envelope objects and their reset rules. What came
is carried out where it comes, without a task and without a stream between: that halves what a command costs. So:

- PIPELINING (RFC 2920): replies to commands that came together leave together.
- While a message is being handed on, what follows waits in memory, and beyond a bound in the kernel.
- A peer that reads no replies is not read any more, and is cut off like one that writes nothing.
- The end of input, or a lost connection, does not cancel what is being done (aiosmtpd would).
- TCP_QUICKACK where a client may be waiting for the ACK of an unfinished piece: msmtp writes a message in small ones
  (48 ms a message; 5 with it).
- aiosmtpd inspects itself at each connection, at 0.2 ms; here it does so once, and connections copy the outcome.

Only the public face of transports is used, so that asyncio's and uvloop's both serve.
"""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from hedwig import log
from hedwig.mailman.access import plain
from hedwig.mailman.service import Service
from hedwig.mailman.wire import wire
from hedwig.reply import Reply

_READ_AHEAD = 128 * 1024  # octets that wait to be carried out, beyond which no more are read
_FAREWELL = 5.0  # seconds for a last reply to leave before the connection is cut


def template(service: Service, loop: asyncio.AbstractEventLoop) -> Mapping[str, Any]:
    """What aiosmtpd's constructor finds out about itself, for all connections of a service."""
    found: Mapping[str, Any] = vars(SMTP(None, hostname=service.settings.fqdn, enable_SMTPUTF8=True, loop=loop))
    return found


class Stream(SMTP):
    """A connection. Subclasses give `proceed`, which carries out what is in `_input`, and `wants_more`."""

    # What of aiosmtpd's state is used here.
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport | None
    session: Session
    envelope: Envelope

    def __init__(self, service: Service, common: Mapping[str, Any]) -> None:
        self.__dict__.update(common)
        self.service = service
        self.peer = ""
        self._socket: Any = None  # asyncio and uvloop have each a class of their own for it
        self._admitted = False
        self._leaving = False
        self._ended = False  # the client says no more
        self._input = bytearray()
        self._replies: list[bytes] = []
        self._unread = False  # the peer doesn't read what we have said
        self._resting = False  # nothing more is read from it

    def proceed(self) -> None:
        """Carry out what has come, as far as that is possible now."""
        raise NotImplementedError

    def wants_more(self) -> bool:
        """Whether what has come is an unfinished piece, so that the client may be waiting for its ACK."""
        raise NotImplementedError

    def begin(self) -> None:
        """The connection stands, and its peer may send."""
        raise NotImplementedError

    def lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        raise NotImplementedError

    # --- called by the event loop

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
        self.transport = transport
        self._set_rset_state()
        self.session = self._create_session()
        self.session.peer = name
        self.begin()

    def data_received(self, data: bytes) -> None:
        """Take a chunk."""
        if not self._admitted or self._leaving:
            return
        self._input += data
        self.proceed()
        if self.wants_more():
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            except OSError:  # the peer has just gone; `connection_lost` says so itself
                self._leaving = True
        self._mind_the_input()

    def eof_received(self) -> bool:
        """The client says no more; what it has said is still answered."""
        self._ended = True
        if self._admitted:
            self.proceed()
        return self._admitted

    def pause_writing(self) -> None:
        """The peer reads slower than we answer: nothing more is carried out until it has read."""
        self._unread = True

    def resume_writing(self) -> None:
        """It has read."""
        self._unread = False
        if self._admitted:
            self.proceed()
            self._mind_the_input()

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody is there any more."""
        self.transport = None
        if self._admitted:
            self._leaving = True
            self.service.leave(self)
            self.lost(error)

    def _mind_the_input(self) -> None:
        """Read on or rest, by how much waits to be carried out."""
        rests = len(self._input) > _READ_AHEAD
        if rests != self._resting and self.transport is not None and not self.transport.is_closing():
            self._resting = rests
            if rests:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    # --- what is said

    def say(self, reply: Reply) -> None:
        """Queue a reply; it leaves with the next `flush`."""
        self.say_octets(wire(reply, bool(self.envelope.smtp_utf8)))

    def say_octets(self, octets: bytes) -> None:
        """Queue what has the form of a reply already."""
        self.debug("<", octets)
        self._replies.append(octets)

    def flush(self) -> None:
        """Send the replies that wait; close where the last one was said."""
        transport = self.transport
        if transport is None or transport.is_closing():
            self._leaving = True
            return
        if self._replies:
            octets = self._replies[0] if len(self._replies) == 1 else b"".join(self._replies)
            self._replies.clear()
            transport.write(octets)
        if self._leaving:
            self.close_down(transport)

    def cut_off(self, farewell: Reply) -> None:
        """Close at once; the farewell gets a moment to leave, but a peer that reads nothing can't hold us."""
        self._leaving = True
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write(b"".join((*self._replies, wire(farewell, utf8=False))))
            self._replies.clear()
            self.close_down(transport)

    def close_down(self, transport: asyncio.Transport) -> None:
        """Close; what was written has a moment to leave."""
        transport.close()
        if transport.get_write_buffer_size():
            self.loop.call_later(_FAREWELL, transport.abort)

    def debug(self, direction: str, what: bytes | str) -> None:
        """`debug: true` writes the whole conversation to the log."""
        if self.service.settings.debug:
            text = what if isinstance(what, str) else what.decode("utf-8", "backslashreplace")
            for line in text.splitlines():
                log.say(log.Level.DEBUG, f"{self.peer} {direction} {line}")
