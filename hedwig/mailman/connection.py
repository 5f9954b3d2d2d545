"""One HTTP connection to the postoffice, each of whose requests ends in time.

requests bounds a single read and the connecting, no more: an answer that drips never ends, and while a body is sent the
three seconds meant for connecting still hold. Here these bounds hold:

- connecting: CONNECT_TIMEOUT for each address;
- the request as a whole, from its first octet to the answer's last: 10 s and a second for each 64 KiB;
- the answer to a request over 1 MiB: 10 to 20 s from when it has left this host, for what is silent then is not slow;
- an upload in which nothing moves: STALLED.

Where one is over, a thread cuts the socket, and whoever hangs in it comes back. `give_up` and `end` do the same from
any thread. `post` is for one thread. A connection that was kept alive and turns out to be closed is made anew, once.
The key goes to the configured URL alone: no redirect is followed, no proxy or .netrc of the environment is used.
"""

import contextlib
import fcntl
import math
import socket
import sys
import termios
import time
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from urllib.parse import urljoin

from hedwig.lean_requests import requests
from hedwig.mailman.adapter import Adapter
from hedwig.mailman.deadline import Deadline
from hedwig.reply import one_line
from hedwig.settings import KIB, Mailman

CONNECT_TIMEOUT = 3.0
REQUEST_TIMEOUT = 10.0
SLOWEST = 64 * KIB  # octets a second
LARGE = 1 << 20  # octets of a request whose answer has a time of its own
STALLED = 30.0  # seconds without one acknowledged octet


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
        """The request is with the kernel: the wait for the answer begins. (urllib3 says so of a broken pipe too.)"""
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
        self._url = urljoin(settings.postoffice.rstrip("/") + "/", path)
        self._line = _Line()
        self._kept = False  # whether a connection of an earlier request may still be open
        self._adapter = Adapter(self._line)
        self._verify = settings.ca_file or True
        self._key = (settings.fqdn, settings.key)

    @cached_property
    def _ready(self) -> requests.PreparedRequest:
        """But for its content each request is like the others. It goes to the adapter itself: a session would look for
        redirects, proxies and cookies, at 0.2 ms."""
        names = {"User-Agent": "hedwig-mailman", "Accept-Encoding": "identity"}
        return requests.Request("POST", self._url, names, data=b"-", auth=self._key).prepare()

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
        self._adapter.close()

    def _attempt(self, content: bytes, kind: str) -> Answer:
        line, started, why = self._line, time.monotonic(), ""
        was_kept, self._kept = self._kept, False
        line.begin(len(content))
        try:
            response = self._adapter.send(
                self._request(content, kind),
                timeout=(CONNECT_TIMEOUT, allowed(len(content))),
                verify=self._verify,
                proxies={},
            )
            answer = Answer(response.status_code, response.content)  # cut short where we cut: requests does not mind
        except OSError as error:  # requests' own are OSErrors too; a ca_file that is missing is a plain one
            why = innermost(error)
        finally:
            line.over()
        # Raised out here, so that no traceback keeps a large request in memory.
        if why and was_kept and not (line.fresh or line.cut):
            raise _Stale
        if line.ended:
            raise Broken("mailman is ending", reached=False, silent=False)
        reached = line.fresh or was_kept
        if line.cut and reached:
            waited = f"the postoffice gave no answer within {time.monotonic() - started:.0f} s"
            raise Broken(waited, reached=True, silent=line.sent)
        if why:
            raise Broken(f"the postoffice can't be reached: {why}", reached=reached, silent=False)
        self._kept = True
        return answer

    def _request(self, content: bytes, kind: str) -> requests.PreparedRequest:
        request = self._ready.copy()
        request.body = content
        request.headers["Content-Type"] = kind
        request.headers["Content-Length"] = str(len(content))
        return request


def innermost(error: BaseException) -> str:
    """The system's or the protocol's own reason ("Connection refused"), without the wrappings of libraries."""
    reason, inner = str(error), error.__context__
    while inner is not None:
        if isinstance(inner, OSError | HTTPException) and not isinstance(inner, requests.RequestException):
            reason = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
        inner = inner.__context__
    return one_line(reason) or type(error).__name__
