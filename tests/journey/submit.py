"""Ways into hedwig: msmtp in a container, the HTTP forms, and SMTP by hand."""

import base64
import http.client
import json
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hedwig import queueid

from .network import Namespace, tool

SENDER = "sender@robot.genee.cn"
SAMPLE = b"From: sender@robot.genee.cn\nTo: stenote@163.com\nSubject: Hello World\n\n\nHello Stenote !\n"
# As the original document has it for /etc/msmtprc.
_MSMTPRC = "defaults\nsyslog LOG_MAIL\naccount default\nhost 172.17.0.1\nfrom sender@robot.genee.cn\n"


class Msmtp:
    """Real msmtp in a container, with the configuration of the original document."""

    def __init__(self, container: Namespace, directory: Path) -> None:
        self._container = container
        self._config = directory / "msmtprc"
        self._config.write_text(_MSMTPRC)

    def begin(self, letter: bytes, *rcpttos: str, sender: str = "", options: Sequence[str] = ()) -> "Sending":
        """Start to send, and come back at once. `options`: more of msmtp's."""
        extra = [*options, *(["-f", sender] if sender else [])]
        command = self._container.command(tool("msmtp"), "-C", str(self._config), "--debug", *extra, "--", *rcpttos)
        return Sending(command, letter)

    def send(self, letter: bytes, *rcpttos: str, sender: str = "") -> str:
        """Send; the queue ID that mailman answered with."""
        return self.begin(letter, *rcpttos, sender=sender).finish()


class Sending:
    """An msmtp that runs."""

    def __init__(self, command: Sequence[str], letter: bytes) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(letter)
            file.seek(0)
            self._running = subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def end(self) -> tuple[int, str]:
        """Wait for its end; its exit status and what `--debug` showed."""
        try:
            said, _ = self._running.communicate(timeout=90)
        finally:
            self._running.kill()
        return self._running.returncode, said.decode("utf-8", "replace")

    def finish(self) -> str:
        """Wait for its end, which must be a good one; the queue ID."""
        status, said = self.end()
        assert status == 0, f"msmtp ended with {status}:\n{said}"
        return queue_id_of(said)


def sample_email(*rcpttos: str) -> dict[str, object]:
    """The sample letter as the HTTP form's `email`."""
    return {"mailfrom": SENDER, "rcpttos": rcpttos, "data": SAMPLE.decode()}


def queue_id_of(said: str) -> str:
    """The queue ID that mailman answered with, in what msmtp's `--debug` showed."""
    found = [word.strip(".,<>\r") for word in said.split() if queueid.is_valid(word.strip(".,<>\r"))]
    assert found, f"no queue ID in:\n{said}"
    return found[-1]


@dataclass(frozen=True)
class Post:
    """One message for /v1/batch. `options`: as options.py reads them."""

    rcpttos: tuple[str, ...]
    body: bytes
    mailfrom: str = SENDER
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Http:
    """The postoffice's HTTP interface, as a client of it."""

    address: str
    port: int
    fqdn: str
    key: str

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own; status and content."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def healthy(self) -> bool:
        """GET /healthz."""
        try:
            return self.request("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def form(self, email: dict[str, object]) -> tuple[int, bytes]:
        """POST / as the original document has it, urlencoded: mailfrom, rcpttos, data."""
        content = urlencode({"fqdn": self.fqdn, "key": self.key, "email": json.dumps(email)}).encode()
        return self.request("POST", "/", content, Content_Type="application/x-www-form-urlencoded")

    def batch(self, posts: Sequence[Post]) -> list[str]:
        """POST /v1/batch, as many as it takes, 100 messages each; the queue IDs. Every message must be accepted."""
        ids = []
        for start in range(0, len(posts), 100):
            ids += self._one_batch(posts[start : start + 100])
        return ids

    def _one_batch(self, posts: Sequence[Post]) -> list[str]:
        verdicts = self.verdicts(posts)
        assert [verdict["code"] for verdict in verdicts] == [250] * len(posts), verdicts
        return [verdict["id"] for verdict in verdicts]

    def verdicts(self, posts: Sequence[Post]) -> list[dict[str, Any]]:
        """One batch, at most 100 messages; what is said of each, with its queue ID."""
        ids = [queueid.new() for _ in posts]
        content = b"".join(_frame(queue_id, post) for queue_id, post in zip(ids, posts, strict=True))
        basic = base64.b64encode(f"{self.fqdn}:{self.key}".encode()).decode()
        kind = "application/vnd.hedwig.batch"
        status, answer = self.request("POST", "/v1/batch", content, Authorization=f"Basic {basic}", Content_Type=kind)
        assert status == 200, answer
        verdicts: list[dict[str, Any]] = json.loads(answer)["verdicts"]
        assert [verdict["id"] for verdict in verdicts] == ids
        return verdicts


def _frame(queue_id: str, post: Post) -> bytes:
    line = {"id": queue_id, "mailfrom": post.mailfrom, "rcpttos": post.rcpttos, "size": len(post.body)}
    line |= {"options": post.options} if post.options else {}
    return json.dumps(line).encode() + b"\n" + post.body


class Talk:
    """SMTP by hand, octet for octet."""

    def __init__(self, address: tuple[str, int] = ("172.17.0.1", 25)) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        self._file = self.socket.makefile("rb")

    def reply(self) -> str:
        """The next reply, its lines joined by a line feed."""
        lines: list[str] = []
        while True:
            line = self._file.readline()
            assert line, f"the connection was closed after {lines}"
            lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def say(self, line: str) -> str:
        """Send a command; its reply."""
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self.socket.close()
