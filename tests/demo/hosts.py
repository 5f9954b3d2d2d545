"""The files of `make run`: two hosts, as in the original document, and the far side, each in a folder of its own.

    run/less.nankai.edu.cn/   the host whose containers send: mailman.yml, msmtprc, the sample letter, mailman's spool
    run/robot.genee.cn/       the host that delivers: postoffice.yml, worker.yml, clients.d/, the spool
    run/far-side/             the resolver's unbound.conf, and the letters that arrived
    run/log/                  what every part printed

Real hosts have the first two in /etc/hedwig. The key is made by the real `hedwig key add`, and what that prints is how
mailman.yml begins.
"""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from parts import DemoFailed

BIN = Path(os.path.relpath(Path(sys.executable).parent))
ROOT = Path("run")
SENDING = ROOT / "less.nankai.edu.cn"
DELIVERING = ROOT / "robot.genee.cn"
FAR_SIDE = ROOT / "far-side"
LOGS = ROOT / "log"

SENDER = "sender@robot.genee.cn"
RECIPIENT = "stenote@163.com"
LETTER = f"From: {SENDER}\nTo: {RECIPIENT}\nSubject: Hello World\n\n\nHello Stenote !\n"

UNBOUND = """\
# Every name leads to this machine, so that no letter of `make run` leaves it.
server:
  interface: 127.0.0.1
  port: {port}
  do-ip6: no
  do-daemonize: no
  use-syslog: no
  logfile: ""
  username: ""
  chroot: ""
  pidfile: ""
  directory: "{folder}"
  num-threads: 1
  module-config: "iterator"
  local-zone: "." redirect
  local-data: ". 60 IN MX 10 mx.far-side.example."
  local-data: ". 60 IN A 127.0.0.1"
  local-zone: "163.com." redirect
  local-data: "163.com. 60 IN MX 10 163mx01.mxmail.netease.com."
  local-zone: "invalid." always_nxdomain
remote-control:
  control-enable: no
"""

POSTOFFICE = """\
listen: [127.0.0.1:{postoffice}]
spool: {folder}/spool.db
queue: beanstalk://{socket}
"""

WORKER = """\
spool: {folder}/spool.db
queue: beanstalk://{socket}
ehlo: robot.genee.cn
dns: {{nameservers: [127.0.0.1], port: {resolver}}}
smtp_port: {exchanger}
refuse: []                  # only here: the far side is on loopback, where real mail must never go
retry: {{schedule: [10s, 30s, 1m]}}    # only here: so that there is something to watch
run_dir: {temporary}
state_dir: {folder}/worker
stop_time: 5s
"""

MAILMAN = """\
{pasted}listen: [127.0.0.1:{mailman}]
spool: {folder}/spool.db
"""

MSMTPRC = """\
defaults
logfile {logs}/msmtp.log
account default
host 127.0.0.1
port {mailman}
from {sender}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everyone listens, on 127.0.0.1. `temporary`: for sockets and locks, with a path short enough for them."""

    mailman: int
    postoffice: int
    resolver: int
    exchanger: int
    temporary: Path

    @property
    def socket(self) -> Path:
        """beanstalkd's unix socket."""
        return self.temporary / "queue.sock"


def choose_ports() -> Ports:
    """2525 or the next free port for mailman; for the others whichever the kernel gives."""
    mailman = next((port for port in range(2525, 2625) if _is_free(port)), 0)
    if not mailman:
        raise DemoFailed("no port from 2525 to 2624 is free on 127.0.0.1")
    chosen: list[int] = []
    while len(chosen) < 3:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        if port not in chosen and _is_free(port, socket.SOCK_DGRAM):
            chosen.append(port)
    postoffice, resolver, exchanger = chosen
    return Ports(mailman, postoffice, resolver, exchanger, Path(tempfile.mkdtemp(prefix="hedwig-")))


