"""The course of one SMTP connection: lines in, replies out, messages, time-outs, faults. What the commands mean is in
`session`, what the octets travel on in `stream`.

- A line ends with CRLF and nothing else (RFC 5321 §2.3.8), and is bounded.
- A command is carried out where it comes. Only handing on a message takes time: that is a task, and what follows waits.
- One timer a connection, moved lazily.
- A complete message is handed on even if its client has left meanwhile.
- A fault in a command is 451 4.3.0, logged, and the connection lives (I8). Within DATA the place in the conversation
  would be unknown, so there it ends with 421.
"""

import asyncio
import traceback
from collections.abc import Coroutine, Mapping
from typing import Any

from hedwig import log
from hedwig.mailman.intake import Intake
from hedwig.mailman.reception import Reception
from hedwig.mailman.service import Service
from hedwig.mailman.stream import Stream
from hedwig.reply import Reply

MAX_COMMAND = 2048  # octets; RFC 5321 §4.5.3.1.4 wants 512 and what extensions add
LEAST_SPEED = 8 * 1024  # octets a second, within DATA and on the whole
_BREATH = 50  # commands in one turn, after which others get theirs (I9)
_MOMENT = 2.0  # seconds of silence between messages that a client has while mailman stops
_FAULT = "a fault on our side, try again later; it is in mailman's log"


class Conversation(Stream):
    """A connection. Subclasses give `obey`, which carries out one command line, and `hand_on` for a message."""

    _timeout_handle: asyncio.TimerHandle | None

    def __init__(self, service: Service, common: Mapping[str, Any]) -> None:
        super().__init__(service, common)
        self._timeout_handle = None
        self._deadline = 0.0
        self._served = False  # a message was handed in here
        self._overlong = False  # the beginning of this line was thrown away
        self._reception: Reception | None = None  # a message that is coming in
        self._began = 0.0  # ... since then
        self._task: asyncio.Task[None] | None = None  # a message is being handed on
        self._later = False  # `proceed` runs again in a moment

    def obey(self, line: bytes) -> None:
        """Carry out one command line with its CRLF; b"" stands for one that was too long."""
        raise NotImplementedError

    async def hand_on(self, reception: Reception) -> Reply:
        """Hand on a message that has come in whole; what its client hears."""
        raise NotImplementedError

    # --- the connection's life

    def begin(self) -> None:
        """Greet."""
        self._reset_timeout()
        self.say_octets(f"220 {self.service.settings.fqdn} ESMTP hedwig\r\n".encode())
        self.flush()

    def lost(self, error: Exception | None) -> None:
        """What was not whole is thrown away; what is being handed on goes on."""
        if self._timeout_handle:
            self._timeout_handle.cancel()
        if self._reception is not None:
            if error is None:
                self.service.tell_refusal(self.peer, "left in the middle of a message", None)
            self._reception.close()
            self._reception = None
        self.debug("!", f"connection lost: {error or 'closed'}")

    def wind_down(self) -> None:
        """Leave after a moment of silence. Until then who has just come may hand in one message, and who was served may
        say QUIT: neither is refused (I10), and a client that hears 421 to its QUIT would send the message again."""
        idle = self._reception is None and self._task is None
        if idle and self.envelope.mail_from is None and self._timeout_handle:
            self._timeout_handle.cancel()
            self._timeout_handle = None
            self._reset_timeout()

    def leave(self) -> None:
        """Say 421 and close."""
        self.cut_off(Reply(421, "4.3.2", "mailman is stopping, try again in a moment"))

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
        if self._task is not None:  # what takes time is ours: the client is not cut off
            self._reset_timeout()
        elif self._deadline > self.loop.time():
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        elif self.service.stopping:
            self.leave()
        else:
            log.event("refused", f"{self.peer} was too slow and is cut off", client=self.peer)
            self.cut_off(Reply(421, "4.4.2", "you were silent or too slow for too long"))

    # --- the conversation

    def proceed(self) -> None:
        """Carry out what has come, up to a message that is being handed on."""
        if self._later:
            return
        left = _BREATH
        while left and not self._leaving and not self._unread and self._task is None:
            if self._reception is not None:
                if not self._receive(self._reception):
                    break
            elif (line := self._next_line()) is not None:
                left -= 1
                self._safely(line)
            else:
                break
        if left == 0:
            self._later = True
            self.loop.call_soon(self._go_on)
        elif self._ended and self._task is None and not self._unread:
            self._leaving = True  # nothing of what it has said is left to be answered
        if left < _BREATH and self._reception is None and self._task is None:
            self._reset_timeout()
        self.flush()

    def _go_on(self) -> None:
        self._later = False
        self.proceed()
        self._mind_the_input()

    def wants_more(self) -> bool:
        """Whether a line, or a message, is unfinished."""
        return not self._leaving and self._task is None and (self._reception is not None or bool(self._input))

    def _next_line(self) -> bytes | None:
        """The next command line with the LF that ends it; b"" for one that was too long; None where none is whole."""
        octets = self._input
        end = octets.find(b"\n") + 1
        if not end:
            if len(octets) >= MAX_COMMAND:
                self._overlong = True
                octets.clear()
            return None
        line = bytes(octets[:end])
        del octets[:end]
        overlong, self._overlong = self._overlong, False
        return b"" if overlong or end > MAX_COMMAND else line

    def _safely(self, line: bytes) -> None:
        try:
            self.obey(line)
        except Exception as error:  # noqa: BLE001
            self._tell_fault(error)
            self.say(Reply(451, "4.3.0", _FAULT))

    def _tell_fault(self, error: Exception) -> None:
        """I8: a fault of ours is never the client's. It is told as temporary, logged whole, and survived."""
        self.service.counters.faults += 1
        text = f"fault while serving {self.peer}: {traceback.format_exc()}"
        log.event(log.Matter.FAULT, text, log.Level.ERROR, reason=repr(error), peer=self.peer)
        self._set_rset_state()

    # --- a message

    def receive(self) -> None:
        """What comes next is a message, up to the end of data."""
        self._reception = Reception(Intake(self.service.settings.max_size), self.service)
        self._began = self.loop.time()
        self._reset_timeout()

    def _receive(self, reception: Reception) -> bool:
        """Take what has come of the message; whether that was all of it. A peer that drips is cut off by the deadline
        (I9)."""
        chunk, self._input = self._input, bytearray()
        try:
            rest = reception.take(chunk)
        except Exception as error:  # noqa: BLE001
            # Where the data ends is unknown now, and none of it may be read as a command (I6).
            self._tell_fault(error)
            self._reception = None
            reception.close()
            self.say(Reply(421, "4.3.0", _FAULT))
            self._leaving = True
            return False
        if rest is None:
            idle = self.service.settings.idle_timeout
            allowed = idle + reception.intake.received / LEAST_SPEED - (self.loop.time() - self._began)
            self._reset_timeout(max(0.001, min(idle, allowed)))
            return False
        self.debug(">", f"({reception.intake.received} octets of data)")
        self._input += rest
        self._reception = None
        self._task = self.loop.create_task(self._take_time(self.hand_on(reception), reception))
        return True

    async def _take_time(self, handing_on: Coroutine[Any, Any, Reply], reception: Reception) -> None:
        try:
            self.say(await handing_on)
            self._served = True
            self._set_rset_state()
        except Exception as error:  # noqa: BLE001
            self._tell_fault(error)
            self.say(Reply(451, "4.3.0", _FAULT))
        finally:
            reception.close()
            self._task = None
        self._reset_timeout()
        self.proceed()
        self._mind_the_input()
