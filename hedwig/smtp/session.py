"""The conversation with one host as a state machine, without sockets and clocks (RFC 5321 §3, §4; 2920; 3207).

It is told what was heard and says what to do next:

1. banner 2yz → EHLO; 5yz to that → HELO.
2. STARTTLS where it is announced and wanted; refused → on in the clear; 220 → handshake, then EHLO again, and what was
   announced in the clear is forgotten (RFC 3207 §4.2).
3. AUTH, where there is a login (RFC 4954); without it nothing is sent.
4. a transaction: MAIL, RCPT for each recipient, DATA; in one group where PIPELINING is announced, else in lock-step.
5. 354 → the body → the dot → its reply, which alone says "delivered" (I5).

Outcomes are per recipient (I4): a refused RCPT keeps its reply and the message goes to the others; a refused MAIL, DATA
or dot counts for all that had none yet. Where no recipient is left and a pipelined DATA gets 354 all the same, a lone
dot ends an empty message (RFC 2920 §3.1) and its reply delivers nothing.

421 ends the session at any point. A reply when none is due ends it too, because from there on replies could no longer
be told apart: a 2yz before the dot was sent is never taken for the dot's. `lost` is for everything that the connection
sees by itself: reset, time-out, garbage. After `lost`, 421 or a protocol error the state is CLOSED.
"""

from collections.abc import Callable

from hedwig.reply import Stage
from hedwig.smtp import Report, Said
from hedwig.smtp.commands import Letter, extensions, hello
from hedwig.smtp.events import Action, Closed, Heard, Ready, Refused, Send, SendBody, StartTls
from hedwig.smtp.login import Exchange, Login, hidden
from hedwig.smtp.states import IDLE, OPENING, STAGES, State

NOT_OFFERED = "it offers no STARTTLS"


