"""A host with everything on it: beanstalkd, postoffice, workers and mailman as real processes, on files of its own.

The configuration is written as an operator would: three YAML files, and `hedwig key add` for the key. Processes are
called `beanstalkd`, `postoffice`, `mailman`, `worker-1`, `worker-2` ...
"""

import fcntl
import json
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from .dns import RESOLVER
from .network import tool
from .process import Process
from .submit import Http

FQDN = "less.nankai.edu.cn"
POSTOFFICE_PORT = 8025
MAILMAN = ("172.17.0.1", 25)
_BIN = Path(sys.executable).parent
_TESTS = Path(__file__).parents[1]


class Host:
    """`mailman`, `postoffice` and `worker` are added to (and replace) the settings that a journey needs. `deadlines`:
    the workers' patience with receivers, where it is to be less than usual (hurried.py)."""

    def __init__(
        self,
        directory: Path,
        *,
        mailman: dict[str, Any] | None = None,
        postoffice: dict[str, Any] | None = None,
        worker: dict[str, Any] | None = None,
        deadlines: dict[str, float] | None = None,
    ) -> None:
        self.deadlines = deadlines
        self.directory = directory
        self.config = directory / "etc"
        self.config.mkdir(parents=True)
        # The path of a unix socket has 107 octets at most: it lies outside pytest's long directories.
        self._short = tempfile.TemporaryDirectory(prefix="hedwig-")
        self.run = Path(self._short.name)
        self.processes: dict[str, Process] = {}
        self.spool = directory / "postoffice" / "spool.db"
        shared = {"spool": str(self.spool), "queue": f"beanstalk://{self.run}/queue.sock"}
        self.settings: dict[str, dict[str, Any]] = {
            "postoffice": shared | {"listen": [f"127.0.0.1:{POSTOFFICE_PORT}"]} | (postoffice or {}),
            "worker": shared | self._worker() | (worker or {}),
        }
        for path in (self.spool.parent, directory / "mailman", directory / "dots"):
            path.mkdir()
        self.write("postoffice")
        self.write("worker")
        self.settings["mailman"] = self._mailman(self.add_key()) | (mailman or {})
        self.key = str(self.settings["mailman"]["key"])
        self.http = Http("127.0.0.1", POSTOFFICE_PORT, FQDN, self.key)

    def _worker(self) -> dict[str, Any]:
        return {
            "ehlo": "robot.genee.cn",
            "dns": {"nameservers": [RESOLVER], "port": 53},
            "refuse": [],
            "retry": {"schedule": ["1s"], "jitter": "0%"},
            "run_dir": str(self.run),
            "state_dir": str(self.directory / "dots"),
        }

    def _mailman(self, printed: dict[str, str]) -> dict[str, Any]:
        return {
            "fqdn": printed["fqdn"],
            "key": printed["key"],
            "postoffice": f"http://127.0.0.1:{POSTOFFICE_PORT}/",
            "listen": ["172.17.0.1:25"],
            "spool": str(self.directory / "mailman" / "spool.db"),
        }

    def write(self, name: str, text: str | None = None) -> None:
        """Write NAME.yml from the settings, or with another text."""
        text = yaml.safe_dump(self.settings[name]) if text is None else text
        path = self.config / f"{name}.yml"
        path.write_text(text)
        path.chmod(0o640)

    def add_key(self, fqdn: str = FQDN) -> dict[str, str]:
        """`hedwig key add`; the lines for mailman.yml that it printed."""
        said = self.hedwig("key", "add", fqdn)
        pairs = (line.partition(": ") for line in said.splitlines())
        return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}

    def client(self, fqdn: str, **settings: str) -> Http:
        """Another host that may hand in mail, with a key of its own and these lines in its file of clients.d. Before
        the postoffice starts."""
        key = self.add_key(fqdn)["key"]
        file = self.config / "clients.d" / f"{fqdn}.yml"
        lines = (f"{name}: {value}\n" for name, value in settings.items())
        file.write_text("".join([file.read_text(), "\n", *lines]))
        return replace(self.http, fqdn=fqdn, key=key)

    def try_hedwig(self, *arguments: str) -> tuple[int, str]:
        """Run the operator's command; its exit status, and all that it said."""
        command = [str(_BIN / "hedwig"), "--config-dir", str(self.config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def hedwig(self, *arguments: str) -> str:
        """Run the operator's command, which must succeed; what it said."""
        status, said = self.try_hedwig(*arguments)
        assert status == 0, f"hedwig {' '.join(arguments)} ended with {status}:\n{said}"
        return said

    def is_queued(self, *queue_ids: str) -> bool:
        """Whether `hedwig queue` shows one of these, here or at mailman."""
        shown = self.listed()
        return any(queue_id in shown for queue_id in queue_ids)

    def listed(self) -> str:
        """`hedwig queue`, all of it."""
        return self.hedwig("queue", "--limit", "100000")

    def history(self, queue_id: str) -> str:
        """What `hedwig queue show` tells of a message."""
        return self.hedwig("queue", "show", queue_id)

    def start(self, *names: str) -> "Host":
        """Start these, or everything with one worker; come back when they are ready."""
        for name in names or ("beanstalkd", "postoffice", "worker-1", "mailman"):
            if name == "mailman" and not (self.config / "mailman.yml").exists():
                self.write(name)  # not before: the operator's command looks into every spool that is configured
            if name not in self.processes:
                self.processes[name] = Process(name, self.command(name), self.directory / f"{name}.log")
            self.processes[name].start(partial(self._ready, name))
        return self

    def command(self, name: str) -> list[str]:
        """How a process is started."""
        if name == "beanstalkd":
            return [tool("beanstalkd"), "-l", f"unix:{self.run}/queue.sock"]
        daemon, _, number = name.partition("-")
        program = [str(_BIN / f"hedwig-{daemon}")]
        if daemon == "worker" and self.deadlines:
            hurried = [sys.executable, "-m", "journey.hurried", json.dumps(self.deadlines)]
            program = [tool("env"), f"PYTHONPATH={_TESTS}", *hurried]
        command = [*program, "--config", str(self.config / f"{daemon}.yml")]
        return [*command, number] if number else command

    def _ready(self, name: str) -> bool:
        if name == "beanstalkd":
            return _connects(socket.AF_UNIX, f"{self.run}/queue.sock")
        if name == "postoffice":
            return self.http.healthy()
        if name == "alerts":
            return (self.directory / "alerts" / "told").is_dir()
        if name == "mailman":
            return _connects(socket.AF_INET, MAILMAN, greeting=True)
        return _is_locked(self.run / "workers" / name.partition("-")[2])

    def __getitem__(self, name: str) -> Process:
        return self.processes[name]

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self[name].signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self[name].signal(signal.SIGCONT)

    def reload(self, name: str) -> None:
        """SIGHUP."""
        self[name].signal(signal.SIGHUP)

    def words(self) -> str:
        """All logs, for a test that failed."""
        return "\n".join(f"--- {name}\n{process.words()[-6000:]}" for name, process in self.processes.items())

    def close(self) -> None:
        """Kill what still runs, the last started first."""
        for process in reversed(self.processes.values()):
            process.kill()
        self._short.cleanup()


def _connects(family: int, address: str | tuple[str, int], *, greeting: bool = False) -> bool:
    with socket.socket(family) as client:
        client.settimeout(5)
        try:
            client.connect(address)
            return client.recv(4) in (b"220 ", b"554 ") if greeting else True
        except OSError:
            return False


def _is_locked(path: Path) -> bool:
    """Whether somebody holds the flock on this file: a worker does so for its whole life."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
