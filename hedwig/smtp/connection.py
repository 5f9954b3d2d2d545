"""A connection to one exchanger: dials, opens the session, carries transactions, says goodbye (RFC 5321; 3207).

`connect` gives a Connection that is ready for a transaction, or raises ConnectFailed with what was said and at which
stage. What is done about TLS a Security says (tls.py). Where a handshake fails, or the host is not proved to be the one
that is meant, the stage is STARTTLS and `reply` is None: where TLS isn't required the caller may come again with CLEAR,
and remembers that about the host. A refused STARTTLS (454, 5yz) is no failure there: the session goes on in the clear.

`Connection.send` ends in a Report whatever the network does. Its promises:

- `before_dot` is called right before the final CRLF "." CRLF is handed to the socket (I5). A connection lost before
  that is reported at the stage it was in; one lost after it leaves the recipients in doubt.
- `at_brink`, where it is given, is awaited instead, with the conversation so far: the dot goes out when it is done, and
  not at all where the transaction was decided meanwhile.
- What can be known before is refused before (fitting.py). A body that is small is checked whole before anything of it
  is sent (I6). A larger one is checked as it is sent; what is bad in it breaks the connection before the dot, so that
  no part of it is taken for a message.
- What `body`, `before_dot` or `at_brink` raises comes out of `send`; the connection is dropped if part of the message
  was sent.
- A cancelled `send` drops the connection. Whether the dot was out by then the dot mark tells.

Not for two tasks at a time. Runs on asyncio's own loop and on uvloop.
"""

import asyncio
import dataclasses
import errno
from collections.abc import Awaitable, Callable, Mapping

from hedwig.reply import Stage
from hedwig.smtp import Brink, ConnectFailed, Deadlines, Report, Said, Target, Transaction
from hedwig.smtp.channel import Channel, Trace, lost_because
from hedwig.smtp.commands import Letter
from hedwig.smtp.content import Streamed, Whole
from hedwig.smtp.dial import Dial
from hedwig.smtp.events import Action, Ready, Refused, SendBody, StartTls
from hedwig.smtp.fitting import Fitted, fit
from hedwig.smtp.login import Login
from hedwig.smtp.session import Session
from hedwig.smtp.states import State
from hedwig.smtp.stuffing import BodyError
from hedwig.smtp.tls import OPPORTUNISTIC, Security, described, server_name

AtBrink = Callable[[Brink], Awaitable[None]]

INLINE = 64 * 1024  # a body of at most so many octets goes out in one write, its dot with it
PARTING = 1.0  # seconds that a host has for closing after its answer to QUIT
BRINK = 120.0  # seconds that `at_brink` may take; the host waits that long for the next block (RFC 5321 §4.5.3.2.5)


# These say nothing of the host (I8); the last one is of a source address that this machine lacks.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


async def connect(  # noqa: PLR0913  two of the six are seams (dial, trace) that have no noun in common
    dial: Dial,
    target: Target,
    ehlo: str,
    deadlines: Deadlines,
    *,
    security: Security = OPPORTUNISTIC,
    login: Login | None = None,
    trace: Trace | None = None,
) -> "Connection":
    """Open a session, or raise ConnectFailed.

    `dial` gives a connected stream socket. `ehlo` is our name (ValueError if it can't be one). `login`: whom to log in
    as; what fails there is told at the stage AUTH. `trace` is called with each line, "> " sent and "< " received.
    """
    session = Session(ehlo, tls=security.starttls, required=security.required, implicit=security.implicit, login=login)
    channel = Channel(session, deadlines, trace)
    limit = asyncio.timeout(deadlines.connect)
    try:
        async with limit:
            sock = await dial(target)
        await asyncio.get_running_loop().create_connection(lambda: channel, sock=sock)
    except OSError as error:  # TimeoutError, ours and the kernel's, is one
        detail = f"no connection within {deadlines.connect:g} s" if limit.expired() else lost_because(error)
        ours = error.errno in _OURS
        raise ConnectFailed(target, Said(Stage.LOCAL if ours else Stage.CONNECT, None, detail)) from error
    try:
        said = await _open(channel, target, deadlines, security)
    except BaseException:
        channel.abort()
        raise
    if said is not None:
        raise ConnectFailed(target, said, within_tls=session.encrypted)
    return Connection(target, channel, security)


