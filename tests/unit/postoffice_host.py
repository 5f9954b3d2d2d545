"""A postoffice of a test: the real daemon as a process, the real spool, the real beanstalkd; ended by pid."""

import base64
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import requests

from hedwig import queueid
from hedwig.queue import QueueDown
from hedwig.queue.beanstalk import open_queue
from hedwig.spool.sqlite import SqliteSpool, open_spool

FQDN, KEY = "less.nankai.example", "sesame"
LETTER = b"From: a@nankai.example\r\nTo: b@163.example\r\nSubject: hi\r\n\r\nHello\r\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value of `what()`; fails when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


def hashed(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


class Host:
    """The directory, the queue server and the daemon."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self.directory = directory
        self.port = free_port()
        self.unix = directory / "http.sock"
        self.queue_url = f"beanstalk://{directory}/q.sock"
        (directory / "clients.d").mkdir()
        self.client(FQDN, KEY)
        self.configure(**settings)
        self.log = directory / "log"
        self.queue_process: subprocess.Popen[bytes] | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, **settings: object) -> None:
        told = {
            "listen": [f"127.0.0.1:{self.port}", f"unix:{self.unix}"],
            "spool": f"{self.directory}/spool.db",
            "queue": self.queue_url,
            **settings,
        }
        (self.directory / "postoffice.yml").write_text(json.dumps(told))

    def client(self, fqdn: str, *keys: str) -> None:
        file = self.directory / "clients.d" / f"{fqdn}.yml"
        new = file.with_suffix(".new")
        new.write_text(json.dumps({"key": [hashed(key) for key in keys]}))
        new.rename(file)

    def start_queue(self) -> None:
        self.queue_process = subprocess.Popen(["beanstalkd", "-l", f"unix:{self.directory}/q.sock"])
        wait_for(self._queue_answers)

    def _queue_answers(self) -> str:
        queue = open_queue(self.queue_url)
        try:
            return queue.instance()
        except QueueDown:
            return ""
        finally:
            queue.close()

    def kill_queue(self) -> None:
        assert self.queue_process
        self.queue_process.kill()
        self.queue_process.wait()
        (self.directory / "q.sock").unlink(missing_ok=True)

    def start(self, before: str = "") -> None:
        """`before`: Python that the daemon's process runs first, to break something."""
        program = "import sys\nfrom hedwig.cli.daemon_postoffice import main\nsys.exit(main())"
        command = [sys.executable, "-c", f"{before}\n{program}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--config", str(self.directory / "postoffice.yml")], stderr=log, stdout=log
            )
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def stop(self) -> int:
        assert self.process
        self.process.terminate()
        return self.process.wait(60)

    def end(self) -> None:
        for process in (self.process, self.queue_process):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()

    def connection(self, timeout: float = 60) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer, which must be JSON."""
        connection = self.connection()
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.headers["Content-Type"] == "application/json", content
            return answer.status, json.loads(content)
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        return self.request("GET", path)

    def batch(self, body: Any, fqdn: str = FQDN, key: str = KEY) -> tuple[int, dict[str, Any]]:
        return self.request("POST", "/v1/batch", body, basic(fqdn, key))

    def spool(self) -> SqliteSpool:
        return open_spool(f"{self.directory}/spool.db")

    def queued(self) -> list[str]:
        """The recipients in the spool."""
        spool = self.spool()
        try:
            return [one.rcptto for one in spool.queued()[0]]
        finally:
            spool.close()

    def hints(self) -> int:
        """How many hints lie ready."""
        queue = open_queue(self.queue_url)
        try:
            return queue.counts().get("default", 0)
        finally:
            queue.close()

    def memory(self) -> int:
        """The most resident memory that the daemon ever had, in octets."""
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def cpu(self) -> float:
        """Seconds of CPU time that the daemon has used."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def logged(self) -> str:
        return self.log.read_text()


def basic(fqdn: str = FQDN, key: str = KEY) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{fqdn}:{key}".encode()).decode()}


def frame(content: bytes = LETTER, rcpttos: Iterable[str] = ("b@163.example",), **fields: Any) -> bytes:
    head = {
        "id": queueid.new(),
        "mailfrom": "a@nankai.example",
        "rcpttos": list(rcpttos),
        "size": len(content),
        **fields,
    }
    return json.dumps(head).encode() + b"\n" + content


def email(**fields: object) -> str:
    letter = {"mailfrom": "a@nankai.example", "rcpttos": ["b@163.example"], "data": LETTER.decode()}
    return json.dumps({**letter, **fields})


def post(host: Host, **fields: str) -> requests.Response:
    form = {"fqdn": FQDN, "key": KEY, "email": email(), **fields}
    return requests.post(f"http://127.0.0.1:{host.port}/", data=form, timeout=60)
