"""Haraka as a relay, for who asks for it (PEERS=haraka): it is told in the table of rates, and no goal goes by it.

`make bench PEERS=haraka` has npm install it into build/haraka. One process a core and a hundred deliveries at a time,
as Postfix has them; all else as it comes, its log among it, which goes to a file. Its look-ups go to the bench's
resolver, as hedwig's do.
"""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from journey.dns import RESOLVER
from journey.network import tool
from journey.process import Process
from journey.world import World
from postfix import greets
from usage import descendants

PROGRAM = Path("build/haraka/node_modules/Haraka/bin/haraka")
ADDRESS = "192.0.2.111"
_CONFIG = {  # beside what `haraka -i` writes
    "me": "haraka.bench.example\n",
    "plugins": "relay\n",
    "relay.ini": "[relay]\nall=true\n",
    "smtp.ini": f"listen={ADDRESS}:25\nnodes=cpus\n",
    "outbound.ini": "concurrency_max=100\nenable_tls=false\nlocal_mx_ok=true\n",
}


@dataclass
class Haraka:
    """A peer; it is always there."""

    process: Process
    name: str = "Haraka"
    address: str = ADDRESS

    @property
    def pids(self) -> list[int]:
        """The process that all others come from."""
        return [self.process.pid]

    def begin(self) -> None:
        """It has started already."""

    def end(self) -> None:
        """It goes on waiting."""

    def flush(self) -> None:
        """It has no command for that: it goes by its own times."""

    def close(self) -> None:
        """SIGTERM to its master; for unshare, which waits for it, that signal is none."""
        if self.process.alive:
            _, master, *_ = descendants(self.pids)
            os.kill(master, signal.SIGTERM)
            self.process.wait()


def started(world: World) -> Haraka:
    """One that greets. SystemExit where it is not installed."""
    if not PROGRAM.exists():
        raise SystemExit(f"{PROGRAM} is missing: `make bench PEERS=haraka` has npm install it")
    folder = world.directory / "haraka"
    node = [tool("node"), str(PROGRAM.absolute())]
    subprocess.run([*node, "-i", str(folder)], check=True, stdout=subprocess.DEVNULL)
    (folder / "queue").mkdir(exist_ok=True)
    for name, text in _CONFIG.items():
        (folder / "config" / name).write_text(text)
    resolv = folder / "resolv.conf"
    resolv.write_text(f"nameserver {RESOLVER}\n")
    script = f"mount --bind {resolv} /etc/resolv.conf && exec {' '.join(node)} -c {folder}"
    command = [tool("unshare"), "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--", "/bin/sh", "-c"]
    haraka = Haraka(Process("haraka", [*command, script], folder / "log"))
    world.at_end(haraka.close)
    haraka.process.start(lambda: greets(ADDRESS))
    return haraka
