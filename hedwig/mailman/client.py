"""HTTP to the postoffice: one batch of messages out, one verdict a message back (DESIGN §5, `POST /v1/batch`).

What it promises: `send` returns within its deadline (10 s and a second for each 64 KiB), whatever the far side does,
dripping included. It gives the verdicts, or raises `NoVerdict` with the reason; it never guesses. The key goes to the
configured URL alone: no redirect is followed, no proxy or .netrc of the environment is used.

Not thread-safe: one client a thread, which keeps one connection alive.
"""

import json
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from hedwig.envelope import Envelope
from hedwig.pulse import STUCK
from hedwig.reply import Reply, one_line
from hedwig.settings import KIB, Mailman

MOST_MESSAGES = 100  # a batch
MOST_OCTETS = 1 << 20  # a batch; a larger message travels alone
CONNECT_TIMEOUT = 3.0
REQUEST_TIMEOUT = 10.0
SLOWEST = 64 * KIB  # octets a second
UNAUTHORISED = 401


class NoVerdict(Exception):
    """The postoffice said nothing about the messages: keep them. `status`: the HTTP status, 0 where there was none."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(one_line(reason))
        self.status = status

    @property
    def operators_turn(self) -> bool:
        """Time won't mend it: the key is wrong (401), or there is none."""
        return self.status == UNAUTHORISED

    @property
    def whole_batch(self) -> bool:
        """The request itself was refused (400, 413): its messages may fare better one by one."""
        return self.status in (400, 413)


class NoPostoffice(NoVerdict):
    """No postoffice is configured; nothing was sent."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(f"no postoffice is configured ({', '.join(missing)} missing): run `hedwig setup`")

    @property
    def operators_turn(self) -> bool:
        """It is."""
        return True


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message as it travels. `accepted_at`: Unix seconds."""

    queue_id: str
    envelope: Envelope
    body: bytes
    accepted_at: float
    smtputf8: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The postoffice's word on one message. `conflict`: its ID is taken by another message (I3)."""

    reply: Reply
    conflict: bool = False


class _StaleConnection(Exception):
    """The connection that was kept alive broke at once. (A first connection that breaks is NoVerdict.)"""


class _Sockets:
    """The sockets that a client's connections opened, so that a deadline can end a call that hangs in one."""

    def __init__(self) -> None:
        self.fresh = False
        self._socket: socket.socket | None = None

    def opened(self, opened: socket.socket) -> None:
        self.fresh = True
        self._socket = opened

    def cut(self) -> None:
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._socket = None  # it was closed already: then nobody hangs in it


def _connect(connection: Any) -> None:
    """urllib3's connect, which has no annotations."""
    connection.connect()


class _Adapter(HTTPAdapter):
    """requests' adapter, with connections that report their sockets."""

    def __init__(self, sockets: _Sockets) -> None:
        self._sockets = sockets
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        sockets = self._sockets

        class Plain(HTTPConnection):
            def connect(self) -> None:
                _connect(super())
                sockets.opened(self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                _connect(super())
                sockets.opened(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager = PoolManager(num_pools=1, maxsize=1, block=False)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


class PostofficeClient:
    """One keep-alive connection to the postoffice."""

    def __init__(self, settings: Mailman) -> None:
        self._missing = settings.missing
        self._url = urljoin(settings.postoffice.rstrip("/") + "/", "v1/batch")
        self._sockets = _Sockets()
        self._kept = False  # whether a connection of an earlier request may still be open
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = (settings.fqdn, settings.key)
        self._session.verify = settings.ca_file or True
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(self._sockets))

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()

    def send(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        """Hand over a batch; one Verdict a parcel, in order, or NoVerdict."""
        if self._missing:
            raise NoPostoffice(self._missing)
        content = b"".join(piece for parcel in parcels for piece in _frame(parcel))
        try:
            answer = self._post(content)
        except _StaleConnection:  # kept alive, and closed by the far side meanwhile: no outage yet
            answer = self._post(content)
        return _verdicts(answer, parcels)

    def _post(self, content: bytes) -> "_Answer":
        deadline = REQUEST_TIMEOUT + len(content) / SLOWEST
        self._sockets.fresh = False
        watch = threading.Timer(deadline, self._sockets.cut)
        watch.daemon = True
        watch.start()
        started = time.monotonic()
        try:
            response = self._session.post(
                self._url,
                data=content,
                headers={"Content-Type": "application/vnd.hedwig.batch"},
                timeout=(CONNECT_TIMEOUT, deadline),
                allow_redirects=False,
            )
            content_read = response.content  # cut short where the deadline struck: requests does not mind
        except requests.RequestException as error:
            was_kept, self._kept = self._kept, False
            if time.monotonic() - started >= deadline:
                raise NoVerdict(f"the postoffice gave no answer within {deadline:.0f} s") from error
            if was_kept and not self._sockets.fresh:
                raise _StaleConnection from error
            raise NoVerdict(f"the postoffice can't be reached: {_why(error)}") from error
        finally:
            watch.cancel()
        self._kept = time.monotonic() - started < deadline
        if not self._kept:
            raise NoVerdict(f"the postoffice gave no whole answer within {deadline:.0f} s")
        return _Answer(response.status_code, content_read)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: bytes


def patience(octets: int) -> float:
    """Seconds after which a `send` of so many octets that has not returned never will: two tries, and a wide margin."""
    return STUCK + 2 * (REQUEST_TIMEOUT + octets / SLOWEST)


def _why(error: BaseException) -> str:
    """The innermost reason, without requests' wrappings."""
    while error.__context__ is not None:
        error = error.__context__
    return one_line(str(error)) or type(error).__name__


def _frame(parcel: Parcel) -> tuple[bytes, bytes]:
    line = {
        "id": parcel.queue_id,
        "mailfrom": parcel.envelope.mailfrom,
        "rcpttos": parcel.envelope.rcpttos,
        "size": len(parcel.body),
        "accepted_at": parcel.accepted_at,
        "smtputf8": parcel.smtputf8,
    }
    return json.dumps(line).encode() + b"\n", parcel.body


def _verdicts(answer: _Answer, parcels: Sequence[Parcel]) -> list[Verdict]:
    """Read a 200's JSON strictly: one entry a parcel, of the same ID; anything else is no verdict."""
    if answer.status != 200:
        raise NoVerdict(f"the postoffice answered {answer.status}: {_error_text(answer.content)}", answer.status)
    try:
        entries = json.loads(answer.content)["verdicts"]
        if [entry["id"] for entry in entries] != [parcel.queue_id for parcel in parcels]:
            raise ValueError("the verdicts are not about the messages sent")
        return [_verdict(entry) for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoVerdict(f"the postoffice's answer can't be read: {error}") from error


def _verdict(entry: dict[str, Any]) -> Verdict:
    code, status, text = entry["code"], entry["status"], entry["text"]
    if not (isinstance(code, int) and 200 <= code < 600 and isinstance(status, str) and isinstance(text, str)):
        raise ValueError("a verdict is malformed")
    return Verdict(Reply(code, one_line(status), one_line(text)), entry.get("conflict") is True)


def _error_text(content: bytes) -> str:
    try:
        return one_line(str(json.loads(content)["error"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return one_line(content[:200].decode(errors="replace"))
