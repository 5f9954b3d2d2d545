"""The far side: a receiver's MX on raw sockets that does exactly what the test tells it, and nothing right by itself.

A FarSide listens on one address and speaks SMTP in threads, one a connection. Without rules it takes everything. A Rule
changes what it says or does at one stage: refuse, greylist, hang up, say nothing until an event, drip. The first rule
that fits decides.

It is strict where hedwig must be: data ends at CRLF.CRLF and nowhere else; a bare CR, a bare LF, a NUL, a line over
1,000 octets, a command sent ahead where that was not allowed, 8-bit octets and parameters that were not offered are
written down in `faults`, which every journey checks.
"""

import socket
import threading
from types import TracebackType

from .farside_book import Book, Letter, Rule
from .farside_talk import Conversation
from .farside_wire import Gone, Wire

__all__ = ["FarSide", "Letter", "Rule"]


class FarSide(Book):
    """One MX. `extensions` are announced after EHLO; `certificate` (a PEM file) makes STARTTLS work, without it an
    announced STARTTLS ends in noise. With `narrow` the kernel takes hardly more for it than it reads. No transaction
    gets more than `most_rcpttos` recipients (0: any number); the others are answered with `beyond`. It takes no mail
    without this `login`, where it has one, by AUTH PLAIN."""

    def __init__(
        self,
        address: str = "192.0.2.1",
        *rules: Rule,
        extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SIZE 41943040", "SMTPUTF8", "ENHANCEDSTATUSCODES"),
        certificate: str = "",
        narrow: bool = False,
        most_rcpttos: int = 0,
        beyond: str = "452 4.5.3 too many recipients",
        login: tuple[str, str] = ("", ""),
    ) -> None:
        super().__init__(rules, extensions, certificate)
        self.most_rcpttos = most_rcpttos
        self.beyond = beyond
        self.login = login
        self.address = address
        self.connections = 0
        self.most_open = 0
        self._open: set[socket.socket] = set()
        self._closing = False
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 25), family=family, backlog=512)
        if narrow:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "FarSide":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and cut what is open."""
        with self.lock:
            self._closing = True
            for rule in self.rules:
                if rule.hold is not None:
                    rule.hold.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Close what is open, as a receiver's own deadline does."""
        with self.lock:
            still = list(self._open)
        for connection in still:
            _shut(connection)

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self._open.add(connection)
                self.most_open = max(self.most_open, len(self._open))
                number = self.connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        conversation = Conversation(self, Wire(connection), number)
        try:
            conversation.run()
        except (Gone, OSError) as ended:
            self.record(number, f"({ended})")
        finally:
            _shut(conversation.wire.socket)
            conversation.wire.socket.close()
            with self.lock:
                self._open.discard(connection)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already, by the other side or by us
