"""The octets' side of a connection: an asyncio Protocol between a transport and a session.

It feeds the parser and the session with what comes in, writes at once what the session asks to be written, and leaves
the rest (handshake, a large body, the end) to the task that waits in `action`. So a small message on an open
connection wakes its task once, with the Report.

Deadlines: one timer for all of them, on the event loop's clock. A deadline is for a whole reply or a whole block,
never for a single octet, so that a host which drips a byte at a time gains nothing; and the session's own deadline
bounds all of them but the wait for the dot's reply, which always has its full time (I5).

Whatever goes wrong ends in `Session.lost`, so each waiter gets a value. Octets that come when the next command has not
been sent yet are a protocol error (response injection: CVE-2011-0411 is the case of STARTTLS).
"""

import asyncio
import math
import os
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from hedwig.reply import Stage, one_line
from hedwig.smtp import Deadlines, Said
from hedwig.smtp.events import Action, Closed, Heard, ProtocolError, Refused, Send, SendBody, StartTls
from hedwig.smtp.parser import ReplyParser
from hedwig.smtp.session import Session
from hedwig.smtp.states import State
from hedwig.smtp.watch import Watch

Trace = Callable[[str], None]
CLOSED = "connection closed by the far side"
SHOWN = 200  # octets of a body in a trace
_HIGH_WATER = 64 * 1024


