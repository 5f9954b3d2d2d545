"""Those who are compared, and a measurement with any of them: a load from smtp-source to smtp-sink, all counted."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from counted import FarSide, Load, domain, send
from journey.dns import RESOLVER
from journey.host import MAILMAN, Host
from journey.process import Process
from journey.world import World, mx
from postfix import TUNED, Postfix
from usage import cpu, memory

SINK = "192.0.2.1"
DOMAINS = 500
TTL = 3600  # seconds, as MX records have it
STALLED = 60.0  # seconds without one more delivery, after which the rest counts as lost
# hedwig's own caution with receivers is no bench's matter. Its bound on connections holds for an address as well, and
# here 500 domains have one address.
SITES: dict[str, Any] = {"default": {"connections": 500, "messages_per_connection": 1000}}
POSTFIX: dict[str, dict[str, str]] = {"default": {}, "tuned": TUNED}


class Peer(Protocol):
    """A mail server that listens at port 25 of `address`."""

    name: str
    address: str

    @property
    def pids(self) -> list[int]:
        """Those of its processes from which the others come."""

    def begin(self) -> None:
        """Its turn comes."""

    def end(self) -> None:
        """Its turn is over."""

    def flush(self) -> None:
        """Try all that waits now: what an operator does when a receiver is back."""


@dataclass
class PostfixPeer:
    """Always there: an idle one computes nothing."""

    name: str
    server: Postfix
    beside: list[Process] = field(default_factory=list)  # its milters

    @property
    def address(self) -> str:
        """Of its smtpd."""
        return self.server.address

    @property
    def pids(self) -> list[int]:
        """Its master, and what works beside it."""
        return self.server.pids + [process.pid for process in self.beside]

    def begin(self) -> None:
        """It has started already."""

    def end(self) -> None:
        """It goes on waiting."""

    def flush(self) -> None:
        """postqueue -f."""
        self.server.flush()


@dataclass
class Hedwig:
    """All of it on one host, with so many workers: those after the first run in its turn alone."""

    name: str
    host: Host
    workers: int = 1
    address: str = MAILMAN[0]

    @property
    def _more(self) -> list[str]:
        return [f"worker-{number}" for number in range(2, self.workers + 1)]

    @property
    def pids(self) -> list[int]:
        """Of mailman, postoffice, beanstalkd and the workers."""
        return [process.pid for process in self.host.processes.values() if process.alive]

    def begin(self) -> None:
        """Start the workers that are missing."""
        for worker in self._more:
            self.host.start(worker)

    def end(self) -> None:
        """And end them."""
        for worker in self._more:
            self.host[worker].stop()

    def flush(self) -> None:
        """The receiver is no longer left alone, and what was put off is due."""
        self.host.hedwig("site", "resume", domain(0))
        self.host.hedwig("queue", "retry", "--site", domain(0), "--yes")


@dataclass(frozen=True)
class Run:
    """Rates a second, `cpu` in milliseconds a message, `pss` in MiB at the end of the load. `lost`: recipients who had
    nothing STALLED after the last delivery; one that the peer has deferred for longer is among them."""

    accepted: float
    delivered: float
    cpu: float
    pss: float
    lost: int
    doubled: int


@dataclass
class Runs:
    """The runs of one peer with one load."""

    runs: list[Run] = field(default_factory=list)

    def middle(self, what: str) -> float:
        """The median of one figure."""
        return median(getattr(run, what) for run in self.runs)

    def total(self, what: str) -> int:
        """The sum of one."""
        return sum(getattr(run, what) for run in self.runs)


def measure(peer: Peer, far: FarSide, load: Load, name: str) -> Run:
    """One load through one peer, whose turn it is."""
    far.forget()
    used, began = cpu(peer.pids), time.monotonic()
    send(load, peer.address, name)
    accepted = time.monotonic()
    pss = memory(peer.pids).pss
    far.wait(load.deliveries, STALLED)
    last = far.last
    time.sleep(0.3)  # what comes twice comes now; and what is told to a log, or settled, is work for these messages
    far.look()
    used = cpu(peer.pids) - used
    mine = {word: times for word, times in far.came.items() if word.lstrip("0123456789").startswith(f"{name}@")}
    return Run(
        load.messages / (accepted - began),
        load.messages * len(mine) / load.deliveries / max(last - began, 1e-9),
        used / load.messages,
        pss,
        load.deliveries - len(mine),
        far.came.total() - len(mine),
    )


class Field:
    """Everything that is compared, in one network; `memory` is a folder in memory, for what is taken. `postfix`: the
    settings of each; `retry`: when hedwig tries again what was put off."""

    def __init__(
        self,
        world: World,
        in_memory: Path,
        *,
        workers: tuple[int, ...] = (1, 2),
        postfix: dict[str, dict[str, str]] = POSTFIX,
        retry: dict[str, Any] | None = None,
    ) -> None:
        zone = (mx(domain(number), SINK) for number in range(DOMAINS))
        world.dns(*zone, ttl=TTL)
        self.far = FarSide(in_memory, SINK)
        world.at_end(self.far.close)
        self.host = world.host(worker={"sites": SITES} | ({"retry": retry} if retry else {})).start()
        self.peers: list[Peer] = [
            Hedwig(f"hedwig, {count} worker{'s' * (count > 1)}", self.host, count) for count in workers
        ]
        self.postfixes: list[PostfixPeer] = []
        for number, (name, settings) in enumerate(postfix.items()):
            folder = world.directory / f"postfix-{name}"
            server = Postfix(folder, f"192.0.2.{101 + number}", RESOLVER, settings, SINK)
            world.at_end(server.close)
            server.start()
            self.postfixes.append(PostfixPeer(f"Postfix, {name}", server))
        self.peers += self.postfixes

    def to_domains(self, count: int) -> None:
        """Where there are many receivers' domains everybody asks the resolver, Postfix too."""
        for peer in self.postfixes:
            peer.server.relay_to("" if count > 1 else SINK)

    def warm(self, load: Load) -> None:
        """Once through each, unmeasured."""
        for number, peer in enumerate(self.peers):
            peer.begin()
            measure(peer, self.far, load, f"warm{number}x")
            peer.end()

    def rounds(self, load: Load, count: int, *, before: int = 0) -> dict[str, Runs]:
        """So many rounds, by turns, each second one backwards: what grows or fades on the machine counts for all.
        `before`: so many messages at the beginning of each turn are not measured, for a worker that has just started
        has neither connections nor DNS answers."""
        found = {peer.name: Runs() for peer in self.peers}
        for number in range(count):
            for peer in self.peers if number % 2 == 0 else self.peers[::-1]:
                peer.begin()
                if before:
                    measure(peer, self.far, load.shortened(before), f"b{number}x")
                name = f"r{number}x{len(found[peer.name].runs)}"
                found[peer.name].runs.append(measure(peer, self.far, load, name))
                peer.end()
        return found
