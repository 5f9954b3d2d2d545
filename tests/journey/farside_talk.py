"""The far side's part of one SMTP conversation."""

import base64
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import replace

from .farside_book import Book, Letter, Rule
from .farside_wire import Gone, Wire, faults_of

_STAGE_OF = {
    b"EHLO": "ehlo",
    b"HELO": "ehlo",
    b"STARTTLS": "starttls",
    b"AUTH": "auth",
    b"MAIL": "mail",
    b"RCPT": "rcpt",
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


class Conversation:
    """One connection's SMTP."""

    def __init__(self, far: Book, wire: Wire, number: int) -> None:
        self.far = far
        self.wire = wire
        self.number = number
        self.mailfrom = ""
        self.rcpttos: list[str] = []
        self.utf8 = False
        self.encrypted = False
        self.logged_in = False
        self.over = False

    def run(self) -> None:
        """Speak until the client or a rule ends it."""
        if self.answer("banner", "")[:1] != "2":
            self._refuse_all()
            return
        handlers: dict[str, Callable[[bytes], None]] = {
            "ehlo": self.ehlo,
            "starttls": self.starttls,
            "auth": self.auth,
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

    def _check_octets(self, line: bytes) -> None:
        """RFC 6531 §3.4: UTF-8 in an address is announced with MAIL."""
        if not line.isascii() and not self.utf8:
            self.far.fault(self.number, f"8-bit octets in command {line[:80]!r}")

    def answer(self, stage: str, text: str, usual: str = "", note: Callable[[str], None] = lambda _: None) -> str:
        """Say what the rules or custom want; returns it. Raises Gone where a rule hangs up.

        `note` is called with the reply ("" for none) just before it is sent, so that records precede what they caused.
        """
        rule = self.far.find(stage, text) or Rule(stage)
        if rule.hold is not None:
            rule.hold.wait()
        if rule.hang_up:
            note("")
            self.wire.send(rule.raw, rule.drip)
            self.hang_up(rule)
        octets = rule.raw or f"{rule.reply or usual or _USUAL.get(stage, '')}\r\n".encode()
        reply = octets.decode("utf-8", "replace").removesuffix("\r\n")
        note(reply)
        self.wire.send(octets, rule.drip)
        while rule.endless:
            self.wire.send(octets, rule.drip)
        if reply.startswith("421"):
            raise Gone("said 421 and closed")
        return reply

    def _leave(self, rule: Rule) -> None:
        """Go away where no reply is due; after so many octets of a message."""
        if rule.hold is not None:
            rule.hold.wait()
        if rule.stage == "body":
            self.wire.content(rule.after)
        self.hang_up(rule)

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
        rule = self.far.find("handshake", "")
        if rule is not None:
            self._leave(rule)
        if not self.far.certificate:
            self.wire.socket.recv(1)  # of the handshake: what came before it would be another error
            self.wire.socket.sendall(b"\x00this is no TLS at all\r\n" * 3)
            raise Gone("made noise instead of TLS")
        self.encrypt()

    def encrypt(self) -> None:
        """Speak TLS from here on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.far.certificate)
        self.wire = Wire(context.wrap_socket(self.wire.socket, server_side=True))
        self.encrypted = True

    def auth(self, line: bytes) -> None:
        """AUTH PLAIN with its response (RFC 4616)."""
        user, password = self.far.login
        given = base64.b64decode(line.split()[2]).decode()
        good = given == f"\0{user}\0{password}"
        reply = self.answer("auth", line.decode(), "235 2.7.0 welcome" if good else "535 5.7.8 wrong user or password")
        self.logged_in = reply.startswith("235")

    def mail(self, line: bytes) -> None:
        """MAIL FROM."""
        if any(self.far.login) and not self.logged_in:
            self.far.fault(self.number, "MAIL without a login")
        text = line.decode("utf-8", "surrogateescape").strip()
        known = {word.split(" ")[0] for word in self.far.extensions}
        for parameter, extension in (("SIZE=", "SIZE"), ("BODY=", "8BITMIME"), ("SMTPUTF8", "SMTPUTF8")):
            if f" {parameter}" in text.rpartition(">")[2] and extension not in known:
                self.far.fault(self.number, f"{parameter} was not offered: {text!r}")
        self.utf8 = " SMTPUTF8" in text.rpartition(">")[2]
        self._check_octets(line)
        if self.answer("mail", text)[:1] == "2":
            self.mailfrom, self.rcpttos = _path(text), []

    def rcpt(self, line: bytes) -> None:
        """RCPT TO."""
        text = line.decode("utf-8", "surrogateescape").strip()
        self._check_octets(line)
        if self.far.most_rcpttos and len(self.rcpttos) >= self.far.most_rcpttos:
            self.wire.say(self.far.beyond)
        elif self.answer("rcpt", text)[:1] == "2":
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
            self._leave(rule)
        raw = self.wire.content()
        for fault in faults_of(raw):
            self.far.fault(self.number, f"{fault} in the message to {text}")
        if not raw.isascii() and "8BITMIME" not in self.far.extensions:
            self.far.fault(self.number, f"8-bit octets in the message to {text}")
        content = b"\r\n".join(part[1:] if part.startswith(b".") else part for part in raw.split(b"\r\n"))
        letter = Letter(self.mailfrom, tuple(self.rcpttos), content, "", self.number, self.encrypted)
        self.mailfrom, self.rcpttos = "", []
        self.answer("dot", text, note=lambda reply: self.far.keep(replace(letter, reply=reply)))


def _path(text: str) -> str:
    return text[text.index("<") + 1 : text.rindex(">")]