class Channel(asyncio.Protocol):
    """One connection's protocol. `closed`: nothing more can be said on it; `ended`: why, where that came while no
    transaction was under way."""

    def __init__(self, session: Session, deadlines: Deadlines, trace: Trace | None) -> None:
        self.session = session
        self.closed = False
        self.ended: Said | None = None
        self.inline: Callable[[], bytes] | None = None  # gives a small body whole, at the moment it is written
        self._deadlines = deadlines
        self._trace = trace
        self._line = trace  # gets command and reply lines: the trace, and a record of one transaction
        self._loop = asyncio.get_running_loop()
        self._session_due = self._loop.time() + deadlines.session
        self._watch = Watch(self._loop, self._expired)
        self._limit = ("", 0.0)  # what is waited for, and for how many seconds
        self._parser = ReplyParser()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._gone = False  # the transport is
        self._action: Action | BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open: the banner is due."""
        # uvloop's transports have asyncio.Transport's methods, but do not inherit from it.
        self.use(cast("asyncio.Transport", transport))
        self._await_reply()

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        if self.closed:
            return
        self._parser.feed(data)
        try:
            while not self.closed and (heard := self._next()) is not None:
                self._perform(self._decide(heard))
        except ProtocolError as error:
            self.fail(f"protocol error: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The far side closed, or the network did."""
        self._gone = True
        self.fail(lost_because(exc) if exc else CLOSED)
        self._wake()

    def pause_writing(self) -> None:
        """The far side does not keep up."""
        self._paused = True

    def resume_writing(self) -> None:
        """All is handed to the kernel."""
        self._paused = False
        self._wake()

    # what the connection calls

    def use(self, transport: asyncio.Transport) -> None:
        """Talk over this transport from now on; what came before, in the clear, is forgotten."""
        self._transport = transport
        self._parser = ReplyParser()
        transport.set_write_buffer_limits(high=_HIGH_WATER, low=0)

    @property
    def transport(self) -> asyncio.Transport | None:
        """The one in use."""
        return self._transport

    @property
    def expired(self) -> bool:
        """Whether the time for the whole session is used up."""
        return self._loop.time() >= self._session_due

    @property
    def decided(self) -> bool:
        """Whether `action` would return at once."""
        return self._action is not None

    def start(self, action: Action | None) -> None:
        """Carry out what the session answered to `begin`, `quit` or `secured`."""
        self._perform(action)

    async def action(self) -> Action:
        """The session's next action that is not a mere command. Raises what `inline` raised."""
        while self._action is None:
            await self._sleep()
        action, self._action = self._action, None
        if isinstance(action, BaseException):
            raise action
        return action

    async def drained(self) -> None:
        """Returns when all that was written has gone to the kernel or something was decided; under `block`."""
        self.wait_for("the host took nothing", self._deadlines.block)
        # Even unhindered, let the loop run: others have their turn (I9), and an early refusal is heard.
        await asyncio.sleep(0)
        while self._paused and self._action is None:
            await self._sleep()

    def write(self, octets: bytes) -> None:
        """Hand octets to the socket."""
        if self._transport is not None and not self.closed:
            self._transport.write(octets)

    def say(self, commands: bytes, shown: bytes = b"") -> None:
        """Hand command lines to the socket. `shown`: what the trace has instead."""
        if self._line is not None:
            for line in (shown or commands).decode("utf-8", "replace").splitlines():
                self._line(f"> {one_line(line)}")
        self.write(commands)

    def record(self, lines: list[str] | None) -> None:
        """Have the command and reply lines from now on in `lines` too, until this is called with None."""
        trace = self._trace

        def both(line: str) -> None:
            if trace is not None:
                trace(line)
            if lines is not None:
                lines.append(line)

        self._line = both if lines is not None else trace

    def trace_body(self, octets: bytes, size: int) -> None:
        """The trace gets a body's first SHOWN octets, and how many it has."""
        if self._trace is not None:
            start = one_line(octets[:SHOWN].decode("utf-8", "replace"))
            self._trace(f"> {start}" if size <= SHOWN else f"> {start} [{size} octets]")

    def wait_for(self, what: str, seconds: float) -> None:
        """Fail with "`what` within `seconds` s" unless another deadline replaces this one."""
        self._limit = (what, seconds)
        self._watch.set(min(self._loop.time() + seconds, self._session_due))

    def dot_sent(self) -> None:
        """The dot is handed over; its reply has its full time, whatever is left of the session's (I5)."""
        if self._trace is not None:
            self._trace("> .")
        self.session.dot_sent()
        self._limit = ("no reply", self._deadlines.dot)
        self._watch.set(self._loop.time() + self._deadlines.dot)

    def fail(self, detail: str) -> None:
        """The connection is of no more use; the waiter gets the session's word on it."""
        if not self.closed:
            self._perform(self.session.lost(detail))

    def abort(self) -> None:
        """Drop the connection without a word. Safe to call twice."""
        self.closed = True
        self._watch.stop()
        if self._transport is not None:
            self._transport.abort()

    async def parted(self, seconds: float) -> None:
        """Returns when the far side has closed, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._gone:
                    await self._sleep()

    def close(self) -> None:
        """Close after what is written has gone out; nothing more is heard."""
        self.closed = True
        self._watch.stop()
        if self._transport is not None:
            self._transport.close()

    # within

    def _next(self) -> Heard | None:
        heard = self._parser.next()
        if heard is not None and self.session.state is State.AUTH:
            heard = self.session.veiled(heard)
        if heard is not None and self._line is not None:
            for line in heard.shown:
                self._line(line)
        return heard

    def _decide(self, heard: Heard) -> Action | None:
        session = self.session
        if session.state is State.DOT and heard.code < 400 and self._unsent():
            return session.lost("protocol error: the message was taken before it was sent whole")
        action = session.heard(heard)
        if self._parser.pending and isinstance(action, Send | SendBody | StartTls):
            extra = self._next()
            if extra is None:
                return session.lost("protocol error: the host speaks when no reply is due")
            return session.uncalled(extra)
        return action

    def _unsent(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def _perform(self, action: Action | None) -> None:
        if action is None:
            self._await_reply()
        elif isinstance(action, Send):
            self.say(action.octets, action.shown)
            self._await_reply()
        elif isinstance(action, SendBody) and self.inline is not None:
            self._send_inline(self.inline)
        else:
            self._watch.set(math.inf)
            if self.session.state is State.CLOSED:
                self._part(action)
            self._deliver(action)

    def _part(self, action: Action) -> None:
        """The session is over. Who refused us in so many words, or whom we refuse, gets a QUIT (RFC 5321 §3.1), others
        nothing."""
        if isinstance(action, Closed):
            self.ended = action.said
        reply = action.said.reply if isinstance(action, Refused) else None
        if isinstance(action, Closed) and action.said.stage is Stage.QUIT and action.said.reply is not None:
            self.closed = True  # it closes, too (`parted`)
        elif isinstance(action, Refused) and (action.ours or (reply is not None and reply.code != 421)):
            self.say(b"QUIT\r\n")
            self.close()
        else:
            self.abort()

    def _send_inline(self, content: Callable[[], bytes]) -> None:
        try:
            octets = content()
        except BaseException as error:  # noqa: BLE001  the dot mark failed: no dot goes out, and the task hears why
            self.session.lost("the dot mark could not be written")
            self.abort()
            self._deliver(error)
            return
        self.write(octets)
        self.dot_sent()

    def _await_reply(self) -> None:
        # Deadlines has a field for each stage in which a reply can be due.
        self.wait_for("no reply", float(getattr(self._deadlines, self.session.stage)))

    def _expired(self) -> None:
        if self.session.state is not State.DOT and self.expired:
            self.fail(f"the session took longer than {self._deadlines.session:g} s")
        else:
            what, seconds = self._limit
            self.fail(f"{what} within {seconds:g} s")

    def _deliver(self, action: Action | BaseException) -> None:
        if self._action is None:
            self._action = action
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _sleep(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


def lost_because(error: BaseException) -> str:
    """An error of the network in words: "connection refused", "connection reset by peer"."""
    if isinstance(error, BrokenPipeError):  # we were writing when it closed
        return CLOSED
    if isinstance(error, OSError) and error.errno and 0 < error.errno < 4096 and not hasattr(error, "library"):
        return os.strerror(error.errno).lower()
    return one_line(str(error)) or type(error).__name__
