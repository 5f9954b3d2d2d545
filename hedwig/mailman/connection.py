"""One HTTP connection to the postoffice, each of whose requests ends in time.

It stands on Python's own http.client: its connecting, and its reading of answers (RFC 9112). A socket's time-out bounds
a single read or write, no more: an answer that drips would never end. Here these bounds hold:

- connecting: CONNECT_TIMEOUT for each address;
- the request as a whole, from its first octet to the answer's last: 10 s and a second for each 64 KiB;
- the answer to a request over 1 MiB: 10 to 20 s from when it has left this host, for what is silent then is not slow;
- an upload in which nothing moves: STALLED.

Where one is over, a thread cuts the socket, and whoever hangs in it comes back. `give_up` and `end` do the same from
any thread. `post` is for one thread. A connection that was kept alive and turns out to be closed is made anew, once.
The key goes to the configured URL alone: no redirect is followed, no proxy or .netrc of the environment is used.

A request leaves in one write where it is small, head and body: the far side wakes up once for it.
"""

import base64
import contextlib
import fcntl
import math
import select
import socket
import ssl
import sys
import termios
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

from hedwig.mailman.deadline import Deadline
from hedwig.reply import one_line
from hedwig.settings import KIB, Mailman

CONNECT_TIMEOUT = 3.0
REQUEST_TIMEOUT = 10.0
SLOWEST = 64 * KIB  # octets a second
LARGE = 1 << 20  # octets of a request whose answer has a time of its own
STALLED = 30.0  # seconds without one acknowledged octet
TOGETHER = 64 * KIB  # octets of a body that is copied behind its head
_PATH = "/%:@!$&'()*+,;=~"  # what may stand in a URL's path as it is (RFC 3986 §3.3)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the postoffice said, whole."""

    status: int
    content: bytes


class Broken(Exception):
    """There is no answer. `reached`: somebody had accepted the connection. `silent`: and had the whole request, but
    said nothing to it in time."""

    def __init__(self, reason: str, *, reached: bool, silent: bool) -> None:
        super().__init__(reason)
        self.reached = reached
        self.silent = silent


class _Stale(Exception):
    """The connection that was kept alive was closed by the far side meanwhile: no outage yet."""


def allowed(octets: int) -> float:
    """Seconds for a request of so many octets."""
    return REQUEST_TIMEOUT + octets / SLOWEST