class Session:
    """One connection's conversation. `name`: ours, for EHLO. `extensions`: keyword to parameters, as announced last.
    `opening`: the banner, and the last EHLO or HELO with its answer: what we said, without CRLF, and what was heard."""

    def __init__(
        self, name: str, *, tls: bool = True, required: str = "", implicit: bool = False, login: Login | None = None
    ) -> None:
        """`tls`: STARTTLS is said where it is offered; `required`: why there is no session in the clear, "" where there
        is; `implicit`: TLS comes before the banner; `login`: whom to log in as."""
        hello("EHLO", name)  # a bad name fails here and not in mid-conversation
        self.state = State.HANDSHAKE if implicit else State.BANNER
        self.extensions: dict[str, str] = {}
        self.encrypted = False
        self.opening: tuple[tuple[str, Heard], ...] = ()
        self._name = name
        self._tls = tls
        self._required = required
        self._login = login
        self._exchange: Exchange | None = None
        self._letter = Letter(b"", (), (), eight_bit_clean=False)
        self._said: list[Said | None] = []
        self._places: list[int] = []  # where in _said each RCPT of the letter stands
        self._cursor = 0
        self._takers = 0  # RCPTs answered with 2yz, whatever MAIL got
        self._pipelining = False
        self._reset_due = False
        self._on: dict[State, Callable[[Heard], Action | None]] = {
            State.BANNER: self._banner,
            State.EHLO: self._ehlo,
            State.HELO: self._helo,
            State.STARTTLS: self._starttls,
            State.AUTH: self._auth,
            State.RSET: self._rset,
            State.MAIL: self._mail,
            State.RCPT: self._rcpt,
            State.DATA: self._data,
            State.DOT: self._dot,
            State.LONE_DOT: self._lone_dot,
            State.QUIT: self._quit,
        }

    @property
    def stage(self) -> Stage:
        """The stage that what is waited for belongs to; it chooses the deadline."""
        return STAGES[self.state]

    @property
    def open_places(self) -> tuple[int, ...]:
        """Which recipients of the transaction have no outcome yet."""
        return tuple(place for place, said in enumerate(self._said) if said is None)

    def heard(self, reply: Heard) -> Action | None:
        """A whole reply came. None: wait for the next one."""
        rule = self._on.get(self.state)
        if rule is None or reply.code == 421:
            return self.uncalled(reply)
        return rule(reply)

    def uncalled(self, reply: Heard) -> Action:
        """A reply came that nothing had asked for, or 421 at any point (RFC 5321 §3.8): the session ends.

        A refusal in the middle of the body is believed; a 2yz there is not, nor anything else out of turn.
        """
        refused_body = self.state is State.BODY and reply.code >= 400
        if reply.code == 421 or refused_body or self.state is State.QUIT:
            return self.end(Said(self.stage, reply.reply))
        return self.lost(f"protocol error: {reply.code} when no reply was due")

    def lost(self, detail: str) -> Action:
        """The connection failed, or speaks no SMTP; `detail` says how."""
        return self.end(Said(self.stage, None, detail))

    def end(self, said: Said) -> Action:
        """The session is over, and `said` holds for all recipients without an outcome of their own."""
        if self.state is State.AUTH and self._exchange is not None:
            said = self._exchange.told(said)
        state, self.state = self.state, State.CLOSED
        if state in OPENING:
            return Refused(said)
        if state in IDLE:
            return Closed(said)
        return self._report(said, reusable=False)

    def part(self, said: Said) -> Refused:
        """It is we who want no session with this host, which has done nothing wrong."""
        self.state = State.CLOSED
        return Refused(said, ours=True)

    def secured(self) -> Action | None:
        """The TLS handshake is through (RFC 3207 §4.2: begin anew; RFC 8314 §3.3: the banner is due)."""
        self.encrypted = True
        self.extensions = {}
        if not self.opening:
            self.state = State.BANNER
            return None
        return self._say_hello("EHLO", State.EHLO)

    def begin(self, letter: Letter) -> Action:
        """Start a transaction; only in READY."""
        self._letter = letter
        self._said = list(letter.said)
        self._places = [place for place, said in enumerate(letter.said) if said is None]
        self._cursor = self._takers = 0
        if not letter.rcpts:
            return self._report(None, reusable=True)
        self._pipelining = "PIPELINING" in self.extensions
        reset, self._reset_due = self._reset_due, False
        self.state = State.RSET if reset else State.MAIL
        if self._pipelining:
            head = b"RSET\r\n" if reset else b""
            return Send(head + letter.mail + b"".join(letter.rcpts) + b"DATA\r\n")
        return Send(b"RSET\r\n" if reset else letter.mail)

    def dot_sent(self) -> None:
        """The final dot has been handed over: the reply that comes now decides (I5)."""
        self.state = State.DOT

    def quit(self) -> Send:
        """End politely; only in READY."""
        self.state = State.QUIT
        return Send(b"QUIT\r\n")

    # opening

    def _banner(self, reply: Heard) -> Action:
        if reply.code // 100 == 2:
            self.opening = (("", reply),)
            return self._say_hello("EHLO", State.EHLO)
        return self._negative(reply)

    def _say_hello(self, verb: str, state: State) -> Send:
        self.state = state
        return Send(hello(verb, self._name))

    def _ehlo(self, reply: Heard) -> Action:
        if reply.code // 100 == 5:
            return self._say_hello("HELO", State.HELO)
        if reply.code // 100 != 2:
            return self._negative(reply)
        self.extensions = extensions(reply.lines)
        self.opening = (self.opening[0], (f"EHLO {self._name}", reply))
        if self._tls and not self.encrypted and "STARTTLS" in self.extensions:
            self.state = State.STARTTLS
            return Send(b"STARTTLS\r\n")
        return self._in_the_clear()

    def _helo(self, reply: Heard) -> Action:
        self.opening = (self.opening[0], (f"HELO {self._name}", reply))
        return self._in_the_clear() if reply.code // 100 == 2 else self._negative(reply)

    def _in_the_clear(self) -> Action:
        """Ready, unless this must not be in the clear and is."""
        if not self._required or self.encrypted:
            return self._ready()
        return self.part(Said(Stage.STARTTLS, None, f"{NOT_OFFERED}; {self._required}"))

    def _starttls(self, reply: Heard) -> Action:
        if reply.code // 100 == 2:
            self.state = State.HANDSHAKE
            return StartTls()
        if reply.code < 400:
            return self._negative(reply)
        # RFC 7435: a host that can't encrypt now still gets its mail, in the same session.
        return self.part(Said(Stage.STARTTLS, reply.reply, self._required)) if self._required else self._ready()

    def _ready(self) -> Action:
        if self._login is not None:
            return self._log_in(self._login)
        self.state = State.READY
        return Ready()

    def _log_in(self, login: Login) -> Action:
        self.state = State.AUTH
        self._exchange = Exchange(login, self.extensions, encrypted=self.encrypted)
        if self._exchange.trouble:
            return self.part(Said(Stage.AUTH, None, self._exchange.trouble))
        command = self._exchange.command()
        return Send(command, hidden(command))

    def veiled(self, reply: Heard) -> Heard:
        """A reply to AUTH without the password, should it repeat that."""
        return reply if self._exchange is None else self._exchange.veiled(reply)

    def _auth(self, reply: Heard) -> Action:
        assert self._exchange is not None  # noqa: S101
        line = b""
        if reply.code // 100 == 2:
            self.state = State.READY
            return Ready()
        if reply.code == 334:
            line = self._exchange.answer()
        elif reply.code == 504:  # it does not know the mechanism that it has announced
            line = self._exchange.command()
        return Send(line, hidden(line)) if line else self._negative(reply)

    # transaction

    def _rset(self, reply: Heard) -> Action | None:
        if reply.code // 100 != 2:
            return self.lost(f"RSET was refused: {reply.reply}")
        self.state = State.MAIL
        return None if self._pipelining else Send(self._letter.mail)

    def _mail(self, reply: Heard) -> Action | None:
        if reply.code // 100 == 3:
            return self._negative(reply)
        self.state = State.RCPT
        if reply.code >= 400:
            self._settle(Said(Stage.MAIL, reply.reply))
            if not self._pipelining:
                return self._report(None, reusable=True)
        else:
            self._reset_due = True
        return self._command(self._letter.rcpts[0])

    def _rcpt(self, reply: Heard) -> Action | None:
        if reply.code // 100 == 3:
            return self._negative(reply)
        place = self._places[self._cursor]
        self._cursor += 1
        if reply.code < 400:
            self._takers += 1
        elif self._said[place] is None:
            self._said[place] = Said(Stage.RCPT, reply.reply)
        if self._cursor < len(self._places):
            return self._command(self._letter.rcpts[self._cursor])
        if not self._pipelining and not self._takers:
            return self._report(None, reusable=True)
        self.state = State.DATA
        return self._command(b"DATA\r\n")

    def _command(self, line: bytes) -> Send | None:
        """The next command, unless it went out with the group."""
        return None if self._pipelining else Send(line)

    def _data(self, reply: Heard) -> Action:
        if reply.code // 100 == 2:
            return self._negative(reply)
        if reply.code >= 400:
            return self._report(Said(Stage.DATA, reply.reply), reusable=True)
        if None in self._said:
            self.state = State.BODY
            return SendBody()
        if self._takers:  # MAIL was refused and a RCPT was not: even an empty message could be delivered to it
            return self.lost("protocol error: 354 after MAIL was refused")
        self.state = State.LONE_DOT
        return Send(b".\r\n")

    def _dot(self, reply: Heard) -> Action:
        if reply.code // 100 == 3:
            return self._negative(reply)
        self._reset_due = False
        return self._report(Said(Stage.DOT, reply.reply), reusable=True)

    def _lone_dot(self, reply: Heard) -> Action:
        self._reset_due = False
        return self._report(None, reusable=True, note=f"no recipient was left, yet DATA was taken; then {reply.reply}")

    def _quit(self, reply: Heard) -> Action:
        return self.end(Said(Stage.QUIT, reply.reply))

    def _negative(self, reply: Heard) -> Action:
        """4yz and 5yz end the opening; a 2yz or 3yz that can't be meant is a protocol error at any point."""
        if reply.code >= 400:
            return self.end(Said(self.stage, reply.reply))
        return self.lost(f"protocol error: {reply.code} at {self.stage.upper()}")

    def _settle(self, said: Said) -> None:
        """`said` holds for all that have no outcome yet."""
        self._said = [said if own is None else own for own in self._said]

    def _report(self, said: Said | None, *, reusable: bool, note: str = "") -> Report:
        if said is not None:
            self._settle(said)
        if reusable:
            self.state = State.READY
        # Every place has its outcome here; the filter tells the type checker.
        return Report(tuple(own for own in self._said if own is not None), reusable, note)
