"""The sockets on which a daemon listens, kept as its settings and this host's interfaces want them.

`listen: 172.17.0.1:25` is bound whether or not that address exists yet (IP_FREEBIND: hedwig starts before Docker).
`listen: docker0:25` follows the interface: when its address changes, the new one is bound and the old one closed.
`listen: unix:/path` is made for nginx. Connections that stand live on through all of it.

Nothing here ends a daemon: what can't be bound is tried again at each `open`, and the other places serve meanwhile.
`trouble` says what is wrong and what to do, for the status line; the journal says each once, and when it is mended.
A literal address that is on no interface (docker0 has moved) is such a trouble too, though it is bound.

Each socket is kept by systemd as well, so that a restart refuses no connection (I10). Those that a predecessor
left are known by their address and used as they are; what is not wanted any more is dropped.
"""

import hashlib
import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hedwig import log
from hedwig.bind import BACKLOG, Address, bound, is_current, prepared, shown
from hedwig.door_trouble import Trouble, Troubles, absent, unbindable
from hedwig.holder import holder
from hedwig.interfaces import InterfaceAddress, addresses
from hedwig.settings import Listen
from hedwig.supervisor import Supervisor

Holder = Callable[[str, int], str]
Interfaces = Callable[[], Sequence[InterfaceAddress]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a daemon's doors are like. `name`: "smtp", the beginning of the names that systemd keeps them under.

    `unix`: unix sockets are allowed. `receive_buffer`: octets a connection, 0 for the kernel's choice. `holder` names
    the program that has a port.
    """

    name: str
    backlog: int = BACKLOG
    unix: bool = False
    receive_buffer: int = 0
    holder: Holder = holder


class Doors:
    """All listening sockets of a daemon: `look`, `shut`, `open`, every few seconds, by one thread at a time."""

    def __init__(self, kind: Kind, supervisor: Supervisor, interfaces: Interfaces = addresses) -> None:
        self._kind = kind
        self._supervisor = supervisor
        self._interfaces = interfaces
        self._found: Sequence[InterfaceAddress] = ()
        self._open: dict[Address, socket.socket] = {}
        self._given: list[socket.socket] = []  # by a .socket unit: whatever `listen` says, they are served
        self._left: dict[Address, socket.socket] = {}  # by a predecessor, and not yet in use
        self._trouble: Troubles = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets that listen now."""
        return [*self._given, *self._open.values()]

    @property
    def trouble(self) -> str:
        """What is wrong, for the status line; "" while all is well."""
        return "; ".join(trouble.text for trouble in self._trouble.values())

    def look(self) -> Sequence[InterfaceAddress]:
        """This host's interfaces as they are now: what `shut` and `open` go by. Raises OSError."""
        self._found = self._interfaces()
        return self._found

    def shut(self, listen: Iterable[Listen]) -> list[socket.socket]:
        """The sockets that are not wanted any more: stop serving them, and close them, before `open`."""
        wanted = self._wanted(tuple(listen), {})
        gone = []
        for address in [address for address in self._open if address not in wanted]:
            gone.append(self._open.pop(address))
            self._forget(address)
            log.say(log.Level.NOTICE, f"no longer listening on {shown(address)}")
        return gone

    def open(self, listen: Iterable[Listen]) -> list[socket.socket]:
        """Open what is wanted and not open; the sockets that are to be served from now on."""
        listen = tuple(listen)
        troubles: Troubles = {}
        wanted = self._wanted(listen, troubles)
        opened = self._sort_out()
        for address in [address for address in self._left if address not in wanted]:
            self._left.pop(address).close()
            self._forget(address)
        given = {_address(one) for one in self._given}
        for address, setting in wanted.items():
            if address not in self._open and address not in given:
                opened += self._open_door(address, setting, troubles)
        for setting in listen:
            absent(setting, listen, self._found, troubles)
        self._tell(troubles)
        return opened

    def leave(self) -> list[socket.socket]:
        """The sockets to stop serving and to close for good. What systemd keeps stays open there."""
        gone = self.sockets
        if not self._supervisor.is_there:
            for host, port in self._open:
                if not port:
                    Path(host).unlink(missing_ok=True)
        self._open.clear()
        self._given.clear()
        return gone

    def _sort_out(self) -> list[socket.socket]:
        """At the first time, look at what systemd handed on: ours under our names, and those of a .socket unit, which
        are given back."""
        given = []
        for handed_on in self._supervisor.handed_on:
            address = _address(handed_on.socket)
            if handed_on.name == self._name(address):
                self._left[address] = handed_on.socket
            else:
                log.say(log.Level.NOTICE, f"listening on {shown(address)}, as {handed_on.name} has it")
                given.append(prepared(handed_on.socket, self._kind.receive_buffer))
        self._supervisor.handed_on.clear()
        self._given += given
        return given

    def _wanted(self, listen: Sequence[Listen], troubles: Troubles) -> dict[Address, Listen]:
        """Each address to bind, with the setting that asks for it."""
        wanted: dict[Address, Listen] = {}
        for setting in listen:
            if not setting.port:
                if self._kind.unix:
                    wanted[(setting.host, 0)] = setting
                else:
                    wrong = f"{setting}: only addresses serve here; write address:port or interface:port"
                    troubles[str(setting)] = Trouble(log.Matter.CANNOT_LISTEN, log.Level.ERROR, wrong)
            elif _is_address(setting.host):
                wanted[(str(ipaddress.ip_address(setting.host)), setting.port)] = setting
            else:
                found = [one.address for one in self._found if one.name == setting.host and "." in one.address]
                wanted |= {(address, setting.port): setting for address in found}
                if not found:
                    waits = f"interface {setting.host} has no IPv4 address yet; it is followed once it has one"
                    troubles[str(setting)] = Trouble(log.Matter.ADDRESS_ABSENT, log.Level.WARNING, waits)
        return wanted

    def _open_door(self, address: Address, setting: Listen, troubles: Troubles) -> list[socket.socket]:
        left = self._left.pop(address, None)
        if left is not None and not is_current(address):
            left.close()
            self._forget(address)
            left = None
        try:
            if left is None:
                listening = bound(address, self._kind.backlog, self._kind.receive_buffer)
            else:
                listening = prepared(left, self._kind.receive_buffer)
        except OSError as error:
            place = shown(address)
            known = self._trouble.get(place)
            troubles[place] = known or unbindable(error, address, setting, self._kind.holder)
            return []
        self._open[address] = listening
        if left is None:
            self._supervisor.keep(listening, self._name(address))
        log.say(log.Level.NOTICE, f"listening on {shown(address)}{', as before the restart' if left else ''}")
        return [listening]

    def _forget(self, address: Address) -> None:
        self._supervisor.drop(self._name(address))
        if not address[1]:
            Path(address[0]).unlink(missing_ok=True)

    def _name(self, address: Address) -> str:
        """Under which systemd keeps it: printable, without a colon, and short, whatever the path."""
        host, port = address
        place = hashlib.sha256(host.encode("utf-8", "surrogateescape")).hexdigest()[:16] if not port else host
        return f"{self._kind.name}-{place.replace(':', '_')}-{port}"

    def _tell(self, troubles: Troubles) -> None:
        for where, trouble in troubles.items():
            if self._trouble.get(where) != trouble:
                again = ". Trying again every few seconds." if trouble.level is log.Level.ERROR else ""
                log.event(trouble.matter, trouble.text + again, trouble.level, place=where, reason=trouble.text)
        for where in self._trouble.keys() - troubles.keys():
            log.event(log.Matter.PLACE_WELL, f"{where}: all is well now", log.Level.NOTICE, place=where)
        self._trouble = troubles


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _address(listening: socket.socket) -> Address:
    name = listening.getsockname()
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else (str(name), 0)
