"""The far side: a receiver's MX on raw sockets that does exactly what the test tells it, and nothing right by itself.

A FarSide listens on one address and speaks SMTP in threads, one a connection. Without rules it takes everything. A Rule
changes what it says or does at one stage: refuse, greylist, hang up, say nothing until an event, drip. The first rule
that fits decides.

It is strict where hedwig must be: data ends at CRLF.CRLF and nowhere else; a bare CR, a bare LF, a NUL, a line over
1,000 octets, a command sent ahead where that was not allowed are written down in `faults`, which every journey checks.
"""

import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from .farside_wire import Gone, Wire, faults_of

_STAGE_OF = {b"EHLO": "ehlo", b"HELO": "ehlo", b"STARTTLS": "starttls", b"MAIL": "mail", b"RCPT": "rcpt"} | {
    b"DATA": "data",
    b"QUIT": "quit",
}
_USUAL = {
    "banner": "220 mx.far.example ESMTP",
    "starttls": "220 2.0.0 go ahead",
    "mail": "250 2.1.0 sender ok",
    "rcpt": "250 2.1.5 recipient ok",
    "data": "354 go ahead",
    "dot": "250 2.0.0 taken",
    "quit": "221 2.0.0 bye",
}


@dataclass
class Rule:
    """What happens at `stage` when `to` is part of the command (at "dot" and "body": of the first recipient).

    `reply`: said instead of the usual. `times`: only for so many (`each`: counted apart for each command's text).
    `hold`: wait for this event first. `hang_up`: close without a reply, by RST where `reset`. `drip`: seconds between
    the octets of the reply. `after`: at "body", how many octets are read first.
    """

    stage: str
    reply: str = ""
    to: str = ""
    times: int = 1 << 30
    each: bool = False
    hold: threading.Event | None = None
    hang_up: bool = False
    reset: bool = False
    drip: float = 0.0
    after: int = 0
    used: Counter[str] = field(default_factory=Counter)

    def fits(self, stage: str, text: str) -> bool:
        """Whether this rule speaks now; counts the use."""
        if stage != self.stage or self.to.lower() not in text.lower():
            return False
        key = text if self.each else ""
        self.used[key] += 1
        return self.used[key] <= self.times


@dataclass(frozen=True)
class Letter:
    """A message whose end of data arrived. `content` has its dot-stuffing undone; `reply` is what was answered, and ""
    where the connection was cut instead."""

    mailfrom: str
    rcpttos: tuple[str, ...]
    content: bytes
    reply: str
    connection: int
    encrypted: bool

    @property
    def header(self) -> str:
        """The header section."""
        return self.content.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")

    @property
    def body(self) -> bytes:
        """What follows the header section."""
        return self.content.partition(b"\r\n\r\n")[2]

    def field(self, name: str) -> str:
        """The first header field of this name, unfolded."""
        for line in self.header.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n"):
            if line.lower().startswith(f"{name.lower()}:"):
                return line.partition(":")[2].strip()
        return ""


class FarSide:
    """One MX. `extensions` are announced after EHLO; `certificate` (a PEM file) makes STARTTLS work, without it an
    announced STARTTLS ends in noise."""

    def __init__(
        self,
        address: str = "192.0.2.1",
        *rules: Rule,
        extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SIZE 41943040", "SMTPUTF8", "ENHANCEDSTATUSCODES"),
        certificate: str = "",
    ) -> None:
        self.address = address
        self.rules = list(rules)
        self.extensions = extensions
        self.certificate = certificate
        self.letters: list[Letter] = []
        self.faults: list[str] = []
        self.commands: list[tuple[int, str]] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closing = False
        self._listener = socket.create_server((address, 25), backlog=512)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "FarSide":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def add(self, rule: Rule) -> None:
        """From now on this rule too, before the others."""
        with self._lock:
            self.rules.insert(0, rule)

    def copies(self) -> Counter[str]:
        """How often each recipient got an accepted letter."""
        with self._lock:
            return Counter(rcptto for letter in self.letters if letter.reply[:1] == "2" for rcptto in letter.rcpttos)

    def accepted(self) -> list[Letter]:
        """The letters that were answered with 2yz."""
        with self._lock:
            return [letter for letter in self.letters if letter.reply[:1] == "2"]

    def said(self, start: str) -> list[str]:
        """The commands that began so, in any case of letters."""
        with self._lock:
            return [text for _, text in self.commands if text.lower().startswith(start.lower())]

    def close(self) -> None:
        """Stop listening and cut what is open."""
        with self._lock:
            self._closing = True
            for rule in self.rules:
                if rule.hold is not None:
                    rule.hold.set()
            still = list(self._open)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in still:
            _shut(connection)

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
                number = self.connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        conversation = _Conversation(self, Wire(connection), number)
        try:
            conversation.run()
        except (Gone, OSError) as ended:
            self.record(number, f"({ended})")
        finally:
            _shut(conversation.wire.socket)
            conversation.wire.socket.close()
            with self._lock:
                self._open.discard(connection)

    def record(self, number: int, text: str) -> None:
        """Write a command into the log."""
        with self._lock:
            self.commands.append((number, text))

    def fault(self, number: int, text: str) -> None:
        """Write down that hedwig broke a rule of SMTP."""
        with self._lock:
            self.faults.append(f"{self.address} connection {number}: {text}")

    def keep(self, letter: Letter) -> None:
        """Keep what arrived."""
        with self._lock:
            self.letters.append(letter)

    def find(self, stage: str, text: str) -> Rule | None:
        """The rule that decides here, if any."""
        with self._lock:
            return next((rule for rule in self.rules if rule.fits(stage, text)), None)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already, by the other side or by us


