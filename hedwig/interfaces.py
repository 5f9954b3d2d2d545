"""This host's network interfaces and their addresses: docker0, br-*, podman* and the rest.

IPv4 comes from the ioctls SIOCGIFCONF and SIOCGIFNETMASK (netdevice(7)) on an ordinary socket, IPv6 from
/proc/self/net/if_inet6. Netlink is not used: the unit's RestrictAddressFamilies= leaves it out. An interface that is
down or has no carrier (docker0 without containers) still has its address and is listed. A call takes some 20 µs.

Fails softly: an interface that vanishes between two ioctls is left out; where /proc is closed, IPv6 is left out.
"""

import array
import fcntl
import ipaddress
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

_SIOCGIFCONF = 0x8912
_SIOCGIFNETMASK = 0x891B
_IF_INET6 = Path("/proc/self/net/if_inet6")  # /proc/net is hidden by ProcSubset=pid
_IFREQ = struct.calcsize("16s24s")  # 40 octets on 64-bit Linux
_GLOBAL_SCOPE = "00"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of an interface: `name` is "docker0", `address` "172.17.0.1", `network` 172.17.0.0/16."""

    name: str
    address: str
    network: Network

    @property
    def is_docker(self) -> bool:
        """Whether containers live behind it: Docker's own bridge, its named networks, and Podman's."""
        return self.name == "docker0" or self.name.startswith(("br-", "podman"))


def addresses() -> list[InterfaceAddress]:
    """Every IPv4 address, and every IPv6 address of global scope, in the kernel's order. Raises OSError."""
    return _ipv4() + _ipv6()


def _ipv4() -> list[InterfaceAddress]:
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        for request in _ifconf(probe):
            # The address goes back in with the name, for an interface may have several under one name.
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFNETMASK, request)
            except OSError:  # it has gone since it was listed
                continue
            address = socket.inet_ntoa(request[20:24])
            network = ipaddress.IPv4Network((address, socket.inet_ntoa(answer[20:24])), strict=False)
            name = request[:16].split(b"\0", 1)[0].decode(errors="replace")
            # An address may carry a label of its own, "docker0:1"; before the colon stands its interface.
            found.append(InterfaceAddress(name.partition(":")[0], address, network))
    return found


def _ifconf(probe: socket.socket) -> list[bytes]:
    """The kernel's ifreq structures, one for each IPv4 address."""
    room = 64
    while True:
        buffer = array.array("B", bytes(room * _IFREQ))
        at, _ = buffer.buffer_info()
        answer = fcntl.ioctl(probe, _SIOCGIFCONF, struct.pack("iP", len(buffer), at))
        used = int(struct.unpack("iP", answer)[0])
        if used < len(buffer):  # a full buffer may have been too small
            octets = buffer.tobytes()
            return [octets[start : start + _IFREQ] for start in range(0, used, _IFREQ)]
        room *= 2


def _ipv6() -> list[InterfaceAddress]:
    """From lines of "address ifindex prefix scope flags name", numbers in hexadecimal (proc(5))."""
    try:
        lines = _IF_INET6.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # no IPv6, or /proc is closed to this unit
        return []
    found = []
    for line in lines:
        digits, _, prefix, scope, _, name = line.split()
        if scope == _GLOBAL_SCOPE:
            address = ipaddress.IPv6Address(int(digits, 16))
            network = ipaddress.IPv6Network((address, int(prefix, 16)), strict=False)
            found.append(InterfaceAddress(name, str(address), network))
    return found