def _is_free(port: int, kind: int = socket.SOCK_STREAM) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def folder_of_its_own() -> Iterator[None]:
    """Lock ./run against a second run, and empty it."""
    with contextlib.ExitStack() as held:
        try:
            ROOT.mkdir(exist_ok=True)
            fcntl.flock(held.enter_context((ROOT / "lock").open("w")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            for entry in ROOT.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
        except BlockingIOError as error:
            raise DemoFailed(f"another `make run` is using ./{ROOT}") from error
        except PermissionError as error:
            raise DemoFailed(f"can't write in ./{ROOT} (left by another user's run?): {error}") from error
        yield


def write_files(ports: Ports) -> None:
    """Write all configuration into ./run."""
    for folder in (SENDING, DELIVERING / "clients.d", DELIVERING / "worker", FAR_SIDE, LOGS):
        folder.mkdir(parents=True)
    numbers = {name: getattr(ports, name) for name in ("mailman", "postoffice", "resolver", "exchanger")}
    places = {"socket": ports.socket, "temporary": ports.temporary, "logs": LOGS.resolve(), "sender": SENDER}

    def write(path: Path, text: str, **more: object) -> None:
        path.write_text(text.format(folder=path.parent.resolve(), **numbers, **places, **more), encoding="utf-8")

    write(DELIVERING / "postoffice.yml", POSTOFFICE)
    write(DELIVERING / "worker.yml", WORKER)
    (SENDING / "mailman.yml").touch(0o600)
    write(SENDING / "mailman.yml", MAILMAN, pasted=_key_lines(ports))
    write(SENDING / "msmtprc", MSMTPRC)
    (FAR_SIDE / "unbound.conf").write_text(UNBOUND.format(port=ports.resolver, folder=FAR_SIDE.resolve()))
    (SENDING / "sample_email.txt").write_text(LETTER)
    _make_certificate()


def _key_lines(ports: Ports) -> str:
    """What `hedwig key add` prints to be pasted into the sending host's mailman.yml."""
    shown = hedwig("key", "add", SENDING.name, "--url", f"http://127.0.0.1:{ports.postoffice}/")
    found = re.search(r"^key: (\S+)$", shown, re.MULTILINE)
    if not found:
        raise DemoFailed(f"`hedwig key add` printed no key, but:\n{shown}")
    key = SENDING / "key"  # for curl, which takes it from the file: so it is in no list of processes
    key.touch(0o600)
    key.write_text(found[1])
    return shown


def hedwig(*arguments: str) -> str:
    """What the operator's command prints, on the delivering host."""
    argv = [str(BIN / "hedwig"), "--config-dir", str(DELIVERING), *arguments]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise DemoFailed(f"`{' '.join(argv)}` said:\n{done.stdout}{done.stderr}")
    return done.stdout


def _make_certificate() -> None:
    """The far side's certificate, signed by itself as most are; certificate and key in one file."""
    pem = FAR_SIDE / "tls.pem"
    subject = ["-subj", "/CN=mx.far-side.example", "-days", "2", "-nodes"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    argv = ["openssl", "req", "-x509", *curve, *subject, "-keyout", str(pem), "-out", "-"]
    made = subprocess.run(argv, check=False, capture_output=True, text=True)
    if made.returncode:
        raise DemoFailed(f"openssl made no certificate:\n{made.stderr}")
    with pem.open("a") as file:
        file.write(made.stdout)


def remove_temporary(ports: Ports) -> None:
    """The folder of sockets and locks; ./run stays, to be looked at."""
    shutil.rmtree(ports.temporary, ignore_errors=True)


def tidy_environment() -> None:
    """Daemons lie in sbin, which a user's PATH lacks; a proxy or a service manager of the caller is none of ours."""
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    for name in (
        "JOURNAL_STREAM",
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "LISTEN_PID",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        for spelling in (name, name.upper()):
            os.environ.pop(spelling, None)
