"""requests' way to the wire, with connections that say when they are open and when a request has left, and that send a
small request in one piece."""

from typing import Any, Protocol

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from hedwig.lean_requests import HTTPAdapter
from hedwig.settings import KIB

TOGETHER = 64 * KIB  # octets of a body that is copied behind its head


class Line(Protocol):
    """Who is told."""

    def opened(self, opened: Any) -> None:
        """The connection stands, on this socket."""

    def has_left(self) -> None:
        """The request is with the kernel."""


def _connect(connection: Any) -> None:
    """urllib3's connect, which has no annotations."""
    connection.connect()


def _response(connection: Any) -> Any:
    """http.client's getresponse, past urllib3's attempt to call it as Python 2 did."""
    return connection.getresponse()


def _begin(connection: Any, *args: Any, **kwargs: Any) -> None:
    connection.putrequest(*args, **kwargs)


def _send(connection: Any, octets: Any) -> None:
    connection.send(octets)


class _Together:
    """Before http.client's: a request's head waits for its body, and leaves with it, so that the far side wakes up once
    for a small one."""

    _head: bytes | None = None  # b"" where it comes next

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        """A request begins."""
        self._head = b""
        _begin(super(), *args, **kwargs)

    def send(self, data: Any) -> None:
        """Its head, and then its body."""
        if self._head == b"":
            self._head = data
            return
        if self._head and len(data) > TOGETHER:
            self.let_go()
        head, self._head = self._head or b"", None
        _send(super(), head + data)

    def let_go(self) -> None:
        """No body comes, or a large one."""
        head, self._head = self._head, None
        if head:
            _send(super(), head)


class Adapter(HTTPAdapter):
    """requests' adapter, with connections that report to a line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """One connection, of these classes."""
        line = self._line

        class Plain(_Together, HTTPConnection):
            def connect(self) -> None:
                _connect(super())
                line.opened(self.sock)

            def getresponse(self, *args: Any, **kwargs: Any) -> Any:
                self.let_go()
                line.has_left()
                return _response(super())

        class Secure(_Together, HTTPSConnection):
            def connect(self) -> None:
                _connect(super())
                line.opened(self.sock)

            def getresponse(self, *args: Any, **kwargs: Any) -> Any:
                self.let_go()
                line.has_left()
                return _response(super())

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager = PoolManager(num_pools=1, maxsize=1, block=False)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
