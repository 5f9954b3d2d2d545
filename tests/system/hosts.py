"""Hosts as an operator makes them: a machine, our archive, the packages; and letters from a container of it."""

import itertools
from pathlib import Path

from journey.network import Namespace
from journey.submit import SAMPLE, Msmtp
from journey.waiting import until

from .machine import Machine
from .outside import Outside, bridge

DELIVERS = "robot.genee.cn"
SENDS = "less.nankai.edu.cn"
DAEMONS = ("hedwig-mailman", "hedwig-postoffice", "hedwig-beanstalkd")
WORKERS = ("hedwig-worker@1", "hedwig-worker@2")
_ADDRESSES = {DELIVERS: "203.0.113.10", SENDS: "203.0.113.11"}


class Hosts:
    """The machines of one file of tests, and what they were made from (see prepare.py)."""

    def __init__(self, prepared: Path, outside: Outside, directory: Path) -> None:
        self.prepared = prepared
        self.outside = outside
        self.directory = directory
        self.machines: list[Machine] = []
        self.in_doubt = False  # a test has failed on them
        self._numbers = itertools.count(1)

    def boot(
        self, fqdn: str = DELIVERS, suite: str = "bookworm", *, docker: bool = True, engine: bool = False
    ) -> Machine:
        """A new machine with a way out and without anything of hedwig's. `docker`: with a docker0, as a bridge of the
        test's; `engine`: with a real Docker, which makes its own once it is started."""
        shared = {self.prepared / name: f"/srv/{name}" for name in ("first", "second")}
        root = (self.prepared / f"root-{suite}").resolve()
        machine = Machine(fqdn, root, self.directory / f"machine{next(self._numbers)}", shared, engine=engine)
        self.machines.append(machine)
        self.outside.connect(machine, _ADDRESSES[fqdn])
        if docker and not engine:
            bridge(machine)
        return machine

    def add_archive(self, machine: Machine, name: str = "first") -> None:
        """What `make repo` printed, word for word."""
        printed = (self.prepared / f"{name}.lines").read_text()
        lines = printed.partition("On each host, as root:\n\n")[2].partition("\n\n")[0]
        machine.shell(lines.replace("apt update", "apt-get -q update"))

    def install(self, machine: Machine, *packages: str, archive: str = "first") -> None:
        """Our archive, and these packages from it."""
        self.add_archive(machine, archive)
        machine.apt("install", *packages)

    def complete(self, fqdn: str = DELIVERS, suite: str = "bookworm") -> Machine:
        """A host with everything: `apt install hedwig`, and all of it is up."""
        machine = self.boot(fqdn, suite)
        self.install(machine, "hedwig")
        machine.wait_for(*DAEMONS, *WORKERS)
        return machine

    def msmtp(self, container: Namespace, host: str = "172.17.0.1") -> Msmtp:
        """msmtp in a container, configured as in the original document."""
        directory = self.directory / f"container{next(self._numbers)}"
        directory.mkdir()
        made = Msmtp(container, directory)
        config = directory / "msmtprc"
        config.write_text(config.read_text().replace("172.17.0.1", host))
        return made

    def deliver(self, container: Namespace, rcptto: str, host: str = "172.17.0.1") -> str:
        """Send a letter from a container, and wait until it has arrived; its queue ID."""
        queue_id = self.msmtp(container, host).send(SAMPLE, rcptto)
        self.arrives(rcptto)
        return queue_id

    def arrives(self, rcptto: str, seconds: float = 60) -> None:
        """Wait until this recipient has a letter."""
        until(f"a letter for {rcptto}", lambda: self.outside.far.has(rcptto), seconds)

    def unplug(self, machine: Machine) -> None:
        """End a machine that no test needs any more; its name and address are free."""
        self.machines.remove(machine)
        machine.close()

    def report(self) -> str:
        """All that helps to see why a test failed."""
        heard = f"--- far side: {self.outside.far.commands[-30:]}"
        return "\n".join([machine.report() for machine in self.machines] + [heard])

    def close(self) -> None:
        """Pull all plugs."""
        for machine in reversed(self.machines):
            machine.close()