class _Line:
    """The socket of a connection and the request on it, so that other threads can end the request."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._deadline = Deadline(self._strike)
        self._octets = 0
        self._until = 0.0
        self.ended = False
        self.given_up = False  # nobody wants the answer any more
        self.struck = False  # its time is over
        self.fresh = False  # the connection was made for this request
        self.sent = False

    @property
    def cut(self) -> bool:
        """Whether the request was ended by us."""
        return self.struck or self.given_up or self.ended

    def begin(self, octets: int) -> None:
        """A request of so many octets starts, on the socket that is there or on one that comes."""
        self.struck = self.fresh = self.sent = False
        self._octets = octets
        self._until = time.monotonic() + allowed(octets)
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it was closed meanwhile: another one will be opened
                self._socket.settimeout(allowed(octets))
        self._deadline.set(self._until)

    def opened(self, opened: socket.socket) -> None:
        """The connection stands. The time-out for connecting must not hold for sending."""
        self.fresh = True
        self._socket = opened
        opened.settimeout(allowed(self._octets))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED * 1000))
        if self.cut:
            self._shut()

    def has_left(self) -> None:
        """The request is with the kernel: the wait for the answer begins."""
        self.sent = not self.cut
        if self.sent and self._octets > LARGE:
            self._deadline.set(self._moment())

    def over(self) -> None:
        """The request has ended."""
        self._deadline.set()

    def give_up(self) -> None:
        self.given_up = True
        self._shut()

    def end(self) -> None:
        self.ended = True
        self._deadline.end()
        self._shut()

    def _strike(self) -> float:
        """Cut, unless the kernel still has some of the request: then it is the way that is slow, not the answer."""
        if self.sent and time.monotonic() < self._until and self._unsent():
            return self._moment()
        self.struck = True
        self._shut()
        return math.inf

    def _moment(self) -> float:
        return min(self._until, time.monotonic() + REQUEST_TIMEOUT)

    def _unsent(self) -> int:
        """Octets that the far side has not acknowledged (tcp(7), SIOCOUTQ)."""
        try:
            answer = fcntl.ioctl(self._socket or -1, termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # the socket was closed: whoever waited for it knows already
            return 0
        return int.from_bytes(answer, sys.byteorder)

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it was closed already: then nobody hangs in it
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # past TLS, which would wait its turn


class Connection:
    """Keeps one connection alive between requests. `path` is below the postoffice's URL."""

    def __init__(self, settings: Mailman, path: str) -> None:
        parts = urlsplit(settings.postoffice)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._ca_file = settings.ca_file
        login = base64.b64encode(f"{settings.fqdn}:{settings.key}".encode()).decode()
        target = quote(f"{parts.path.rstrip('/')}/{path}", safe=_PATH)
        self._head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUser-Agent: hedwig\r\n"
            f"Authorization: Basic {login}\r\n"
        )
        self._line = _Line()
        self._open: HTTPConnection | None = None

    def post(self, content: bytes, kind: str) -> Answer:
        """Send a request of the media type `kind`; its Answer, or Broken."""
        self._line.given_up = False
        try:
            return self._attempt(content, kind)
        except _Stale:
            return self._attempt(content, kind)

    def give_up(self) -> None:
        """End the request in flight, from another thread: nobody waits for it. The next one is not concerned."""
        self._line.give_up()

    def end(self) -> None:
        """End the request in flight and all later ones, from any thread."""
        self._line.end()

    def close(self) -> None:
        """Give the connection back."""
        self._line.end()
        self._drop()

    def _attempt(self, content: bytes, kind: str) -> Answer:
        line, started, why = self._line, time.monotonic(), ""
        was_kept = self._open is not None
        line.begin(len(content))
        try:
            answer = self._exchange(content, kind)
        except (OSError, HTTPException, UnicodeError) as error:  # UnicodeError: of a name that DNS can't carry
            why = _reason(error)
        finally:
            line.over()
        # Raised out here, so that no traceback keeps a large request in memory.
        if not why and not line.cut:
            return answer
        self._drop()
        if was_kept and not (line.fresh or line.cut):
            raise _Stale
        if line.ended:
            raise Broken("mailman is ending", reached=False, silent=False)
        reached = line.fresh or was_kept
        if line.cut and reached:
            waited = f"the postoffice gave no answer within {time.monotonic() - started:.0f} s"
            raise Broken(waited, reached=True, silent=line.sent)
        raise Broken(f"the postoffice can't be reached: {why}", reached=reached, silent=False)

    def _exchange(self, content: bytes, kind: str) -> Answer:
        """One request and its answer. OSError, HTTPException."""
        head = f"{self._head}Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n".encode("latin-1")
        there = self._connected()
        if len(content) <= TOGETHER:
            there.sendall(head + content)
        else:
            there.sendall(head)
            there.sendall(content)
        self._line.has_left()
        response = HTTPResponse(there, method="POST")
        with contextlib.closing(response):
            response.begin()
            answer = Answer(response.status, response.read())
            if response.will_close:
                self._drop()
        return answer

    def _connected(self) -> socket.socket:
        """The socket that is there, or a new one. What has something to read before it was asked has been closed."""
        if self._open is not None and _is_readable(self._open.sock):
            self._drop()
        if self._open is None:
            connection = self._new()
            connection.connect()
            self._open = connection
            self._line.opened(connection.sock)
        there: socket.socket = self._open.sock
        return there

    def _new(self) -> HTTPConnection:
        if not self._secure:
            return HTTPConnection(self._host, self._port, timeout=CONNECT_TIMEOUT)
        return HTTPSConnection(self._host, self._port, timeout=CONNECT_TIMEOUT, context=_authorities(self._ca_file))

    def _drop(self) -> None:
        connection, self._open = self._open, None
        if connection is not None:
            connection.close()


def _authorities(ca_file: str) -> ssl.SSLContext:
    """Who may vouch for the postoffice: those of a file, or of a folder that has them under their hashes; "": the
    system's. OSError names a file that can't be read: it may come back."""
    if not ca_file:
        return ssl.create_default_context()
    folder = Path(ca_file).is_dir()
    try:
        return ssl.create_default_context(cafile=None if folder else ca_file, capath=ca_file if folder else None)
    except OSError as error:
        raise OSError(error.errno, f"ca_file {ca_file}: {error.strerror or error}") from error


def _is_readable(there: socket.socket) -> bool:
    waiting = select.poll()
    waiting.register(there, select.POLLIN)
    return bool(waiting.poll(0))


def _reason(error: Exception) -> str:
    """The system's or the protocol's own word ("Connection refused")."""
    return one_line(getattr(error, "strerror", None) or str(error)) or type(error).__name__
