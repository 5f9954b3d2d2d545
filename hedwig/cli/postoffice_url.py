"""Under which URL other hosts reach this postoffice, as far as its `listen:` tells."""

import contextlib
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hedwig.settings import Listen

_SIOCGIFADDR = 0x8915  # netdevice(7)
_PORT = 8025
_BRIDGES = ("docker", "br-", "podman", "cni-")
# Docker's and podman's default pools, of which a bridge has its address; routable private networks are left out.
_BRIDGE_NETWORKS = (ipaddress.ip_network("172.17.0.0/16"), ipaddress.ip_network("10.88.0.0/16"))


@dataclass(frozen=True, slots=True)
class PostofficeUrl:
    """`remark`: what the reader should know about the URL, or ""."""

    url: str
    remark: str = ""


def interface_address(name: str) -> str:
    """The interface's IPv4 address, or "" where it has none or doesn't exist."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        return socket.inet_ntoa(answer[20:24])
    return ""


def postoffice_url(
    listen: Sequence[Listen], host_name: str, address_of: Callable[[str], str] = interface_address
) -> PostofficeUrl:
    """The first TCP address of `listen` that isn't loopback; else this host's name on port 8025."""
    for one in listen:
        if not one.port:
            continue
        bridge = one.host.startswith(_BRIDGES)
        try:
            address = ipaddress.ip_address(address_of(one.host) if _is_name(one.host) else one.host)
        except ValueError:  # an interface that has no address now
            continue
        if address.is_loopback:
            continue
        if address.is_unspecified:
            return PostofficeUrl(f"http://{host_name}:{one.port}/")
        if bridge or any(address in network for network in _BRIDGE_NETWORKS):
            return PostofficeUrl(
                f"http://{Listen(str(address), one.port)}/",
                "this address is a container bridge's: it is reachable on this host only. For other hosts, add an "
                "outside address to `listen:` in postoffice.yml, or put nginx in front, and give its URL by --url.",
            )
        return PostofficeUrl(f"http://{Listen(str(address), one.port)}/")
    return PostofficeUrl(
        f"http://{host_name}:{_PORT}/",
        "postoffice.yml listens on no outside address: this URL works only once it does, or nginx stands in front.",
    )


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False