async def _open(channel: Channel, target: Target, deadlines: Deadlines, security: Security) -> Said | None:
    """From the banner, or the handshake before it, to readiness; what was said where it did not come to that."""
    if security.implicit:
        await _handshake(channel, target, deadlines.starttls, security)
    while True:
        action = await channel.action()
        if isinstance(action, StartTls):
            await _handshake(channel, target, deadlines.starttls, security)
        elif isinstance(action, Refused):
            return action.said
        elif isinstance(action, Ready):
            return None


async def _handshake(channel: Channel, target: Target, seconds: float, security: Security) -> None:
    """TLS, and the look at who it is with; then EHLO again, or the banner. A failure becomes the channel's action.
    Nothing that came in the clear survives it."""
    plain = channel.transport
    if plain is None or channel.closed:
        return
    try:
        async with asyncio.timeout(seconds):
            transport = await asyncio.get_running_loop().start_tls(
                plain,
                channel,
                security.context,
                server_hostname=server_name(security.server_name or target.host),
                ssl_handshake_timeout=seconds + 1,  # ours above is the one that rings
                ssl_shutdown_timeout=1.0,
            )
    except TimeoutError:
        channel.fail(f"no TLS handshake within {seconds:g} s")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; ValueError: a name that SNI can't carry
        channel.fail(f"TLS handshake: {lost_because(error)}")
    else:
        if transport is None:  # asyncio's way to say that the connection was lost meanwhile
            channel.fail("TLS handshake: connection lost")
            return
        channel.use(transport)
        wrong = security.check(transport.get_extra_info("ssl_object"))
        if wrong:
            channel.fail(wrong)
        else:
            channel.start(channel.session.secured())


