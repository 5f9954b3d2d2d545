"""The postoffice's life: start, SIGHUP, SIGTERM.

Start: lock and open the spool (a second postoffice on it ends with an error), bind the sockets, start the feeder, then
say READY. The order matters: nobody can connect before a message could be kept (I1), and who connects before READY
waits in the backlog and is served.

SIGTERM or SIGINT: accept nothing more, finish the requests that are coming in or are being served, end the feeder,
close the spool (I10). SIGHUP: read the settings again (in_force.py); a broken file leaves the old ones. Throughout,
systemd's watchdog is petted from the server's loop, while the feeder and the spool's writer move.

`run` returns 0 after a stop, 1 where it could not start (the log says why). A place that can't be listened on is no
such reason: it is tried again every few seconds. Nor is a disk that is full or read-only (opening.py): requests have
503 until it isn't.
"""

import ctypes
import signal
import socket
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hedwig import limits, log
from hedwig.config import load_client
from hedwig.doors import Doors
from hedwig.in_force import InForce
from hedwig.postoffice.accept import Acceptance, Gate
from hedwig.postoffice.app import Room, application
from hedwig.postoffice.clients import Clients
from hedwig.postoffice.feeder import Feeder
from hedwig.postoffice.reporter import Reporter
from hedwig.postoffice.server import KIND, Server
from hedwig.queue.beanstalk import open_queue
from hedwig.settings import KIB, Postoffice
from hedwig.spool import SpoolTrouble, owner
from hedwig.spool.opening import InUse, open_own
from hedwig.spool.sqlite import SqliteSpool
from hedwig.spool.trouble import matter_of
from hedwig.supervisor import Supervisor

FINISH_WITHIN = 40.0  # seconds for requests in flight when stopping
CLOSE_WITHIN = 40.0  # and for the spool and the queue after that
THREADS_LEFT = 4  # of the application's threads: that many never wait for a slow spool
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h

Reload = Callable[[], Postoffice | None]


@dataclass(frozen=True, slots=True)
class Outside:
    """What the daemon's main passes in. `reload` gives new settings, or None where the file is broken."""

    config_file: Path
    reload: Reload
    supervisor: Supervisor


def run(settings: Postoffice, config_file: Path | str, reload: Reload, supervisor: Supervisor) -> int:
    """Serve until SIGTERM."""
    limits.raise_open_files()  # each connection may take two descriptors
    _bound_arenas()
    lock = owner.Lock(Path(settings.spool + ".owner"))
    try:
        spool = open_own(settings.spool, lock, "postoffice")
        daemon = Daemon(settings, spool, Outside(Path(config_file), reload, supervisor))
    except InUse as error:
        return _no_start(supervisor, str(error))
    except SpoolTrouble as error:
        return _no_start(supervisor, f"postoffice can't start: {error}", matter_of(error))
    except (OSError, ValueError) as error:
        return _no_start(supervisor, f"postoffice can't start: {error}")

    def on_stop(_number: int, _frame: FrameType | None) -> None:
        daemon.stop()

    def on_reload(_number: int, _frame: FrameType | None) -> None:
        daemon.reload()

    signal.signal(signal.SIGTERM, on_stop)
    signal.signal(signal.SIGINT, on_stop)
    signal.signal(signal.SIGHUP, on_reload)
    try:
        daemon.serve()
    except Exception as error:  # noqa: BLE001 -- whatever it is: systemd shall start a process that works
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        text = f"postoffice ends, for it can't go on: {error!r} at {where}"
        log.event(log.Matter.FAULT, text, log.Level.ALERT, reason=repr(error))
        return 1
    finally:
        lock.give_back()
    return 0


def _no_start(supervisor: Supervisor, why: str, matter: log.Matter = log.Matter.CANNOT_START) -> int:
    log.event(matter, why, log.Level.ERROR, reason=why)
    supervisor.status(why)
    return 1


