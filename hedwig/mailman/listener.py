"""The listener: mailman's SMTP service as a whole (RFC 5321, RFC 6409), up to the hand-over to the forwarder.

It opens the doors, lets sessions in, and looks at this host's interfaces every few seconds, so that the addresses it
listens on and the networks that may send follow Docker. `reload` takes new settings without a connection lost. `stop`
ends in order (I10): no new connection; who has just come may still hand in a message, messages on their way get their
reply, and who is silent is sent away after a moment, or all when the grace is over.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hedwig import log, settings
from hedwig.doors import Doors, Kind
from hedwig.holder import holder
from hedwig.mailman import Submit
from hedwig.mailman.access import Access
from hedwig.mailman.containers import Containers
from hedwig.mailman.service import Counters, Service
from hedwig.mailman.session import Session
from hedwig.mailman.stream import template
from hedwig.supervisor import Supervisor

LOOK_AROUND = 3.0  # seconds between two looks at the interfaces
_ARRIVALS = 4  # turns of the event loop in which a connection that was accepted becomes a session
KIND = Kind("smtp", receive_buffer=256 * 1024, holder=partial(holder, greets=True))  # the kernel would give 6 MiB


class Listener:
    """mailman's SMTP side. `clock` gives Unix time; `config_path` is named to whoever is refused; `doors` are made by
    KIND."""

    def __init__(
        self,
        settings: settings.Mailman,
        submit: Submit,
        *,
        clock: Callable[[], float] = time.time,
        config_path: str = "/etc/hedwig/mailman.yml",
        doors: Doors | None = None,
    ) -> None:
        self._doors = doors or Doors(KIND, Supervisor())
        self._containers = Containers(settings.docker_socket)
        access = Access(settings.allow, look=self._doors.look)
        self._service = Service(settings, submit, access, config_path, clock, containers=self._containers)
        self._servers: dict[socket.socket, asyncio.Server] = {}
        self._common: Mapping[str, Any] = {}
        self._wake = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets that listen now."""
        return self._doors.sockets

    @property
    def trouble(self) -> str:
        """What is wrong with the places to listen on, or with the names of containers; "" while all is well."""
        return "; ".join(why for why in (self._doors.trouble, self._containers.trouble) if why)

    @property
    def counters(self) -> Counters:
        """What was counted since the start."""
        return self._service.counters

    @property
    def connections(self) -> int:
        """Connections that stand now."""
        return len(self._service.guests)

    async def start(self) -> None:
        """Listen. An address that can't be bound is no error here: it is logged and tried again."""
        self._common = template(self._service, asyncio.get_running_loop())
        self._containers.start()
        await self.look_around()
        self._watch = asyncio.create_task(self._keep_looking())

    def reload(self, settings: settings.Mailman) -> None:
        """Take new settings: at once for commands and new connections, in a moment for the addresses it listens on.

        ValueError: a word in `allow` is no network; then the old settings stay.
        """
        self._service.access = Access(settings.allow, self._doors.look(), self._doors.look)
        self._service.settings = settings
        self._common = template(self._service, asyncio.get_running_loop())
        self._wake.set()

    async def stop(self, grace: float) -> None:
        """Stop listening, let messages on their way finish for `grace` seconds, then end what is left."""
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        service = self._service
        service.stopping = True
        for listening in self._doors.leave():
            self._serve_no_longer(listening)
        for _ in range(_ARRIVALS):
            await asyncio.sleep(0)
        for guest in list(service.guests):
            guest.wind_down()
        if service.guests or service.handing_on:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(service.vacant.wait(), grace)
        if service.handing_on:
            log.say(
                log.Level.WARNING, f"{len(service.handing_on)} messages got no verdict within {grace:g} s of stopping"
            )
        for guest in list(service.guests):
            guest.leave()
        self._containers.stop()

    async def look_around(self) -> None:
        """Follow this host's interfaces: who may send, and where to listen."""
        loop = asyncio.get_running_loop()
        doors = self._doors
        self._service.access.refresh(doors.look())
        listen = self._service.settings.listen
        for listening in doors.shut(listen):
            self._serve_no_longer(listening)
        # In a thread: finding out who holds a port takes a second.
        for listening in await loop.run_in_executor(None, doors.open, listen):
            self._servers[listening] = await loop.create_server(self._session, sock=listening, backlog=KIND.backlog)

    def _serve_no_longer(self, listening: socket.socket) -> None:
        server = self._servers.pop(listening, None)
        if server is None:
            listening.close()
        else:
            server.close()  # and the socket with it

    async def _keep_looking(self) -> None:
        while True:
            # Not wait_for: where a wake-up comes in the same moment, that loses the cancellation by `stop`.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AROUND):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.look_around()
            except OSError as error:  # no socket left for the ioctls: what is open stays open
                log.say(log.Level.ERROR, f"can't look at this host's interfaces: {error}")

    def _session(self) -> Session:
        return Session(self._service, self._common)
