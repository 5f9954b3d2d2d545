"""Listening sockets, bound before anything else happens: IP addresses, an interface's address, unix sockets.

IP_FREEBIND lets an address be bound that is not there yet (docker0 comes up later than we do). A unix socket that an
earlier process left behind is removed; one that somebody answers on is not. Its mode is 0660, for nginx in our group.
"""

import fcntl
import ipaddress
import socket
import stat
import struct
from pathlib import Path

from hedwig.settings import Listen

BACKLOG = 1024
_IP_FREEBIND = 15  # linux/in.h
_IPV6_FREEBIND = 78  # linux/in6.h
_SIOCGIFADDR = 0x8915  # linux/sockios.h


def bind(listen: Listen) -> socket.socket:
    """A bound and listening socket, or OSError with the place in its text."""
    try:
        bound = _unix(listen.host) if not listen.port else _inet(listen)
        bound.listen(BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"can't listen on {listen}: {error.strerror or error}") from error
    return bound


def _inet(listen: Listen) -> socket.socket:
    try:
        address = ipaddress.ip_address(listen.host)
    except ValueError:
        address = ipaddress.ip_address(_address_of(listen.host))
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if address.version == 6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        bound.bind((str(address), listen.port))
    except OSError:
        bound.close()
        raise
    return bound


def _address_of(interface: str) -> str:
    """The interface's first IPv4 address (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        request = struct.pack("256s", interface.encode()[:15])
        answer = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, request)
    return socket.inet_ntoa(answer[20:24])


def _unix(path: str) -> socket.socket:
    _remove_stale(Path(path))
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
        Path(path).chmod(0o660)
    except OSError:
        bound.close()
        raise
    return bound


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
