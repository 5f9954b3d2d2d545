"""The nginx site in front of postoffice's unix socket: its text, and how it comes into force.

`site` is pure. `Nginx` works on a configuration directory laid out as Debian's (sites-available, sites-enabled): the
new site is tested by `nginx -t` before anything is reloaded, and looked at from outside afterwards (site_check.py);
where either fails the old state comes back.
"""

import contextlib
import ipaddress
import os
import re
import subprocess
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from hedwig.cli import site_check
from hedwig.cli.files import replace
from hedwig.settings import MIB

CONF = Path("/etc/nginx")
_SITE = "hedwig"
_HEAD = "# Made by `hedwig open`, which writes it anew: TLS in front of hedwig's postoffice.\n"
_SAYS = re.compile(r"^    listen (\d+) ssl;.*^    server_name (\S+);.*proxy_pass http://unix:([^\n]+):;", re.M | re.S)
_SYSTEMD = Path("/run/systemd/system")
_IF_INET6 = Path("/proc/net/if_inet6")
_BODY_TIME = 60  # seconds without an octet of a body from a client
_ANSWER_TIME = 300  # seconds for postoffice's answer: two raw forms are decoded at a time, the others wait


class NginxTrouble(Exception):
    """nginx is missing, or doesn't take the site; str() holds its own words."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate (with its chain, PEM) and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Site:
    """What the site says. `networks`: who may connect, empty for all; `max_size`: of a message, in octets."""

    name: str
    port: int
    pair: Pair
    socket: str
    networks: Sequence[str]
    max_size: int


def raw_form(max_size: int) -> int:
    """Octets of the largest original form (DESIGN §5): escapes may take six octets for one."""
    return 6 * max_size + MIB


def site(about: Site, *, ipv6: bool) -> str:
    """The site's text."""
    listen = [f"listen {about.port} ssl;"] + [f"listen [::]:{about.port} ssl;"] * ipv6
    allow = [f"allow {network};" for network in about.networks] + ["deny all;"] * bool(about.networks)
    name = f"[{about.name}]" if ":" in about.name else about.name
    lines = [
        *listen,
        f"server_name {name};",
        f"ssl_certificate {_quoted(about.pair.certificate)};",
        f"ssl_certificate_key {_quoted(about.pair.key)};",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        *allow,
        "# The original form of the largest message (max_size in postoffice.yml) may be six times as large, and 1 MiB.",
        f"client_max_body_size {-(-raw_form(about.max_size) // MIB)}m;",
        f"client_body_timeout {_BODY_TIME}s;",
        "location / {",
        f"    proxy_pass http://unix:{about.socket}:;",
        "    proxy_http_version 1.1;",
        '    proxy_set_header Connection "";',
        "    proxy_set_header Host $host;",
        "    proxy_set_header X-Forwarded-For $remote_addr;",
        f"    proxy_read_timeout {_ANSWER_TIME}s;",
        f"    proxy_send_timeout {_BODY_TIME}s;",
        "}",
    ]
    return _HEAD + "server {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _quoted(path: Path) -> str:
    """A path as nginx's own text. ValueError for characters that mean something there (I11)."""
    text = str(path)
    if not text.isprintable() or set(text) & set('"\\$;{}'):
        raise ValueError(f"{path}: nginx can't have such a path; give the file a plainer name")
    return f'"{text}"'


def url(host: str, port: int) -> str:
    """Under which other hosts reach the site. `host`: a name or an IP address."""
    written = f"[{host}]" if ":" in host else host
    return f"https://{written}/" if port == 443 else f"https://{written}:{port}/"


class Nginx:
    """An nginx with its configuration in `conf`."""

    def __init__(self, conf: Path) -> None:
        self._conf = conf
        self.file = conf / "sites-available" / _SITE
        self._link = conf / "sites-enabled" / _SITE

    def look(self) -> None:
        """NginxTrouble where there is no nginx, or no place for the site."""
        for folder in (self.file.parent, self._link.parent):
            if not folder.is_dir():
                raise NginxTrouble(f"there is no {folder}: apt install nginx")
        self._run("nginx", "-v")
        if os.path.lexists(self._link) and self._link.resolve() != self.file.resolve():
            raise NginxTrouble(f"{self._link} is not the link to {self.file}: move it away first")

    def open_url(self, sockets: Container[str]) -> str:
        """The URL of the site that `hedwig open` has made, in front of one of these sockets; "" where there is none."""
        try:
            if self._link.resolve() != self.file.resolve():
                return ""
            text = self.file.read_text()
        except OSError:
            return ""
        says = _SAYS.search(text) if text.startswith(_HEAD) else None
        return url(says[2].strip("[]"), int(says[1])) if says and says[3] in sockets else ""

    def use(self, about: Site) -> str:
        """Write the site, test it, have nginx take it, and see whether it serves: a remark, or "". OSError;
        NginxTrouble: nginx doesn't take or serve the site, and all its files are as they were."""
        self.look()
        before = self.file.read_text() if self.file.exists() else None
        was_linked = self._link.is_symlink()
        replace(self.file, site(about, ipv6=_IF_INET6.exists()))
        if not was_linked:
            self._link.symlink_to(self.file)
        try:
            self._run("nginx", "-t", "-q", "-c", str(self._conf / "nginx.conf"))
        except NginxTrouble:
            self._back(before, was_linked)
            raise
        try:
            self._reload()
            return site_check.check(about.name, about.port, about.pair.certificate, about.networks)
        except (NginxTrouble, site_check.NotServed) as trouble:
            self._back(before, was_linked)
            if isinstance(trouble, site_check.NotServed):
                with contextlib.suppress(NginxTrouble):  # the trouble that is told is the first one
                    self._reload()
                told = f"nginx does not serve the site: {trouble}"
            else:
                told = f"{trouble}\n{site_check.who_has(about.port)}"
            raise NginxTrouble(f"{told}\nThe site was taken back.") from None

    def _back(self, before: str | None, was_linked: bool) -> None:
        if not was_linked:
            self._link.unlink()
        if before is None:
            self.file.unlink()
        else:
            replace(self.file, before)

    def _reload(self) -> None:
        if self._conf == CONF and _SYSTEMD.is_dir():
            self._run("systemctl", "reload-or-restart", "nginx")
        else:
            self._run("nginx", "-s", "reload", "-c", str(self._conf / "nginx.conf"))

    def _run(self, *command: str) -> None:
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=90, check=False)
        except FileNotFoundError:
            raise NginxTrouble(f"{command[0]} is missing: apt install nginx") from None
        except subprocess.TimeoutExpired:
            raise NginxTrouble(f"`{' '.join(command)}` hangs") from None
        if done.returncode:
            raise NginxTrouble(f"`{' '.join(command)}` says:\n{(done.stderr or done.stdout).strip()}")


def firewall(networks: Sequence[str], port: int, *, ufw: bool) -> list[str]:
    """Commands that let those networks in: ufw's where it is installed, else nftables'."""
    lines = []
    for network in networks or [""]:
        if ufw:
            lines.append(f"ufw allow proto tcp from {network or 'any'} to any port {port}")
            continue
        family = "ip6" if network and ipaddress.ip_network(network).version == 6 else "ip"
        source = f"{family} saddr {network} " if network else ""
        lines.append(f"nft add rule inet filter input {source}tcp dport {port} accept")
    return lines
