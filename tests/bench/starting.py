"""How long it takes from nothing to ready.

hedwig's daemons say so themselves (READY=1 of sd_notify(3)), and are started in the order of their units: beanstalkd,
then postoffice, then mailman and the workers at once. Postfix says nothing; it is ready when its smtpd greets.
"""

import socket
import time
from pathlib import Path
from statistics import median

from goals import Found
from journey.host import Host
from journey.network import tool
from journey.process import Process
from journey.world import World
from options import ROUNDS
from peers import Field
from postfix import Postfix

PATIENCE = 60.0


class Notified:
    """A daemon of `host` that is started under a NOTIFY_SOCKET of its own."""

    def __init__(self, host: Host, name: str) -> None:
        self._name = name
        path = host.run / f"{name}.notify"
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        command = [tool("env"), f"NOTIFY_SOCKET={path}", *host.command(name)]
        self.process = Process(name, command, host.directory / f"{name}.log")
        self.process.start()

    def ready(self) -> None:
        """Wait for its word."""
        until = time.monotonic() + PATIENCE
        while left := max(0.0, until - time.monotonic()):
            self._socket.settimeout(left)
            if b"READY=1" in self._socket.recv(8192).split(b"\n"):
                return
        raise SystemExit(f"{self._name} was not ready within {PATIENCE:g} s:\n{self.process.words()}")

    def end(self) -> None:
        """Stop it."""
        self.process.stop()
        self._socket.close()


def hedwig(host: Host, workers: int) -> float:
    """Seconds until all of it was ready; then it is ended."""
    began = time.monotonic()
    queue = Process("beanstalkd", host.command("beanstalkd"), host.directory / "beanstalkd.log")
    queue.start()
    postoffice = Notified(host, "postoffice")
    postoffice.ready()
    names = ["mailman", *(f"worker-{number}" for number in range(1, workers + 1))]
    others = [Notified(host, name) for name in names]
    for one in others:
        one.ready()
    took = time.monotonic() - began
    for one in (*others, postoffice):
        one.end()
    queue.stop()
    return took


def postfix(server: Postfix) -> float:
    """The same."""
    took = server.start()
    server.close()
    return took


def play(world: World, in_memory: Path) -> Found:
    """By turns."""
    field = Field(world, in_memory, workers=(1,), postfix={"default": {}})
    for process in reversed(field.host.processes.values()):
        process.stop()
    server = field.postfixes[0].server
    server.close()
    took: dict[str, list[float]] = {"hedwig, 1 worker": [], "hedwig, 2 workers": [], "Postfix, default": []}
    for _ in range(ROUNDS):
        took["hedwig, 1 worker"].append(hedwig(field.host, 1))
        took["hedwig, 2 workers"].append(hedwig(field.host, 2))
        took["Postfix, default"].append(postfix(server))
    print("\nfrom start to ready, s")
    for name, each in took.items():
        print(f"  {name:22} {median(each):6.2f}", flush=True)
    return Found(figures=took)
