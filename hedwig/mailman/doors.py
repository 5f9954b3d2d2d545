"""The sockets on which mailman listens, kept as the settings and this host's interfaces want them.

`listen: 172.17.0.1:25` is bound whether or not that address exists yet (IP_FREEBIND: mailman starts before Docker).
`listen: docker0:25` follows the interface: when its address changes, the new one is bound and the old one closed;
connections that stand live on. An address that can't be bound is tried again at each `tend`; the journal says once what
is wrong and what to do, and says so when it is mended. Other addresses serve meanwhile.

Sockets that a predecessor left with systemd (`inherited`) are known by their address and used as they are, so that a
restart refuses no connection (I10).
"""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence

from hedwig import log
from hedwig.interfaces import InterfaceAddress
from hedwig.settings import Listen

BACKLOG = 512
RECEIVE_BUFFER = 256 * 1024  # octets a connection; the kernel would give a fast sender 6 MiB
_IP_FREEBIND = 15  # ip(7); Python's socket module has no name for it
_IPV6_FREEBIND = 78

Address = tuple[str, int]
Factory = Callable[[], asyncio.BaseProtocol]


class Doors:
    """All listening sockets. `factory` makes the protocol of a connection."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._open: dict[Address, tuple[socket.socket, asyncio.Server]] = {}
        self._trouble: dict[str, str] = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets that listen now."""
        return [listening for listening, _ in self._open.values()]

    async def tend(
        self,
        listen: Iterable[Listen],
        interfaces: Sequence[InterfaceAddress],
        inherited: Sequence[socket.socket] = (),
    ) -> None:
        """Open what is wanted and not open, close what is open and not wanted."""
        wanted = self._wanted(listen, interfaces)
        ready = {_name(handed_on): handed_on for handed_on in inherited}
        for address in [address for address in self._open if address not in wanted]:
            self._shut(address)
        for address, setting in wanted.items():
            if address not in self._open:
                await self._try(address, setting, ready.pop(address, None))
        for unwanted in ready.values():
            unwanted.close()

    def close(self) -> None:
        """Listen no longer. Connections that stand live on."""
        for address in list(self._open):
            self._shut(address)

    def _wanted(self, listen: Iterable[Listen], interfaces: Sequence[InterfaceAddress]) -> dict[Address, Listen]:
        """Each address to bind, with the setting that asks for it."""
        wanted: dict[Address, Listen] = {}
        for setting in listen:
            if not setting.port:
                self._complain(str(setting), "mailman listens on addresses only: write address:port or interface:port")
            elif _is_address(setting.host):
                wanted[(str(ipaddress.ip_address(setting.host)), setting.port)] = setting
            else:
                found = [one.address for one in interfaces if one.name == setting.host and "." in one.address]
                wanted |= {(address, setting.port): setting for address in found}
                if found:
                    self._mended(str(setting))
                else:
                    self._complain(
                        str(setting),
                        f"interface {setting.host} has no IPv4 address yet; it is followed once it has one",
                    )
        return wanted

    async def _try(self, address: Address, setting: Listen, handed_on: socket.socket | None) -> None:
        where = _shown(address)
        try:
            listening = handed_on or bound(address)
            listening.setblocking(False)
            server = await asyncio.get_running_loop().create_server(self._factory, sock=listening, backlog=BACKLOG)
        except OSError as error:
            self._complain(
                where, f"can't listen on {where} (listen: {setting}): {error.strerror}. {_advice(error, address)}"
            )
            return
        self._mended(where)
        self._open[address] = (listening, server)
        log.say(log.Level.NOTICE, f"listening on {where}")

    def _shut(self, address: Address) -> None:
        _, server = self._open.pop(address)
        server.close()
        log.say(log.Level.NOTICE, f"no longer listening on {_shown(address)}")

    def _complain(self, where: str, trouble: str) -> None:
        if self._trouble.get(where) != trouble:
            self._trouble[where] = trouble
            log.say(log.Level.ERROR, f"{trouble}. Trying again every few seconds.")

    def _mended(self, where: str) -> None:
        self._trouble.pop(where, None)


def bound(address: Address) -> socket.socket:
    """A socket that listens on this address, existing or not. Raises OSError."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, socket.IPPROTO_TCP)
    try:
        # Accepted connections inherit it; asyncio sets it by itself only where it knows the protocol number.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        else:
            listening.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _name(listening: socket.socket) -> Address:
    name = listening.getsockname()
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else (str(name), 0)


def _shown(address: Address) -> str:
    return str(Listen(*address))


def _advice(error: OSError, address: Address) -> str:
    """What the operator can do about it."""
    port = address[1]
    if error.errno == errno.EADDRINUSE:
        return (
            f"Another program has this port: `ss -ltnp 'sport = :{port}'` shows which; stop it or choose another port"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {port} is for root or CAP_NET_BIND_SERVICE only: start it by systemd, or choose a port above 1023"
    return "Check `listen` in mailman.yml"
