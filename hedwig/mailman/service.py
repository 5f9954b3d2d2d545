"""What all SMTP sessions of a mailman share: settings, who is connected, how much is held, and what was counted.

A connection is let in or refused here, before any of its octets is read: by address (554 5.7.1), by number in all and
per peer (421 4.7.0). Large letters wait here for memory, first come first served:
what does not fit waits on disk, so hostile senders exhaust neither and small letters pass by (I9).
"""

import asyncio
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Protocol

from hedwig import log, settings
from hedwig.mailman import Submission, Submit
from hedwig.mailman.access import Access
from hedwig.mailman.containers import Containers
from hedwig.quiet import Quiet
from hedwig.reply import Reply

LARGE = 256 * 1024  # octets; a letter beyond it goes to disk while it arrives
MEMORY = 256 * 1024 * 1024  # octets of large letters that are in memory at the most


@dataclass(slots=True)
class Counters:
    """Since the start: connections, of these refused; messages handed on; commands or messages refused; faults."""

    connections: int = 0
    connections_refused: int = 0
    submitted: int = 0
    refused: int = 0
    faults: int = 0
    octets: int = 0


class Budget:
    """Octets that many share. `take` waits its turn; a single wish beyond the limit waits until it is alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Octets taken at the moment."""
        return self._used

    async def take(self, octets: int) -> None:
        """Wait until `octets` are free, and take them."""
        if not self._waiting and self._fits(octets):
            self._used += octets
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((octets, turn))
        await turn

    def give(self, octets: int) -> None:
        """Give back what `take` took."""
        self._used -= octets
        while self._waiting and self._fits(self._waiting[0][0]):
            wish, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._used += wish
                turn.set_result(None)

    def _fits(self, octets: int) -> bool:
        return self._used == 0 or self._used + octets <= self._limit


class Guest(Protocol):
    """A session, as the service sees it."""

    peer: str

    def wind_down(self) -> None:
        """Leave soon: now if served already, else after a message or a moment."""

    def leave(self) -> None:
        """Leave now, whatever is on its way."""


@dataclass(slots=True)
class Service:
    """One mailman's SMTP service. `config_path` is named in refusals; `clock` gives Unix time."""

    settings: settings.Mailman
    submit: Submit
    access: Access
    config_path: str = "/etc/hedwig/mailman.yml"
    clock: Callable[[], float] = time.time
    stopping: bool = False
    containers: Containers = field(default_factory=lambda: Containers(""))
    counters: Counters = field(default_factory=Counters)
    memory: Budget = field(default_factory=lambda: Budget(MEMORY))
    on_disk: int = 0
    guests: set[Guest] = field(default_factory=set)
    handing_on: set[Guest] = field(default_factory=set)
    vacant: asyncio.Event = field(default_factory=asyncio.Event)
    _per_peer: Counter[str] = field(default_factory=Counter)
    _commands: Quiet = field(default_factory=Quiet)
    _connections: Quiet = field(default_factory=partial(Quiet, 1))

    def enter(self, guest: Guest) -> Reply | None:
        """Let a connection in, or say why not. `leave` is due only for who was let in."""
        self.counters.connections += 1
        refusal = self._refusal(guest.peer)
        if refusal:
            self.counters.connections_refused += 1
            self._tell(self._connections, guest.peer, "connection refused", refusal)
            return refusal
        self.guests.add(guest)
        self._per_peer[guest.peer] += 1
        return None

    def leave(self, guest: Guest) -> None:
        """Forget a connection that was let in."""
        self.guests.discard(guest)
        self._per_peer[guest.peer] -= 1
        if self._per_peer[guest.peer] <= 0:
            del self._per_peer[guest.peer]
        self._look()

    async def hand_on(self, guest: Guest, submission: Submission) -> Reply:
        """Submit a complete message. It goes on even when its guest has left meanwhile."""
        self.handing_on.add(guest)
        try:
            return await self.submit(submission)
        finally:
            self.handing_on.discard(guest)
            self._look()

    def _look(self) -> None:
        """`vacant` is set, for whoever stops, once nobody is here and nothing is being handed on."""
        if self.stopping and not self.guests and not self.handing_on:
            self.vacant.set()

    def _refusal(self, peer: str) -> Reply | None:
        if not self.access.permits(peer):
            line = ", ".join((*self.settings.allow, peer))
            return Reply(554, "5.7.1", f"{peer} may not send here; to allow it: {self.config_path}, allow: [{line}]")
        if len(self.guests) >= self.settings.connections:
            return Reply(421, "4.7.0", f"too many connections: {self.settings.connections} are open")
        if self._per_peer[peer] >= self.settings.connections_per_peer:
            return Reply(421, "4.7.0", f"too many connections from {peer}: {self._per_peer[peer]} are open")
        return None

    def tell_refusal(self, peer: str, what: str, refusal: Reply | None, sender: str = "") -> None:
        """A line on a refused command or message, or on a message that broke off (None), unless this peer has had many
        in this minute."""
        self._tell(self._commands, peer, what, refusal, sender)

    def _tell(self, quiet: Quiet, peer: str, what: str, refusal: Reply | None, sender: str = "") -> None:
        speaks, silent = quiet.may_speak(peer, self.clock())
        if not speaks:
            return
        more = f" ({silent} more in the minute before)" if silent else ""
        level = log.Level.WARNING if refusal and not refusal.permanent else log.Level.NOTICE
        text = f"{what}, client {peer}{f': {refusal}' if refusal else ''}{more}"
        log.event("refused", text, level, client=peer, sender=sender, reply=refusal)

    def file_for_large(self) -> FileIO:
        """A file without a name, for a letter that is arriving: beside the spool, where room is meant for letters.

        Raises OSError.
        """
        folder = Path(self.settings.spool).parent
        return tempfile.TemporaryFile("w+b", buffering=0, dir=folder if folder.is_dir() else None)
