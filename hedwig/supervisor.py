"""systemd, as the daemons know it: what they tell it (sd_notify(3)) and the listening sockets that it keeps for them.

The fd store makes restarts that refuse nobody (I10): a socket that listens is handed to systemd under a name
(FDSTORE=1, FDNAME=), and comes back at the next start, after a restart, a crash or an upgrade alike (LISTEN_FDS).
Between the two it stays open, so that who connects waits in its backlog. `systemctl stop` drops it. Sockets under other
names come from a .socket unit; they are served too, and left to systemd.

Without systemd (no NOTIFY_SOCKET, no LISTEN_FDS) all of it does nothing. A word that can't be sent is dropped: systemd
is told again a few seconds later, and nothing here may hold up mail.
"""

import os
import select
import socket
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from systemd import daemon

from hedwig import log
from hedwig.pulse import Pulse
from hedwig.reply import one_line

PET_EVERY = 5.0  # seconds; the units say WatchdogSec=30
_BARRIER = 1000  # milliseconds that systemd may take to drop a socket
_LONGEST_STATUS = 1000


class Notify(Protocol):
    """sd_notify_with_fds(3), as python3-systemd has it."""

    def __call__(self, status: str, *, fds: Sequence[int] | None = None) -> bool:
        """Whether it was sent."""


def _nobody(status: str, *, fds: Sequence[int] | None = None) -> bool:
    del status, fds
    return False


@dataclass(frozen=True, slots=True)
class HandedOn:
    """A listening socket that systemd gave at the start. `name`: its FDNAME; "unknown" where it has none."""

    name: str
    socket: socket.socket


class Supervisor:
    """One for each process. Its methods may be called from any thread but `pet`, which is for the main loop's."""

    def __init__(
        self,
        notify: Notify = _nobody,
        handed_on: Iterable[HandedOn] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.handed_on = list(handed_on)
        self.is_there = notify is not _nobody
        self._notify = notify
        self._clock = clock
        self._status = ""
        self._pet_at = 0.0
        self._stuck: set[str] = set()
        self._when_ready: Callable[[], object] | None = None

    @classmethod
    def of_this_process(cls) -> "Supervisor":
        """As the environment says. Call it once: the variables are taken out, for no child of ours shall see them."""
        named = daemon.listen_fds_with_names(unset_environment=True)
        for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            os.environ.pop(variable, None)
        handed_on = [HandedOn(name, opened) for fd, name in named.items() if (opened := _listening(fd)) is not None]
        return cls(_word if os.environ.get("NOTIFY_SOCKET") else _nobody, handed_on)

    def ready(self, status: str) -> None:
        """The start, or a reload, is complete."""
        self._say(status, "READY=1")
        first, self._when_ready = self._when_ready, None
        if first is not None:
            first()

    def when_ready(self, call: Callable[[], object]) -> None:
        """Have this called once, when the start is complete; with systemd or without."""
        self._when_ready = call

    def reloading(self) -> None:
        """SIGHUP came; `ready` must follow."""
        self._say(self._status, "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str, within: float) -> None:
        """The orderly end has begun and takes up to `within` seconds, whatever TimeoutStopSec= says."""
        self._say(status, "STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(within * 1e6)}")

    def status(self, text: str) -> None:
        """What `systemctl status` shows."""
        if text != self._status:
            self._say(text)

    def pet(self, pulses: Iterable[Pulse] = ()) -> None:
        """All goes well, if no pulse says otherwise. Cheap: it may be called as often as the loop turns.

        While one is stuck the watchdog is left hungry, and ends this process after WatchdogSec=.
        """
        now = self._clock()
        if now < self._pet_at:
            return
        self._pet_at = now + PET_EVERY
        stuck = {pulse.name for pulse in pulses if pulse.stuck}
        for name in stuck - self._stuck:
            text = f"{name} is stuck or has died: systemd's watchdog will start this daemon again"
            log.event(log.Matter.STUCK, text, log.Level.ALERT, reason=name)
        for name in self._stuck - stuck:
            log.event(log.Matter.MOVES_AGAIN, f"{name} moves again", log.Level.NOTICE, reason=name)
        self._stuck = stuck
        if not stuck:
            self._notify("WATCHDOG=1")

    def keep(self, listening: socket.socket, name: str) -> None:
        """Have systemd hold this socket for the next start. A name that is kept already must be dropped before."""
        self._notify(f"FDSTORE=1\nFDNAME={name}", fds=[listening.fileno()])

    def drop(self, name: str) -> None:
        """Have systemd close what it holds under this name; it has when this returns, so that others may bind it."""
        if self._notify(f"FDSTOREREMOVE=1\nFDNAME={name}"):
            self._barrier()

    def _barrier(self) -> None:
        """Wait until systemd has read all that was sent (sd_notify_barrier(3))."""
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            sent = self._notify("BARRIER=1", fds=[theirs])
        finally:
            os.close(theirs)
        waiting = select.poll()
        waiting.register(ours, 0)  # POLLHUP comes unasked
        if sent:
            waiting.poll(_BARRIER)
        os.close(ours)

    def _say(self, status: str, *words: str) -> None:
        self._status = status
        self._notify("\n".join((*words, f"STATUS={one_line(status)[:_LONGEST_STATUS]}")))


def _word(status: str, *, fds: Sequence[int] | None = None) -> bool:
    try:
        return bool(daemon.notify(status, fds=list(fds)) if fds else daemon.notify(status))
    except OSError as error:  # its socket is full or gone for a moment: mail goes on
        log.say(log.Level.DEBUG, f"systemd could not be told {status.split(maxsplit=1)[0]}: {error.strerror}")
        return False


def _listening(fd: int) -> socket.socket | None:
    """The listening stream socket behind a descriptor, or None: then it is closed, for nobody would ever use it."""
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        opened = socket.socket(fileno=fd)
        if opened.type == socket.SOCK_STREAM and opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return opened
        opened.close()
    else:
        os.close(fd)
    log.say(log.Level.WARNING, "systemd handed on a descriptor that is no listening socket: it is closed")
    return None