class Daemon:
    """A postoffice; its sockets are bound once it is made. It closes `spool` at its end. OSError, ValueError."""

    def __init__(self, settings: Postoffice, spool: SqliteSpool, outside: Outside) -> None:
        self._in_force = InForce(settings)
        self._reload = outside.reload
        self._supervisor = outside.supervisor
        self._stopping = False
        self._reloading = False
        self._broken = False  # postoffice.yml is, since the last reload
        self.feeder: Feeder
        self._spool = spool
        try:
            self.feeder = Feeder(self._spool, open_queue(settings.queue))
            room = self._room(outside.config_file.parent / "clients.d", self._spool)
            self._acceptance = room.acceptance
            self.server = Server(application(room), settings, Doors(KIND, outside.supervisor))
            self.server.look_around()
        except BaseException:
            self._spool.close()
            raise

    def _room(self, clients: Path, spool: SqliteSpool) -> Room:
        gate = Gate(max(1, self._in_force.settings.threads - THREADS_LEFT))
        return Room(
            settings=lambda: self._in_force.settings,
            clients=Clients(str(clients), load_client),
            acceptance=Acceptance(spool, self.feeder.notice, lambda: self._in_force.settings, gate),
            health=self._spool_trouble,
            queue=lambda: self._queue_trouble() or "ok",
            hostname=_hostname(),
            clock=time.time,
        )

    def serve(self) -> None:
        """Serve until `stop`. After an error too all threads have ended: without its server a postoffice is none."""
        feeding = threading.Thread(target=self.feeder.run, name="feeder")
        self.feeder.pulse.of(feeding)
        reporter = Reporter(self._supervisor, self._spool, self._done, self._troubles)
        feeding.start()
        reporter.start()
        try:
            self._supervisor.ready(reporter.words())
            log.say(log.Level.INFO, "postoffice takes mail")
            self._turn()
            reporter.stop()
            self._supervisor.stopping("finishing the requests in flight", FINISH_WITHIN + CLOSE_WITHIN)
            self.server.stop(FINISH_WITHIN, self._pet)
        finally:
            reporter.stop()
            self.feeder.stop()
            feeding.join()
            self._spool.close()
        log.say(log.Level.NOTICE, "postoffice has stopped")

    def _turn(self) -> None:
        while not self._stopping:
            if self._reloading:
                self._reloading = False
                self._take_new_settings()
            self._pet()
            self.server.turn(1.0)

    def stop(self) -> None:
        """End `serve` soon; from a signal handler or another thread."""
        self._stopping = True
        self.server.wake()

    def reload(self) -> None:
        """Read the settings again; from a signal handler or another thread."""
        self._reloading = True
        self.server.wake()

    def _pet(self) -> None:
        self._supervisor.pet([self.feeder.pulse, *self._spool.pulses])

    def _done(self) -> str:
        return f"{self._acceptance.accepted} accepted, {self.server.connections} connections"

    def _troubles(self) -> list[str]:
        broken = "postoffice.yml is broken, the old settings stay: see `hedwig config check`" if self._broken else ""
        queue = self._queue_trouble()
        return [
            broken,
            f"the queue gets no hints: {queue}" if queue else "",
            self._acceptance.trouble(),
            self.server.trouble,
            self._in_force.trouble,
        ]

    def _queue_trouble(self) -> str:
        """Why workers learn of nothing new, or ""."""
        return f"{self.feeder.pulse.name} is stuck or has died" if self.feeder.pulse.stuck else self.feeder.down

    def _take_new_settings(self) -> None:
        self._supervisor.reloading()
        new = self._reload()
        self._broken = new is None
        if new is not None:
            self.server.change(self._in_force.take(new))
        self._supervisor.ready("; ".join(part for part in (self._done(), *self._troubles()) if part))

    def _spool_trouble(self) -> str:
        """Why the spool's folder can't be written, or ""."""
        try:
            with tempfile.TemporaryFile(dir=Path(self._in_force.settings.spool).absolute().parent) as probe:
                probe.write(b"x" * 4096)
                probe.flush()
        except OSError as error:
            return f"the spool's folder can't be written: {error.strerror}"
        return ""


def _hostname() -> str:
    """This host's name for Received fields; DNS is asked only where the name has no domain."""
    name = socket.gethostname()
    return name if "." in name else socket.getfqdn()


def _bound_arenas() -> None:
    """Give large blocks back to the system when they are freed.

    glibc's malloc would learn from the first freed letter to take the next ones from its heaps, one for each few
    threads, and those keep what is freed (mallopt(3)): 900 MiB with 20 large forms at once, instead of 200.
    """
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, 256 * KIB)
    libc.mallopt(_M_ARENA_MAX, 2)
