"""Real DNS for a journey: nsd answers for the whole tree from one zone, unbound resolves and caches.

The zone is the root, so that every name that is not in it is NXDOMAIN, at once and truthfully. Times to live are a
second, so that a test may change a record, unless a bench wants them longer. It may be signed; then unbound validates,
and says so to who asks for it.
"""

import signal
import socket
import struct
from collections.abc import Collection
from pathlib import Path

from dns_signing import Signer

from .network import tool
from .process import Process

RESOLVER = "127.0.0.53"
_AUTHORITY = "127.0.0.54"
_NSD = """
server:
  ip-address: {address}
  port: 53
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  database: ""
  pidfile: "{directory}/nsd.pid"
  xfrdfile: "{directory}/xfrd.state"
  zonelistfile: "{directory}/zone.list"
  logfile: "{directory}/nsd.log"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
"""
_UNBOUND = """
server:
  interface: {address}
  port: 53
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  use-syslog: no
  logfile: ""
  do-daemonize: no
  do-not-query-localhost: no
  module-config: "{modules}"
  access-control: 0.0.0.0/0 allow
  cache-max-ttl: {ttl}
  cache-max-negative-ttl: {ttl}
  num-threads: 1
  val-bogus-ttl: 1
  local-zone: "2.0.192.in-addr.arpa." nodefault
  local-zone: "100.51.198.in-addr.arpa." nodefault
{trust}stub-zone:
  name: "."
  stub-addr: {authority}
remote-control:
  control-enable: no
"""
_HEAD = """$ORIGIN .
$TTL {ttl}
. IN SOA ns.root. hostmaster.root. {serial} 3600 600 86400 {ttl}
. IN NS ns.root.
ns.root. IN A 127.0.0.54
"""


class Dns:
    """`records` are lines of a zone file with full names, such as `163.com. MX 10 mx.163.com.`; they are to be asked at
    `resolver`.

    `signed`: all is secure, but `insecure` domains and what is below them, and what is `forged` (names and types such
    as "_25._tcp.mx.163.com TLSA"), which is bogus.
    """

    def __init__(
        self,
        directory: Path,
        records: str,
        resolver: str = RESOLVER,
        *,
        signed: bool = False,
        insecure: Collection[str] = (),
        forged: Collection[str] = (),
        ttl: int = 1,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._serial = 0
        self._ttl = ttl
        self._signer = Signer(directory / "keys", "", tool("ldns-keygen"), tool("ldns-signzone")) if signed else None
        (directory / "nsd.conf").write_text(_NSD.format(directory=directory, address=_AUTHORITY))
        trust = ""
        if self._signer is not None:
            trust = f'  trust-anchor: "{self._signer.anchor}"\n'
            trust += "".join(f'  domain-insecure: "{name}"\n' for name in insecure)
        modules = "validator iterator" if signed else "iterator"
        words = {"directory": directory, "address": resolver, "authority": _AUTHORITY, "ttl": ttl}
        (directory / "unbound.conf").write_text(_UNBOUND.format(modules=modules, trust=trust, **words))
        self._write(records, forged)
        nsd, unbound_command = tool("nsd"), tool("unbound")
        self._nsd = Process("nsd", [nsd, "-d", "-c", f"{directory}/nsd.conf"], directory / "nsd.out")
        command = [unbound_command, "-d", "-c", f"{directory}/unbound.conf"]
        self._unbound = Process("unbound", command, directory / "unbound.out")
        self._nsd.start(lambda: _answers(_AUTHORITY))
        self._unbound.start(lambda: _answers(resolver))

    def change(self, records: str, forged: Collection[str] = ()) -> None:
        """Serve these records from now on; caches forget the old ones within a second or two."""
        self._write(records, forged)
        self._nsd.signal(signal.SIGHUP)

    def _write(self, records: str, forged: Collection[str] = ()) -> None:
        self._serial += 1
        written = self._directory / "written.zone"
        written.write_text(_HEAD.format(serial=self._serial, ttl=self._ttl) + records + "\n")
        if self._signer is not None:
            self._signer.sign(written, forged)
        written.replace(self._directory / "root.zone")

    def close(self) -> None:
        """End both."""
        for process in (self._unbound, self._nsd):
            if process.alive:
                process.stop()


def _answers(address: str) -> bool:
    """Whether a server answers the question for `. SOA` without error."""
    question = struct.pack("!6H", 4711, 0x0100, 1, 0, 0, 0) + b"\0" + struct.pack("!2H", 6, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        client.connect((address, 53))
        try:
            client.send(question)
            answer = client.recv(512)
        except OSError:
            return False
    return answer[:2] == question[:2] and answer[3] & 15 == 0
