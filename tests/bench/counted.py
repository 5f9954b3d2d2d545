"""Load by Postfix's smtp-source, and a far side by its smtp-sink; every recipient is counted there.

smtp-source -N gives each recipient a number of its own. smtp-sink appends all that it takes to a file in memory, and
that is read while it grows: what came, what did not, and what came twice. Both are compiled programs, the same for all
peers, and none of theirs: their CPU is counted for nobody.
"""

import shlex
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from journey.network import tool
from journey.process import Process

SENDER = "bench@robot.genee.cn"
_ANYBODYS = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_MARK = b"\nX-Rcpt-Args: <"
_LONGEST = 1024  # octets that a recipient's line may have, at the most
MOST = "900"  # connections at a time; its default of 256 would have the peers wait for each other
_PAUSE = 0.005  # seconds between two looks
_LOT = 64 << 20  # octets that are dropped at a time
_PAGE = 4096


@dataclass(frozen=True)
class Load:
    """`sessions` at a time, `messages` in all, of `size` octets, to `recipients` each; `reused`: all messages of a
    session on one connection. `domains`: they go to so many, in turn."""

    title: str
    sessions: int
    messages: int
    reused: bool = False
    size: int = 4096
    recipients: int = 1
    domains: int = 1

    @property
    def deliveries(self) -> int:
        """How many recipients there are in all."""
        return self.messages * self.recipients

    def shortened(self, messages: int) -> "Load":
        """The same with fewer messages."""
        return Load(self.title, self.sessions, messages, self.reused, self.size, self.recipients, self.domains)

    def calls(self, address: str, name: str) -> list[list[str]]:
        """What smtp-source is called with: one call, or one for each domain. All recipients are called `name`, behind
        their number."""
        common = ["-N", "-l", str(self.size), "-f", SENDER]
        common += ["-r", str(self.recipients)] * (self.recipients > 1) + ["-d"] * self.reused
        if self.domains == 1:
            only = ["-s", str(self.sessions), "-m", str(self.messages), "-t", f"{name}@{domain(0)}"]
            return [[*common, *only, f"inet:{address}:25"]]
        each = self.messages // self.domains
        return [
            [*common, "-s", "1", "-m", str(each), "-t", f"{name}@{domain(one)}", f"inet:{address}:25"]
            for one in range(self.domains)
        ]


def domain(number: int) -> str:
    """One of the receivers' domains."""
    return f"d{number}.far.example"


def send(load: Load, address: str, name: str) -> None:
    """Hand all of it in; comes back when the last message was accepted. SystemExit with smtp-source's words where one
    was not. xargs starts as many at a time as there are sessions: it is quick, for it is part of the time."""
    lines = "".join(shlex.join(call) + "\n" for call in load.calls(address, name))
    command = [tool("xargs"), "-P", str(load.sessions), "-L", "1", tool("smtp-source")]
    done = subprocess.run(
        command, input=lines, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"smtp-source to {address}: {done.stderr}")


class FarSide:
    """smtp-sink at `address`; `folder` should lie in memory."""

    def __init__(self, folder: Path, address: str) -> None:
        _ANYBODYS.write_text("0")  # smtp-sink refuses to run as root: it is nobody of a user namespace
        self.came: Counter[str] = Counter()
        self.last = 0.0  # when something came last, monotonic
        self._file, self._read, self._rest = folder / "taken", 0, b""
        self._dropped = 0  # octets that the file has no more
        self._file.touch()
        command = [tool("unshare"), "--user", "--", tool("smtp-sink"), "-m", MOST, "-D", str(self._file)]
        self._process = Process("smtp-sink", [*command, f"inet:{address}:25", "1000"], folder / "sink.log")
        self._address = address
        self.back()

    def back(self) -> None:
        """Start it, and wait until it listens."""
        self._process.start(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((self._address, 25)) == 0

    def away(self) -> None:
        """End it: from now on the kernel refuses connections. Nothing may be on its way."""
        self._process.kill()

    close = away

    def look(self) -> int:
        """Read on; how many recipients have got something, copies included."""
        with self._file.open("rb") as file:
            file.seek(self._read)
            octets = file.read()
        if octets:
            self._read += len(octets)
            self._note(self._rest + octets)
        return self.came.total()

    def _note(self, octets: bytes) -> None:
        """Every whole line of a recipient; what may be the beginning of one waits."""
        at = octets.find(_MARK)
        kept = 0
        while at >= 0:
            end = octets.find(b">", at + len(_MARK), at + _LONGEST)
            if end < 0:
                kept = at
                break
            self.came[octets[at + len(_MARK) : end].decode()] += 1
            self.last = time.monotonic()
            kept, at = end, octets.find(_MARK, end)
        self._rest = octets[kept:] if at >= 0 else octets[max(kept, len(octets) - len(_MARK)) :]

    def wait(
        self, count: int, seconds: float, *, pause: float = _PAUSE, looked: Callable[[int], None] | None = None
    ) -> None:
        """Until so many have come, or the time is over without one more. `looked` hears how many there are."""
        have, since = self.look(), time.monotonic()
        while have < count and time.monotonic() - since < seconds:
            time.sleep(pause)
            now = self.look()
            have, since = now, since if now == have else time.monotonic()
            if looked:
                looked(now)

    def drop(self) -> None:
        """Let what has been counted go from memory, where that is much. A hole takes its place: to cut the file off
        would lose what comes just then."""
        if self._read - self._dropped < _LOT:
            return
        until = self._read - self._read % _PAGE
        place = ["--offset", str(self._dropped), "--length", str(until - self._dropped)]
        subprocess.run([tool("fallocate"), "--punch-hole", *place, str(self._file)], check=True)
        self._dropped = until

    def taken(self) -> bytes:
        """All that came since `forget`, as smtp-sink(1) has it; messages that came at once may be mixed."""
        return self._file.read_bytes()

    def forget(self) -> None:
        """Count anew; what was taken is dropped. Nothing may be on its way."""
        self.came.clear()
        self._file.write_bytes(b"")
        self._read, self._dropped, self._rest = 0, 0, b""