class _Conversation:
    """One connection's SMTP."""

    def __init__(self, far: FarSide, wire: Wire, number: int) -> None:
        self.far = far
        self.wire = wire
        self.number = number
        self.mailfrom = ""
        self.rcpttos: list[str] = []
        self.encrypted = False
        self.over = False

    def run(self) -> None:
        """Speak until the client or a rule ends it."""
        if self.answer("banner", "")[:1] != "2":
            self._refuse_all()
            return
        handlers: dict[str, Callable[[bytes], None]] = {"ehlo": self.ehlo, "starttls": self.starttls} | {
            "mail": self.mail,
            "rcpt": self.rcpt,
            "data": self.take,
        }
        while not self.over:
            line = self.wire.line()
            self._check(line)
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            self.far.record(self.number, text)
            stage = _STAGE_OF.get(line.split(b" ")[0].strip().upper(), "")
            if stage == "quit":
                self.answer("quit", text)
                return
            if stage:
                handlers[stage](line)
            elif line.strip().upper() in (b"RSET", b"NOOP"):
                self.mailfrom, self.rcpttos = "", []
                self.wire.say("250 2.0.0 ok")
            else:
                self.far.fault(self.number, f"unknown command {line!r}")
                self.wire.say("500 5.5.1 what?")

    def _refuse_all(self) -> None:
        while True:
            line = self.wire.line()
            self.far.record(self.number, line.decode("utf-8", "replace").strip())
            if line.strip().upper() == b"QUIT":
                self.answer("quit", "QUIT")
                return
            self.wire.say("503 5.5.1 I do not talk to you")

    def _check(self, line: bytes) -> None:
        for fault in faults_of(line):
            self.far.fault(self.number, f"{fault} in command {line[:80]!r}")
        first = line.split(b" ")[0].strip().upper()
        alone = first in (b"EHLO", b"HELO", b"STARTTLS", b"DATA", b"QUIT") or "PIPELINING" not in self.far.extensions
        if alone and self.wire.waiting():
            self.far.fault(self.number, f"sent ahead of the reply to {line[:80]!r}: {self.wire.waiting()[:80]!r}")

    def answer(self, stage: str, text: str, usual: str = "") -> str:
        """Say what the rules or custom want; returns it. Raises Gone where a rule hangs up."""
        rule = self.far.find(stage, text)
        reply = usual or _USUAL.get(stage, "")
        if rule is None:
            self.wire.say(reply)
            return reply
        if rule.hold is not None:
            rule.hold.wait()
        if rule.hang_up:
            self.hang_up(rule)
        reply = rule.reply or reply
        self.wire.say(reply, rule.drip)
        if reply.startswith("421"):
            raise Gone("said 421 and closed")
        return reply

    def hang_up(self, rule: Rule) -> None:
        """Close as the rule says."""
        if rule.reset:
            self.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.wire.socket.close()
        raise Gone(f"hung up at {rule.stage}")

    def ehlo(self, line: bytes) -> None:
        """Greet, and announce what this side can do."""
        self.mailfrom, self.rcpttos = "", []
        offered = tuple(name for name in self.far.extensions if not (self.encrypted and name == "STARTTLS"))
        words = ("mx.far.example", *offered)
        marks = ["-"] * (len(words) - 1) + [" "]
        usual = "\r\n".join(f"250{mark}{word}" for mark, word in zip(marks, words, strict=True))
        self.answer("ehlo", line.decode("utf-8", "replace"), usual)

    def starttls(self, line: bytes) -> None:
        """Encrypt; or, without a certificate, make noise and hang up."""
        if not self.answer("starttls", line.decode()).startswith("220"):
            return
        if not self.far.certificate:
            self.wire.socket.sendall(b"\x00this is no TLS at all\r\n" * 3)
            raise Gone("made noise instead of TLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.far.certificate)
        self.wire = Wire(context.wrap_socket(self.wire.socket, server_side=True))
        self.encrypted = True

    def mail(self, line: bytes) -> None:
        """MAIL FROM."""
        text = line.decode("utf-8", "surrogateescape").strip()
        if self.answer("mail", text)[:1] == "2":
            self.mailfrom, self.rcpttos = _path(text), []

    def rcpt(self, line: bytes) -> None:
        """RCPT TO."""
        text = line.decode("utf-8", "surrogateescape").strip()
        if self.answer("rcpt", text)[:1] == "2":
            self.rcpttos.append(_path(text))

    def take(self, line: bytes) -> None:
        """DATA, and the message after it."""
        if not self.rcpttos:
            if "PIPELINING" not in self.far.extensions:  # with it, DATA may be on its way already (RFC 2920 §3.1)
                self.far.fault(self.number, "DATA without an accepted recipient")
            self.wire.say("503 5.5.1 no recipients")
            return
        text = self.rcpttos[0]
        if not self.answer("data", text).startswith("354"):
            return
        rule = self.far.find("body", text)
        if rule is not None:
            if rule.hold is not None:
                rule.hold.wait()
            self.wire.content(rule.after)
            self.hang_up(rule)
        raw = self.wire.content()
        for fault in faults_of(raw):
            self.far.fault(self.number, f"{fault} in the message to {text}")
        content = b"\r\n".join(part[1:] if part.startswith(b".") else part for part in raw.split(b"\r\n"))
        reply = ""
        try:
            reply = self.answer("dot", text)
        finally:
            to = tuple(self.rcpttos)
            self.far.keep(Letter(self.mailfrom, to, content, reply, self.number, self.encrypted))
            self.mailfrom, self.rcpttos = "", []


def _path(text: str) -> str:
    return text[text.index("<") + 1 : text.rindex(">")]