class Connection:
    """An open session. `security`: what it was opened with; `tls`: protocol and cipher, or ""; `sent`: transactions
    carried to their end so far. Who opened it may note in `policy` what held for TLS, in words, and in `requiretls`
    whether messages that ask for that may be handed over here (RFC 8689 §2)."""

    def __init__(self, target: Target, channel: Channel, security: Security) -> None:
        self.target = target
        self.security = security
        self.policy = ""
        self.requiretls = False
        self.sent = 0
        self._channel = channel
        transport = channel.transport
        self.tls = described(transport.get_extra_info("ssl_object") if transport else None)

    @property
    def extensions(self) -> Mapping[str, str]:
        """What the host announced last: keyword in upper case to its parameters."""
        return self._channel.session.extensions

    @property
    def alive(self) -> bool:
        """Whether another transaction may be tried. A host that closed, said 421 or spoke out of turn is gone, and so
        is a session that has used up its time."""
        channel = self._channel
        return not channel.closed and channel.session.state is State.READY and not channel.expired

    async def send(
        self, transaction: Transaction, before_dot: Callable[[], None], at_brink: AtBrink | None = None
    ) -> Report:
        """Carry one message; see the module's text for what it promises."""
        if (gone := self._gone()) is not None:
            return self._unsent(transaction, gone)
        fitted = await fit(transaction, self.extensions)
        if isinstance(fitted, Said):
            return self._unsent(transaction, fitted)
        if (gone := self._gone()) is not None:  # while a large body was looked through
            return self._unsent(transaction, gone)
        try:
            if at_brink is None:
                report = await self._carry(fitted, before_dot)
            else:
                report = await self._carry_on_record(fitted, at_brink)
        except BaseException:
            self.abort()
            raise
        self.sent += 1
        if fitted.note:
            report = dataclasses.replace(report, said=tuple(_noted(said, fitted.note) for said in report.said))
        return report if report.reusable == self.alive else dataclasses.replace(report, reusable=False)

    async def ask(self, letter: Letter) -> Report:
        """Say MAIL and RCPT, and no DATA; what the host says of each recipient, a yes too (inquiry.py)."""
        try:
            self._channel.start(self._channel.session.begin(letter, asking=True))
            return _report(await self._channel.action())
        except BaseException:
            self.abort()
            raise

    async def quit(self) -> None:
        """QUIT, a short wait for the answer and for the host's closing, which comes first (RFC 5321 §4.1.1.10): until
        then it counts us among its connections. Never raises; does nothing on a connection that is gone."""
        channel = self._channel
        if channel.closed or channel.session.state is not State.READY:
            self.abort()
            return
        try:
            channel.start(channel.session.quit())
            await channel.action()
            await channel.parted(PARTING)
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop the connection at once. Safe to call twice."""
        self._channel.abort()

    def _gone(self) -> Said | None:
        """What is said of a transaction that can't begin."""
        if self.alive:
            return None
        return self._channel.ended or Said(Stage.MAIL, None, "the connection was closed while idle")

    def _unsent(self, transaction: Transaction, said: Said) -> Report:
        """The same refusal of ours for all; the connection was not touched."""
        return Report((said,) * len(transaction.rcpttos), reusable=self.alive)

    async def _carry(self, fitted: Fitted, before_dot: Callable[[], None]) -> Report:
        channel, content = self._channel, fitted.content
        if isinstance(content, Whole) and fitted.size <= INLINE:
            octets = content.octets + content.dot

            def marked() -> bytes:
                before_dot()
                channel.trace_body(octets, fitted.size)
                return octets

            channel.inline = marked
        channel.start(channel.session.begin(fitted.letter))
        action = await channel.action()
        channel.inline = None
        if isinstance(action, SendBody):
            end = await self._stream(fitted.content, fitted.size)
            if end:
                before_dot()
                self._end_data(end)
            action = await channel.action()
        return _report(action)

    async def _carry_on_record(self, fitted: Fitted, at_brink: AtBrink) -> Report:
        """As `_carry`, but it waits at the brink; nothing goes out in one write with the dot."""
        channel = self._channel
        lines = self._opening()
        channel.record(lines)
        try:
            channel.start(channel.session.begin(fitted.letter))
            action = await channel.action()
            if isinstance(action, SendBody):
                end = await self._stream(fitted.content, fitted.size)
                if end:
                    lines.append(f"* {fitted.size} octets of the message are sent")
                    channel.wait_for("the dot mark was not on disk", BRINK)
                    await at_brink(Brink(tuple(lines), channel.session.open_places))
                    if not channel.decided:
                        self._end_data(end)
                action = await channel.action()
            return _report(action)
        finally:
            channel.record(None)

    def _opening(self) -> list[str]:
        """How the conversation began: whom it is with, its greeting and its last answer to EHLO."""
        target = self.target
        lines = [f"* {target.host}[{target.address}]:{target.port}, {self.tls or 'without TLS'}"]
        for said, heard in self._channel.session.opening:
            lines += [f"> {said}"] if said else []
            lines += heard.shown
        return lines

    async def _stream(self, content: Whole | Streamed, size: int) -> bytes:
        """Block after block, each when the one before has gone. Returns the end of data, which is still to be sent; b""
        where something was decided before."""
        channel = self._channel
        first = True
        try:
            for octets in content.blocks():
                channel.write(octets)
                if first:
                    channel.trace_body(octets, size)
                    first = False
                await channel.drained()
                if channel.decided:
                    return b""
        except BodyError as error:
            channel.start(channel.session.end(Said(Stage.LOCAL, error.reply)))
            return b""
        return content.dot

    def _end_data(self, end: bytes) -> None:
        self._channel.write(end)
        self._channel.dot_sent()


def _noted(said: Said, note: str) -> Said:
    """What the host said of the message itself, with what was done to that."""
    if said.stage is not Stage.DOT:
        return said
    return dataclasses.replace(said, detail="; ".join(word for word in (said.detail, note) if word))


def _report(action: Action) -> Report:
    if isinstance(action, Report):
        return action
    raise RuntimeError(f"unforeseen: {action}")  # begin and what follows it end in a Report by Session's rules
