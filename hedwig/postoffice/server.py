"""waitress, set up so that neither slow nor hostile peers hold back the others (I9).

One thread moves bytes for all sockets (waitress's loop over one map); `threads` others run the application, and two
more answer /healthz and requests that waitress refuses, so that they have an answer when all others wait for the spool.
Each listening socket (doors.py) has a waitress server of its own, on that one map and those threads.

`stop` loses nobody (I10): requests that are coming in or being served get their answers, who has just connected may
still send one, and no connection is closed while something of it is unread.

What is bounded: connections; request heads (16 KiB); bodies (the original form may be six times the largest message
and 1 MiB); the memory for bodies (up to BODY_IN_MEMORY each while connections are few, LITTLE when they are many; the
rest lies in unnamed temporary files); idle time; and the pace of a request: after `idle_timeout` it must have come at
SLOWEST octets a second on average, so that a dripping peer keeps its place for half a minute and not for ever.

X-Forwarded-For is believed on unix sockets only, where our own nginx is: its last entry is what nginx saw.
What waitress itself refuses is told as JSON like all else (wire.py).
"""

import fcntl
import ipaddress
import logging
import socket
import struct
import termios
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher
from waitress.trigger import trigger

from hedwig import log
from hedwig.doors import Doors, Kind
from hedwig.postoffice import wire
from hedwig.postoffice.app import Application
from hedwig.settings import KIB, MIB, Postoffice

QUICK_THREADS = 2
BODY_IN_MEMORY = MIB + 256 * KIB
LITTLE = 32 * KIB
FEW = 40  # connections
MAX_HEAD = 16 * KIB
SLOWEST = 8 * KIB
HOUSEKEEPING = 1.0
LOOK_AROUND = 3.0  # seconds between two looks at the interfaces
MOMENT = 2.0  # seconds that a connection without a request has while we stop
KIND = Kind("http", backlog=1024, unix=True)


class Dispatcher:
    """waitress's task dispatcher, twice: quick answers never queue behind those that wait for the spool."""

    def __init__(self, threads: int) -> None:
        self._main = ThreadedTaskDispatcher()
        self._main.set_thread_count(threads)
        self._quick = ThreadedTaskDispatcher()
        self._quick.set_thread_count(QUICK_THREADS)

    def add_task(self, channel: Any) -> None:
        """Have the channel's first request served."""
        request = channel.requests[0]
        quick = request.error is not None or request.path == "/healthz"
        (self._quick if quick else self._main).add_task(channel)

    def shutdown(self) -> None:
        """End all threads; what still runs has 5 s."""
        self._main.shutdown()
        self._quick.shutdown()


