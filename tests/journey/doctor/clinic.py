"""A host, its zones and its neighbours, all well; and domains each with a fault of its own.

unbound validates; nsd has all zones. A sender domain is well where nothing else is said: SPF for 192.0.2.7, DMARC, MX.
"""

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ..dns import RESOLVER
from ..network import Network
from ..waiting import until
from ..world import World

SOURCE = "192.0.2.7"
NAME = "robot.genee.cn"
_HEDWIG = Path(sys.executable).parent / "hedwig"
_EPOCH = 2_208_988_800
BASE = f"""
7.2.0.192.in-addr.arpa. IN PTR {NAME}.
{NAME}. IN A {SOURCE}
far.example. IN MX 10 mx.far.example.
mx.far.example. IN A 192.0.2.1
closed.example. IN MX 10 mx.closed.example.
mx.closed.example. IN A 192.0.2.30
ntp.example. IN A 192.0.2.20
late.example. IN A 192.0.2.21
2.0.0.127.good.bl.example. IN A 127.0.0.2
2.0.0.127.lists.bl.example. IN A 127.0.0.2
7.2.0.192.lists.bl.example. IN A 127.0.0.4
7.2.0.192.lists.bl.example. IN TXT "a test listing"
2.0.0.127.public.bl.example. IN A 127.255.255.254
7.2.0.192.public.bl.example. IN A 127.255.255.254
*.wild.bl.example. IN A 127.0.0.2
"""


class Clock:
    """An NTP server on `address`, whose time is `ahead` seconds ahead of ours."""

    def __init__(self, address: str, ahead: float) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 123))
        self._ahead = ahead
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                asked, whence = self._socket.recvfrom(512)
            except OSError:
                return
            now = struct.pack("!II", int(time.time() + self._ahead) + _EPOCH, 0)
            self._socket.sendto(b"\x24\x02" + bytes(22) + asked[40:48] + now + now, whence)

    def close(self) -> None:
        self._socket.close()


def sender(domain: str, **changed: str) -> str:
    """Zone lines of a sender domain that is well, but for what is `changed`: spf, dmarc, mx, each lines without
    the name; "" leaves the record out."""
    spf = changed.get("spf", f'TXT "v=spf1 ip4:{SOURCE} -all"')
    dmarc = changed.get("dmarc", 'TXT "v=DMARC1; p=none"')
    mx = changed.get("mx", f"MX 10 {NAME}.")
    lines = [f"{domain}. IN {line}" for part in (spf, mx) for line in part.splitlines()]
    return "\n".join([*lines, *(f"_dmarc.{domain}. IN {line}" for line in dmarc.splitlines())]) + "\n"


class Clinic:
    """`zones`: what is there beside BASE."""

    def __init__(self, network: Network, directory: Path, zones: str, **worker: Any) -> None:
        self.world = World(network, directory)
        self.lines = [line for line in (BASE + sender(NAME) + zones).splitlines() if line]
        self.dns = self.world.dns("\n".join(self.lines), signed=True)
        self.far = self.world.far("192.0.2.1")
        for address, ahead in (("192.0.2.20", 0.0), ("192.0.2.21", 7200.0)):
            self.world.at_end(Clock(address, ahead).close)
        settings = {
            "sources": {"main": {"ipv4": SOURCE, "ehlo": NAME}},
            "doctor": {"receivers": ["far.example"], "ntp": "ntp.example"},
            "dns": {"nameservers": [RESOLVER], "port": 53},
        }
        self.host = self.world.host(worker=settings | worker)

    def examine(self, *arguments: str, language: str = "C.UTF-8", config: Path | None = None) -> dict[str, Any]:
        """What it finds, by JSON, and its exit status as "status"."""
        done = self.run("--json", *arguments, language=language, config=config)
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        return {**json.loads(done.stdout), "status": done.returncode}

    def run(
        self, *arguments: str, language: str = "C.UTF-8", config: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """As an operator has it."""
        command = [str(_HEDWIG), "--config-dir", str(config or self.host.config), "doctor", *arguments]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": language}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    def finding(self, check: str, *arguments: str, config: Path | None = None) -> dict[str, str]:
        """The worst finding of that check."""
        order = ["fail", "warn", "skipped", "pass"]
        found = [each for each in self.examine(*arguments, config=config)["findings"] if each["check"] == check]
        assert found, f"no finding of {check}"
        worst: dict[str, str] = min(found, key=lambda each: order.index(each["grade"]))
        return worst

    def apply(self, mend: str) -> None:
        """Do as it says: the record takes the place of those of its name and type."""
        name, _, kind = mend.split()[:3]
        self.lines = [line for line in self.lines if line.split()[0] != name or line.split()[2] != kind] + [mend]
        self.dns.change("\n".join(self.lines))

    def passes(self, check: str, *arguments: str) -> None:
        """Wait until it does (caches forget within a second or two)."""
        until(f"{check} to pass", lambda: self.finding(check, *arguments)["grade"] == "pass")

    def close(self) -> None:
        self.world.close()
