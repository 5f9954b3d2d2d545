"""The far side of `make run`: the mail exchanger of every domain, on loopback, that keeps letters as files.

    farside.py --port N --store DIR --tls FILE

It speaks ESMTP as a receiver does (RFC 5321; PIPELINING, 8BITMIME, SIZE, SMTPUTF8, STARTTLS with a certificate of its
own), and prints a line for each letter that it took. Letters are stored as DIR/0001.eml, 0002.eml ...: the bytes as
they came, under a Return-Path line. No name from outside becomes a path.

Two recipients are for trying things out, in any domain: `nobody@` does not exist (550), `busy@` is always told to come
again later (450). A letter with a bare LF in it is refused, because hedwig promises never to send one.
"""

import argparse
import itertools
import socketserver
import ssl
import threading
from pathlib import Path

MAX_SIZE = 64 << 20
IDLE = 300.0
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", f"SIZE {MAX_SIZE}")


class Store:
    """The folder of letters. Numbers go on from those that lie there already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def keep(self, letter: bytes) -> Path:
        """Write `letter` under the next free number; it appears whole or not at all."""
        with self._lock:
            path = next(path for n in self._numbers if not (path := self._folder / f"{n:04}.eml").exists())
            partial = path.with_suffix(".part")
            partial.write_bytes(letter)
            partial.rename(path)
        return path


class Exchanger(socketserver.ThreadingTCPServer):
    """The listening side; `context` is for STARTTLS."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, store: Store, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", port), Conversation)
        self.store = store
        self.context = context


class Refused(Exception):
    """A command is answered with this text."""


class Conversation(socketserver.StreamRequestHandler):
    """One connection, from banner to QUIT."""

    server: Exchanger
    timeout = IDLE
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.secure = False
        self._forget()

    def _forget(self) -> None:
        self.mailfrom: str | None = None
        self.rcpttos: list[str] = []

    def _say(self, *lines: str) -> None:
        *first, last = lines
        text = "".join(f"{line[:3]}-{line[4:]}\r\n" for line in first) + f"{last}\r\n"
        self.wfile.write(text.encode())

    def handle(self) -> None:
        """Read commands until QUIT, or until the other side goes."""
        self._say("220 mx.far-side.example ESMTP the far side of make run")
        try:
            while line := self.rfile.readline(4096):
                verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
                if verb.upper() == "QUIT":
                    self._say("221 2.0.0 bye")
                    return
                try:
                    self._command(verb.upper(), rest)
                except Refused as refused:
                    self._say(str(refused))
        except (OSError, EOFError) as error:
            print(f"a connection ended early: {error}", flush=True)

    def _command(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO":
                self._forget()
                offered = EXTENSIONS if self.secure else (*EXTENSIONS, "STARTTLS")
                self._say("250 mx.far-side.example", *(f"250 {word}" for word in offered))
            case "HELO" | "RSET" | "NOOP":
                if verb != "NOOP":
                    self._forget()
                self._say("250 2.0.0 fine")
            case "STARTTLS" if not self.secure:
                self._start_tls()
            case "MAIL":
                self.mailfrom = _path(rest, "FROM:")
                self._say("250 2.1.0 sender noted")
            case "RCPT":
                self._recipient(_path(rest, "TO:"))
            case "DATA":
                self._letter()
            case _:
                raise Refused("500 5.5.1 no such command here")

    def _start_tls(self) -> None:
        self._say("220 2.0.0 go ahead")
        self.connection = self.request = self.server.context.wrap_socket(self.connection, server_side=True)
        # New files: what was sent in the clear behind STARTTLS is forgotten (RFC 3207 §4.2).
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.secure = True
        self._forget()

    def _recipient(self, rcptto: str) -> None:
        if self.mailfrom is None:
            raise Refused("503 5.5.1 MAIL first")
        local = rcptto.partition("@")[0].lower()
        if local == "nobody":
            raise Refused(f"550 5.1.1 <{rcptto}> there is no such user")
        if local == "busy":
            raise Refused(f"450 4.2.1 <{rcptto}> is busy just now, come again later")
        self.rcpttos.append(rcptto)
        self._say("250 2.1.5 recipient noted")

    def _letter(self) -> None:
        if not self.rcpttos:
            raise Refused("503 5.5.1 no valid recipients")
        self._say("354 end it with a dot on a line of its own")
        letter, whole_lines = self._read_letter()
        mailfrom, rcpttos = self.mailfrom, ", ".join(f"<{rcptto}>" for rcptto in self.rcpttos)
        self._forget()
        if not whole_lines:
            raise Refused("550 5.6.0 the letter has bare line feeds in it")
        path = self.server.store.keep(b"Return-Path: <%s>\r\n" % (mailfrom or "").encode() + letter)
        print(f"took a letter from <{mailfrom}> for {rcpttos}: {path}", flush=True)
        self._say(f"250 2.0.0 taken as {path.stem}")

    def _read_letter(self) -> tuple[bytes, bool]:
        """The letter with its dots unstuffed, and whether every line ends with CRLF. CRLF.CRLF alone ends it."""
        lines: list[bytes] = []
        whole_lines = True
        while line := self.rfile.readline():
            if line == b".\r\n" and (not lines or lines[-1].endswith(b"\r\n")):
                return b"".join(lines), whole_lines
            whole_lines = whole_lines and line.endswith(b"\r\n")
            lines.append(line[1:] if line.startswith(b".") else line)
        raise EOFError("in the middle of a letter")


def _path(text: str, word: str) -> str:
    """The address of `FROM:<...> SIZE=...` or `TO:<...>`."""
    if not text.upper().startswith(word + "<") or ">" not in text:
        raise Refused(f"501 5.5.4 write {word}<address>")
    return text[len(word) + 1 : text.rindex(">")]


def main() -> None:
    """Serve until the process is ended."""
    arguments = argparse.ArgumentParser(description="A mail exchanger on loopback that stores letters as files.")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--store", type=Path, required=True)
    arguments.add_argument("--tls", type=Path, required=True, help="certificate and key in one PEM file")
    options = arguments.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.tls)
    with Exchanger(options.port, Store(options.store), context) as exchanger:
        exchanger.serve_forever()


if __name__ == "__main__":
    main()