class Server:
    """Serves `app` on sockets. All methods are for one thread, but `wake`."""

    def __init__(
        self, app: Application, settings: Postoffice, doors: Doors, clock: Callable[[], float] = time.monotonic
    ) -> None:
        _send_waitress_to_our_log()
        self._app = app
        self._settings = settings
        self._doors = doors
        self._clock = clock
        self._map: dict[int, Any] = {}
        self._trigger = trigger(self._map)
        self._dispatcher = Dispatcher(settings.threads)
        self._servers: dict[socket.socket, Any] = {}
        self._coming: dict[Any, tuple[Any, float]] = {}  # channel: the request that is coming in, and since when
        self._next_look = 0.0
        self._next_look_around = 0.0

    def look_around(self) -> None:
        """Follow the settings and this host's interfaces: where to listen. Raises OSError."""
        self._next_look_around = self._clock() + LOOK_AROUND
        self._doors.look()
        for listening in self._doors.shut(self._settings.listen):
            self._retire(listening)
        for listening in self._doors.open(self._settings.listen):
            self._servers[listening] = self._server(listening)

    def _follow(self) -> None:
        try:
            self.look_around()
        except OSError as error:  # no descriptor left for the ioctls: what is open stays open
            log.say(log.Level.ERROR, f"can't look at this host's interfaces: {error}")

    @property
    def trouble(self) -> str:
        """What is wrong with the places to listen on; "" while all is well."""
        return self._doors.trouble

    @property
    def connections(self) -> int:
        """Connections that stand now."""
        return len(self._channels())

    def change(self, settings: Postoffice) -> None:
        """Use other limits from now on, and listen where these say."""
        self._settings = settings
        self._follow()
        for server in self._servers.values():
            server.adj.max_request_body_size = _max_body(settings)
            server.adj.connection_limit = settings.connections
            server.adj.channel_timeout = settings.idle_timeout

    def turn(self, timeout: float) -> None:
        """Move bytes, for up to `timeout` seconds or until something happened."""
        now = self._clock()
        for server in self._servers.values():
            server.adj.inbuf_overflow = BODY_IN_MEMORY if len(self._map) < FEW else LITTLE
        if now >= self._next_look:
            self._next_look = now + HOUSEKEEPING
            self._close_drippers(now)
        if now >= self._next_look_around:
            self._follow()
        wasyncore.poll2(timeout, self._map)

    def wake(self) -> None:
        """Make `turn` return; from a signal handler too."""
        self._trigger.pull_trigger()

    def stop(self, within: float, tick: Callable[[], None]) -> None:
        """Accept nothing more, finish the requests that have come or are coming, close. `tick` is called meanwhile."""
        for listening in self._doors.leave():
            self._retire(listening)
        began = self._clock()
        while (spent := self._clock() - began) < within and self._close_idle(spent < MOMENT):
            tick()
            wasyncore.poll2(0.1, self._map)
        self._dispatcher.shutdown()
        wasyncore.close_all(self._map)

    def _server(self, opened: socket.socket) -> Any:
        unix = opened.family == socket.AF_UNIX
        server = create_server(
            behind_proxy(self._app) if unix else self._app,
            map=self._map,
            _dispatcher=self._dispatcher,
            sockets=[opened],
            backlog=KIND.backlog,
            ident="hedwig",
            recv_bytes=64 * KIB,
            connection_limit=self._settings.connections,
            channel_timeout=self._settings.idle_timeout,
            cleanup_interval=5,
            max_request_header_size=MAX_HEAD,
            max_request_body_size=_max_body(self._settings),
            inbuf_overflow=BODY_IN_MEMORY,
            log_socket_errors=False,
            clear_untrusted_proxy_headers=False,  # behind_proxy does it
        )
        server.channel_class = wire.channel
        server.trigger.close()  # one for all is enough, and must outlive any of them
        server.trigger = self._trigger
        return server

    def _retire(self, listening: socket.socket) -> None:
        server = self._servers.pop(listening)
        server.accepting = False
        server.del_channel()
        server.socket.close()

    def _channels(self) -> list[Any]:
        return [one for one in list(self._map.values()) if isinstance(one, HTTPChannel)]

    def _close_drippers(self, now: float) -> None:
        coming: dict[Any, tuple[Any, float]] = {}
        for channel in self._channels():
            request = channel.request
            if request is None:
                continue
            known, since = self._coming.get(channel, (None, now))
            coming[channel] = (request, since if known is request else now)
            if now - coming[channel][1] > self._settings.idle_timeout + request.body_bytes_received / SLOWEST:
                channel.will_close = True
        self._coming = coming

    def _close_idle(self, wait_for_new: bool) -> int:
        """Close connections on which nothing is going on; how many others there are."""
        busy = 0
        for channel in self._channels():
            new = channel.last_activity == channel.creation_time
            if (
                channel.requests
                or channel.request is not None
                or channel.total_outbufs_len
                or (new and wait_for_new)
                or _unread(channel.socket)
            ):
                busy += 1
            else:
                channel.will_close = True
        return busy


def _unread(connection: socket.socket) -> int:
    """Octets that have come and that nobody has read (tcp(7), SIOCINQ): closing now would be answered by a reset."""
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, bytes(4)))[0])


def behind_proxy(app: Application) -> Application:
    """`app` with the peer's address as the proxy in front of the unix socket gives it."""

    def proxied(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        last = str(environ.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
        try:
            environ["REMOTE_ADDR"] = str(ipaddress.ip_address(last))
        except ValueError:
            environ["REMOTE_ADDR"] = "127.0.0.1"
        return app(environ, start_response)

    return proxied


def _max_body(settings: Postoffice) -> int:
    return 6 * settings.max_size + MIB + 1


class _ToOurLog(logging.Handler):
    """One line an entry."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it; an exception as its last line."""
        what = record.getMessage()
        if record.exc_info and record.exc_info[0]:
            what += ": " + "".join(traceback.format_exception_only(record.exc_info[0], record.exc_info[1])).strip()
        level = log.Level.ERROR if record.levelno >= logging.ERROR else log.Level.WARNING
        log.say(level if record.levelno >= logging.WARNING else log.Level.DEBUG, f"waitress: {what}")


def _send_waitress_to_our_log() -> None:
    logger = logging.getLogger("waitress")
    logger.handlers = [_ToOurLog()]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue of requests is no news
