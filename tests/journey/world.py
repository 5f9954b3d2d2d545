"""All that one journey has around it, and the end of it: logs when the test failed, faults that reached a far side."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from .dns import Dns
from .farside import FarSide, Rule
from .host import Host
from .network import Namespace, Network
from .submit import Msmtp

HOME = "192.0.2.9"  # where the sender's own domain takes its mail: bounces arrive there


def mx(domain: str, *addresses: str) -> str:
    """Zone lines: `domain` has an exchanger for each address, preferred in this order."""
    lines = []
    for number, address in enumerate(addresses, 1):
        kind = "AAAA" if ":" in address else "A"
        lines += [f"{domain}. MX {number * 10} mx{number}.{domain}.", f"mx{number}.{domain}. {kind} {address}"]
    return "\n".join(lines) + "\n"


class World:
    """Makes the parts that a journey asks for, and ends them in reverse order."""

    def __init__(self, network: Network, directory: Path) -> None:
        self.network = network
        self.directory = directory
        self.hosts: list[Host] = []
        self.fars: list[FarSide] = []
        self._ends: list[Callable[[], None]] = []

    def dns(self, *records: str, **details: Any) -> Dns:
        """A resolver for these records; the sender's domain is always there, its MX at HOME. `details` as in Dns."""
        served = Dns(self.directory / "dns", "\n".join((mx("robot.genee.cn", HOME), *records)), **details)
        self._ends.append(served.close)
        return served

    def far(self, address: str, *rules: Rule, **details: Any) -> FarSide:
        """An MX at `address`."""
        far = FarSide(address, *rules, **details)
        self.fars.append(far)
        self._ends.append(far.close)
        return far

    def host(self, **settings: Any) -> Host:
        """A configured host, nothing started yet."""
        host = Host(self.directory / "host", **settings)
        self.hosts.append(host)
        self._ends.append(host.close)
        return host

    def at_end(self, end: Callable[[], None]) -> None:
        """Have this called at the end too."""
        self._ends.append(end)

    @cached_property
    def container(self) -> Namespace:
        """The container at 172.17.0.2."""
        return self.network.container()

    @cached_property
    def msmtp(self) -> Msmtp:
        """msmtp in the container."""
        return Msmtp(self.container, self.directory)

    def faults(self) -> list[str]:
        """What hedwig sent that no SMTP client may send."""
        return [fault for far in self.fars for fault in far.faults]

    def words(self) -> str:
        """The logs of all hosts, and what the far sides heard."""
        heard = [f"--- far side {far.address}: {far.commands[-40:]}" for far in self.fars]
        return "\n".join([host.words() for host in self.hosts] + heard)

    def close(self) -> None:
        """End everything."""
        for end in reversed(self._ends):
            end()
