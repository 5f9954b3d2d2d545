"""Postfix's smtp-sink(1) as a receiver: a second opinion on SMTP, with fault switches of its own.

It is no root's program: it runs as nobody of a user namespace of its own, which a test run by root and one under
`unshare -r` can both make. So it may not take port 25 unless the network namespace says that anybody may.
"""

import socket
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..network import tool
from ..process import Process

HOST = "sink.far.example"
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
_ANYBODYS = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@dataclass(frozen=True)
class Dumped:
    """A message that it took to the end of its data; `content` has line feeds alone, as the sink writes it."""

    proto: str
    helo: str
    mail: str
    rcpttos: tuple[str, ...]
    content: bytes


class Sink:
    """One at `address`, started with these of its switches. What it takes is kept in a folder of `directory`."""

    def __init__(self, directory: Path, address: str, *switches: str) -> None:
        self.address = address
        self._directory = directory / f"sink-{address}"
        self._directory.mkdir()
        self._lives = 0
        self.start(*switches)

    def start(self, *switches: str) -> None:
        """Begin; with other switches than before, perhaps."""
        _ANYBODYS.write_text("0")
        self._lives += 1
        dump = f"{self._directory}/{self._lives}."
        command = [tool("unshare"), "--user", "--", tool("smtp-sink"), "-h", HOST, "-d", dump, *switches]
        self._process = Process("smtp-sink", [*command, f"inet:{self.address}:25", "100"], self._directory / "log")
        self._process.start(self._listens)

    def _listens(self) -> bool:
        """As the kernel has it: a connection to see it would be counted, and cut, by some of its switches."""
        where = f"{int.from_bytes(socket.inet_aton(self.address), sys.byteorder):08X}:{25:04X}"
        rows = (line.split() for line in Path("/proc/thread-self/net/tcp").read_text().splitlines())
        return any(row[1] == where and row[3] == _LISTEN for row in rows)

    def restart(self, *switches: str) -> None:
        """End what is under way, and begin anew with these switches."""
        self.close()
        self.start(*switches)

    def close(self) -> None:
        """End."""
        self._process.kill()

    def dumped(self, since: int = 1) -> list[Dumped]:
        """What has been taken since its first, second ... start, in no order. One that refuses or drops after the dot
        has taken it too."""
        found = [path for path in self._directory.iterdir() if path.name != "log"]
        return [_read(path.read_bytes()) for path in found if int(path.name.partition(".")[0]) >= since]

    def copies(self, since: int = 1) -> Counter[str]:
        """How often each recipient is among them."""
        return Counter(rcptto for letter in self.dumped(since) for rcptto in letter.rcpttos)


def _read(octets: bytes) -> Dumped:
    """One of its files: fields of its own, three lines of Received, the message, an empty line."""
    head, _, rest = octets.partition(b"Received: ")
    fields = [line.partition(": ")[::2] for line in head.decode("utf-8", "replace").splitlines()]
    content = rest.split(b"\n", 3)[3]
    once = dict(fields)
    rcpttos = tuple(_path(value) for name, value in fields if name == "X-Rcpt-Args")
    mail = once.get("X-Mail-Args", "")
    return Dumped(once["X-Client-Proto"], once.get("X-Helo-Args", ""), mail, rcpttos, content.removesuffix(b"\n"))


def _path(arguments: str) -> str:
    return arguments[arguments.index("<") + 1 : arguments.index(">")]
