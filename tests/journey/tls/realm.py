"""A realm: receivers of a module with what each has of TLS, in a signed zone behind an unbound that validates, and with
MTA-STS policies on a real nginx. One host sends a letter to each of them at its start.

Nobody's real authority takes part: the worker trusts the realm's own (`ca_file`).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certificates import Made, make

from ..dns import Dns
from ..farside import FarSide, Rule
from ..network import tool
from ..process import Process
from ..receivers.ward import LETTER, Case, Ward
from ..world import HOME, World, mx

WEB = "192.0.2.200"
_NGINX = """
daemon off;
user root;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
worker_processes 1;
events {{}}
http {{
  access_log {directory}/access.log;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen {address}:443 ssl;
    ssl_certificate {directory}/web.pem;
    ssl_certificate_key {directory}/web.pem;
    root {directory}/sites/$host;
    location = /.well-known/mta-sts.txt {{ default_type text/plain; }}
  }}
}}
"""


@dataclass(frozen=True)
class Has:
    """What a receiver has.

    `shows`: its certificate: `good` (of the realm's authority, for its name), `own` (signed by itself), `other` (good,
    for another name), `expired`; `noise` instead of TLS; "" without STARTTLS. `tlsa`: records in DNS: `fits` (its key),
    `above` (the realm's authority), `other`, `unusable`, `bogus`. `sts`: the mode of its MTA-STS policy, or `missing`
    where there is a record and no policy; `names`: the mx of it, else its own. `insecure`: its zone is not signed.
    `rule`: its entry in `domains` of worker.yml. `options`: of the letter, `header` lines of it. `more`: what its host
    announces besides. `backup`: another host, preferred less, as Has too. `web`: where its web server is.
    """

    shows: str = "good"
    tlsa: str = ""
    sts: str = ""
    names: str = ""
    insecure: bool = False
    rule: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    header: bytes = b""
    more: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    backup: "Has | None" = None
    web: str = WEB


class Web:
    """nginx with policies by domain."""

    def __init__(self, directory: Path, authority: Made, address: str = WEB) -> None:
        self._directory = directory
        self._authority = authority
        directory.mkdir(parents=True)
        (directory / "nginx.conf").write_text(_NGINX.format(directory=directory, address=address))
        command = [tool("nginx"), "-c", f"{directory}/nginx.conf", "-e", f"{directory}/nginx.log"]
        self.process = Process("nginx", command, directory / "nginx.out")
        self._names: list[str] = []

    def publish(self, domain: str, policy: str) -> None:
        """Have this policy there from now on, or from the start on."""
        folder = self._directory / "sites" / f"mta-sts.{domain}" / ".well-known"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mta-sts.txt").write_text(policy)

    def name(self, domain: str) -> None:
        """Have a certificate for this domain's, too."""
        self._names.append(f"mta-sts.{domain}")

    def start(self) -> None:
        """With a certificate for all these names."""
        self._authority.sign("web", names=self._names or ["mta-sts.example"]).write(self._directory / "web.pem")
        self.process.start((self._directory / "nginx.pid").exists)

    def asked(self) -> list[str]:
        """What was asked for, a line each."""
        log = self._directory / "access.log"
        return log.read_text().splitlines() if log.exists() else []

    def close(self) -> None:
        """End it."""
        if self.process.alive:
            self.process.stop()


class Realm(Ward):
    """All of `receivers` by name. `worker`: more settings."""

    def __init__(self, world: World, receivers: Mapping[str, Has], worker: Mapping[str, Any] | None = None) -> None:
        self.world = world
        self.authority = make("Test Authority", authority=True)
        self.web = Web(world.directory / "web", self.authority)
        world.at_end(self.web.close)
        self.records: list[str] = []
        self.forged: list[str] = []
        self._insecure: list[str] = []
        rules: dict[str, Any] = {}
        self.fars: dict[str, list[FarSide]] = {}
        domains = {name: f"r{number}.example" for number, name in enumerate(receivers, 10)}
        for number, (name, has) in enumerate(receivers.items(), 10):
            self._settle(name, domains[name], number, has)
            if has.rule:
                rules[domains[name]] = dict(has.rule)
        self.dns = Dns(
            world.directory / "dns",
            self._zone(),
            signed=True,
            insecure=self._insecure,
            forged=self.forged,
        )
        world.at_end(self.dns.close)
        self.web.start()
        self.home = world.far(HOME)
        ca_file = world.directory / "ca.pem"
        self.authority.write(ca_file)
        settings = {"ca_file": str(ca_file), "domains": rules, "reports_per_hour": 1000} | dict(worker or {})
        self.host = world.host(worker=settings)
        self._receivers = receivers
        self._domains = domains
        self.cases: dict[str, Case] = {}

    def start(self) -> "Realm":
        """Start the host, and send the letters."""
        self.host.start("beanstalkd", "postoffice", "worker-1")
        for name, has in self._receivers.items():
            case = self.cases[name] = Case(self, self.fars[name][0], self._domains[name], ("user",), b"")
            case.send(has.header + LETTER, options=dict(has.options))
        return self

    def _zone(self) -> str:
        return "\n".join((mx("robot.genee.cn", HOME), *self.records))

    def change(self, old: str, new: str) -> None:
        """Have `new` in place of `old` in DNS from now on."""
        self.records = [record.replace(old, new) for record in self.records]
        self.dns.change(self._zone(), self.forged)

    def show(self, far: FarSide, host: str, shows: str) -> None:
        """Have a receiver's host show another certificate from now on."""
        made = self.certificate(host, shows)
        assert made is not None
        far.certificate = str(made.write(self.world.directory / f"{host}.{shows}.pem", self.authority))

    def __getitem__(self, name: str) -> Case:
        return self.cases[name]

    def name_of(self, case: Case) -> str:
        """Whose it is."""
        return next(name for name, domain in self._domains.items() if domain == case.domain)

    def _settle(self, name: str, domain: str, number: int, has: Has) -> None:
        hosts = [has, *([has.backup] if has.backup else [])]
        addresses = [f"192.0.2.{number + 100 * place}" for place in range(len(hosts))]
        self.records.append(mx(domain, *addresses))
        self.fars[name] = []
        for place, (each, address) in enumerate(zip(hosts, addresses, strict=True), 1):
            host = f"mx{place}.{domain}"
            made = self.certificate(host, each.shows)
            self._tlsa(host, each.tlsa, made)
            offered = ("STARTTLS",) if each.shows else ()
            path = self.world.directory / f"{host}.pem"
            if made is not None:
                made.write(path, self.authority)
            extensions = ("PIPELINING", "8BITMIME", *offered, *each.more)
            certificate = str(path) if made is not None else ""
            far = self.world.far(address, *each.rules, extensions=extensions, certificate=certificate)
            self.fars[name].append(far)
        if has.sts:
            self.records.append(f'_mta-sts.{domain}. TXT "v=STSv1; id=1;"\nmta-sts.{domain}. A {has.web}')
            self.web.name(domain)
        if has.sts not in ("", "missing"):
            self.web.publish(domain, policy(has.sts, has.names or f"mx1.{domain}"))
        if has.insecure:
            self._insecure.append(domain)

    def certificate(self, host: str, shows: str) -> Made | None:
        """What such a host shows; None where it speaks no TLS."""
        kinds: dict[str, Callable[[], Made | None]] = {
            "good": lambda: self.authority.sign(host, names=[host]),
            "own": lambda: make("whoever"),
            "other": lambda: self.authority.sign("other", names=["other.example"]),
            "expired": lambda: self.authority.sign(host, names=[host], days=(-9, -1)),
        }
        return kinds.get(shows, lambda: None)()

    def _tlsa(self, host: str, kind: str, made: Made | None) -> None:
        own = hashlib.sha256(made.spki).hexdigest() if made is not None else "00" * 32
        records = {
            "fits": f"3 1 1 {own}",
            "above": f"2 1 1 {hashlib.sha256(self.authority.spki).hexdigest()}",
            "other": f"3 1 1 {'5a' * 32}",
            "unusable": f"1 1 1 {'5a' * 32}",
            "bogus": f"3 1 1 {own}",
        }
        if kind:
            self.records.append(f"_25._tcp.{host}. TLSA {records[kind]}")
        if kind == "bogus":
            self.forged.append(f"_25._tcp.{host} TLSA")


def policy(mode: str, *patterns: str, max_age: int = 864000) -> str:
    """An MTA-STS policy."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {pattern}" for pattern in patterns), f"max_age: {max_age}"]
    return "".join(f"{line}\r\n" for line in lines)
