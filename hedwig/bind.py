"""One listening socket: bound to an IP address that need not exist yet, or to a unix socket's path.

A unix socket that an earlier process left behind is removed; one that somebody answers on is not, and neither is a file
that is no socket. Its mode is 0666: nginx runs as www-data, and as on a loopback port, the key decides who may send.
Raises OSError.
"""

import errno
import socket
import stat
from pathlib import Path

from hedwig.settings import Listen

_IP_FREEBIND = 15  # ip(7); Python's socket module has no name for it
_IPV6_FREEBIND = 78
BACKLOG = 512

Address = tuple[str, int]
"""(IP address, port), or (path of a unix socket, 0)."""


def bound(address: Address, backlog: int = BACKLOG, receive_buffer: int = 0) -> socket.socket:
    """A socket that listens there. `receive_buffer`: octets a connection, 0 for the kernel's choice."""
    host, port = address
    if not port and host.startswith("/"):
        return _unix(host, backlog)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        prepared(opened, receive_buffer)
        opened.bind((host, port))
        opened.listen(backlog)
    except OSError:
        opened.close()
        raise
    return opened


def prepared(opened: socket.socket, receive_buffer: int = 0) -> socket.socket:
    """The same socket, with the options that accepted connections inherit, also where somebody else has made it."""
    opened.setblocking(False)
    if opened.family != socket.AF_UNIX:
        # asyncio sets it by itself only where it knows the protocol number.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    return opened


def is_current(address: Address) -> bool:
    """Whether who connects there reaches the socket that we have: a unix socket's path may have been taken away."""
    host, port = address
    if port:
        return True
    if not Path(host).is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        return probe.connect_ex(host) in (0, errno.EAGAIN)  # EAGAIN: its backlog is full


def _unix(path: str, backlog: int) -> socket.socket:
    _remove_stale(Path(path))
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        opened.bind(path)
        Path(path).chmod(0o666)  # nginx runs as www-data; as on a loopback port, the key decides who may send
        opened.listen(backlog)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return  # bind will say that something is there
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def shown(address: Address) -> str:
    """As it stands in `listen`."""
    return str(Listen(*address))
