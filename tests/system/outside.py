"""What lies around the machines: an internet in a network namespace of the test, and containers within the machines.

    192.0.2.0/24   far sides (MX on port 25), at .53 the resolver, at .80 a web server with packages where a test has
                   one: all local to the test's own namespace
    203.0.113.0/24 the machines' outside addresses, on one bridge; .1 is their router
    172.17.0.0/16  docker0 within a machine, 172.18.0.0/16 br-x: containers are namespaces with a veth in such a bridge

The test's thread lives in that namespace, so that the far sides of the journeys serve here as they are.
"""

import itertools
from collections.abc import Callable
from pathlib import Path

from journey.dns import Dns
from journey.farside import FarSide
from journey.network import Namespace, Network
from journey.world import HOME, mx

from .machine import Machine

RESOLVER = "192.0.2.53"
FAR = "192.0.2.1"
ARCHIVE = "192.0.2.80"
RECIPIENTS = "163.com"


class Outside(Network):
    """The internet: one far side for 163.com, one for the senders' own domain, DNS for both and for the machines."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.here.ip(
            "link delete docker0",
            "link add wan type bridge",
            "address add 203.0.113.1/24 dev wan",
            "link set wan up",
        )
        self._ends: list[Callable[[], None]] = [super().close]
        self._numbers = itertools.count(1)
        hosts = "robot.genee.cn. A 203.0.113.10\nless.nankai.edu.cn. A 203.0.113.11\n"
        hosts += f"apt.genee.cn. A {ARCHIVE}\n"
        records = mx(RECIPIENTS, FAR) + mx("robot.genee.cn", HOME) + hosts
        self._ends.append(Dns(directory / "dns", records, RESOLVER).close)
        self.far = FarSide(FAR)
        self._ends.append(self.far.close)
        self.home = FarSide(HOME)
        self._ends.append(self.home.close)

    def connect(self, machine: Machine, address: str = "203.0.113.10") -> None:
        """Give the machine its way out, as eth0."""
        # A name of its own: the kernel may still be taking down the one from before a reboot.
        link = f"{machine.name}{next(self._numbers)}"
        with machine.network() as inside:
            self.here.ip(f"link add {link} type veth peer name eth0 netns {inside.path}")
            self.here.ip(f"link set {link} master wan up")
            inside.ip(f"address add {address}/24 dev eth0", "link set eth0 up", "route add default via 203.0.113.1")

    def container(self, machine: Machine, address: str = "172.17.0.2", bridge: str = "docker0") -> Namespace:
        """A container of the machine; its router is the bridge's first address."""
        made = self._neighbour()
        router = address.rpartition(".")[0] + ".1"
        veth = f"veth{next(self._numbers)}"
        with machine.network() as inside:
            inside.ip(
                f"link add {veth} type veth peer name eth0 netns {made.path}",
                f"link set {veth} master {bridge} up",
            )
        made.ip(
            "link set lo up",
            f"address add {address}/16 dev eth0",
            "link set eth0 up",
            f"route add default via {router}",
        )
        return made

    def close(self) -> None:
        """End all of it; what hedwig said to the far sides that no SMTP client may say."""
        for end in reversed(self._ends):
            end()

    @property
    def faults(self) -> list[str]:
        """What no SMTP client may send, and arrived."""
        return self.far.faults + self.home.faults


def bridge(machine: Machine, name: str = "docker0", address: str = "172.17.0.1/16") -> None:
    """Make a bridge as Docker does: docker0, or br-… for a network of compose's."""
    machine.ip(f"link add {name} type bridge", f"address add {address} dev {name}", f"link set {name} up")
