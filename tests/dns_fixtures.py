"""Real DNS for tests: nsd with the test's zones behind unbound, both on one loopback address and ports of their own.
Zones may be signed (dns_signing.py); then unbound validates.

`DnsServers` starts both, waits until unbound answers from every zone, and ends both by their process IDs. A missing
program fails the test. What real servers don't do is in dns_script.py.
"""

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Collection
from pathlib import Path

import dns.exception
import dns.message
import dns.query
from dns_signing import Signer

_NSD = """
server:
    ip-address: {address}@{port}
    username: ""
    chroot: ""
    zonesdir: "{directory}"
    database: ""
    pidfile: ""
    xfrdfile: "{directory}/xfrd.state"
    zonelistfile: "{directory}/zone.list"
    server-count: 1
    rrl-ratelimit: 0
remote-control:
    control-enable: no
"""
_UNBOUND = """
server:
    interface: {address}@{port}
    username: ""
    chroot: ""
    directory: "{directory}"
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    do-not-query-localhost: no
    module-config: "{modules}"
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    num-threads: 1
remote-control:
    control-enable: no
"""
_HEAD = """$ORIGIN {origin}
$TTL {ttl}
@ IN SOA ns.root. hostmaster.root. 1 3600 600 86400 {ttl}
@ IN NS ns.root.
"""


def free_port(address: str = "127.0.0.1") -> int:
    """A port that is free for UDP and TCP on `address` now; not one that the kernel gives to whoever asks for any."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as stream, socket.socket(family, socket.SOCK_DGRAM) as datagram:
            port = random.randrange(20_000, 32_000)
            with contextlib.suppress(OSError):
                stream.bind((address, port))
                datagram.bind((address, port))
                return port


def program(name: str) -> str:
    """The path of a program that the tests need; its absence is a failure, never a skip."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin")
    assert found, f"{name} is not installed (make deps)"
    return found


class DnsServers:
    """unbound at `address`:`port` (`port` 0: a free one), nsd at `address`:`authority_port`.

    `zones`: by name without the final dot ("" is the root), the records as lines of a zone file; SOA and NS are added.
    What stands in no zone does not exist. TTLs of records without one, and of absence, are `ttl` seconds.

    `signed`: zones that are signed, and for which unbound has a trust anchor; the others are insecure. `forged`: names
    and types in them ("mx.example A") that are bogus.
    """

    def __init__(
        self,
        tmp_path: Path,
        address: str = "127.0.0.1",
        port: int = 0,
        *,
        zones: dict[str, str],
        ttl: int = 300,
        signed: Collection[str] = (),
        forged: Collection[str] = (),
    ) -> None:
        self.address = address
        self.port = port or free_port(address)
        self.authority_port = free_port(address)
        self._directory = tmp_path / "dns"
        self._directory.mkdir(parents=True, exist_ok=True)
        self._zones = zones if "" in zones else {"": "ns.root. IN A 127.0.0.1", **zones}
        self._ttl = ttl
        self._signed = signed
        self._forged = forged
        self._configure()
        self._nsd = self._start("nsd", "-d", "-c", "nsd.conf")
        try:
            self._unbound = self._start("unbound", "-d", "-c", "unbound.conf")
        except OSError:
            self._end(self._nsd)
            raise
        try:
            for zone in self._zones:
                self._await(zone)
        except BaseException:
            self.close()
            raise

    def _configure(self) -> None:
        words = {"address": self.address, "directory": self._directory}
        nsd = _NSD.format(port=self.authority_port, **words)
        unbound = _UNBOUND.format(port=self.port, modules="validator iterator" if self._signed else "iterator", **words)
        anchors = ""
        for number, (zone, records) in enumerate(self._zones.items()):
            head = _HEAD.format(origin=f"{zone}.", ttl=self._ttl)
            zonefile = self._directory / f"{number}.zone"
            zonefile.write_text(f"{head}{records}\n", "utf-8")
            if zone in self._signed:
                anchors += f'server:\n    trust-anchor: "{self._sign(zone, zonefile)}"\n'
            nsd += f'zone:\n    name: "{zone}."\n    zonefile: "{number}.zone"\n'
            unbound += f'stub-zone:\n    name: "{zone}."\n    stub-addr: {self.address}@{self.authority_port}\n'
        (self._directory / "nsd.conf").write_text(nsd, "utf-8")
        (self._directory / "unbound.conf").write_text(unbound + anchors, "utf-8")

    def _sign(self, zone: str, zonefile: Path) -> str:
        """Sign the zone; its trust anchor."""
        signer = Signer(self._directory / "keys", zone, program("ldns-keygen"), program("ldns-signzone"))
        inside = [each for each in self._forged if f".{each.split()[0]}".endswith(f".{zone}")]
        signer.sign(zonefile, inside)
        return signer.anchor

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._directory / f"{command[0]}.log").open("wb") as log:
            return subprocess.Popen(
                [program("setpriv"), "--pdeathsig", "KILL", "--", program(command[0]), *command[1:]],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _await(self, zone: str) -> None:
        """Until unbound answers for the SOA of `zone` out of nsd, or one of the two has ended."""
        query = dns.message.make_query(f"{zone}.", "SOA")
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            for process, name in ((self._nsd, "nsd"), (self._unbound, "unbound")):
                assert process.poll() is None, f"{name} ended: {(self._directory / f'{name}.log').read_text()}"
            with contextlib.suppress(dns.exception.DNSException, OSError):
                if dns.query.udp(query, self.address, timeout=0.2, port=self.port).answer:
                    return
            time.sleep(0.02)
        raise AssertionError(f"unbound gives no SOA of {zone or 'the root'}; see {self._directory}")

    def close(self) -> None:
        """End both, and wait for it."""
        self._end(self._unbound)
        self._end(self._nsd)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
