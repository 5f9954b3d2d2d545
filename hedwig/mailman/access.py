"""Who may send: `allow` of mailman.yml, with the networks of this host's containers as they are right now.

`loopback` stands for this host itself: 127.0.0.0/8, ::1 and every address of its own; `docker` for the networks of
docker0, br-* and podman* (read again by `refresh`, every few seconds); anything else is a network or an address. Nobody
is exempt. (With Docker's masquerading, what this host says to 172.17.0.1 comes from another of its addresses: programs
of the host and containers with `network_mode: host` are seen so. From outside nobody can come with such an address: the
kernel drops it as a martian.)

Before a peer is refused the interfaces are looked at once more: Docker makes a network and starts containers on it
within a moment, and a 554 to the first letter would be a fault of ours (I8). A look takes some 20 µs.
"""

import contextlib
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from hedwig.interfaces import InterfaceAddress, Network

_LOOPBACK: tuple[Network, ...] = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))
_MEMORY = 4096  # peers whose verdict is remembered until the next change

Interfaces = Callable[[], Sequence[InterfaceAddress]]


class Access:
    """The peers that may send. `allow`: as in the settings; ValueError when a word is no network. `look` gives this
    host's interfaces as they are now, or raises OSError.
    """

    def __init__(
        self, allow: Iterable[str], interfaces: Sequence[InterfaceAddress] = (), look: Interfaces | None = None
    ) -> None:
        self._look = look
        self._fixed: list[Network] = []
        self._docker = self._host = False
        for word in allow:
            if word == "docker":
                self._docker = True
            elif word == "loopback":
                self._host = True
                self._fixed += _LOOPBACK
            else:
                self._fixed.append(ipaddress.ip_network(word, strict=False))
        self._networks: frozenset[Network] = frozenset()
        self._known: dict[str, bool] = {}
        self.refresh(interfaces)

    def refresh(self, interfaces: Sequence[InterfaceAddress]) -> None:
        """Take over the addresses that this host has now, and the networks of its containers."""
        docker = [found.network for found in interfaces if found.is_docker] if self._docker else []
        host = [ipaddress.ip_network(found.address) for found in interfaces] if self._host else []
        networks = frozenset((*self._fixed, *docker, *host))
        if networks != self._networks:
            self._networks = networks
            self._known.clear()

    def permits(self, peer: str) -> bool:
        """Whether this IP address may send."""
        if self._remembered(peer):
            return True
        if (self._docker or self._host) and self._look:
            with contextlib.suppress(OSError):  # no socket left for the ioctls: the last look holds
                self.refresh(self._look())
        return self._remembered(peer)

    def _remembered(self, peer: str) -> bool:
        known = self._known.get(peer)
        if known is None:
            address = ipaddress.ip_address(peer)
            known = any(address in network for network in self._networks)
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[peer] = known
        return known


@lru_cache(maxsize=4096)
def plain(host: str) -> str:
    """A peer's address as the kernel gives it, in its plain form: no scope, no IPv4 inside IPv6 (RFC 4291 §2.5.5.2)."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
