"""Docker's interface over a unix socket, played by a small HTTP server; real ones are in tests/system."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from mailman_fixtures import mailman

from hedwig.mailman.engine import Engine, Trouble
from hedwig.options import Submitter

LABELS = {"com.docker.compose.project": "shop"}
CONTAINER = {
    "Names": ["/web-1"],
    "Image": "nginx:1.27",
    "Labels": LABELS,
    "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "127.0.0.1", "GlobalIPv6Address": ""}}},
}
WEB = Submitter("127.0.0.1", "web-1", "nginx:1.27", "shop")


class _Handler(BaseHTTPRequestHandler):
    server: "Docker"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.end_headers()
        if self.path == "/containers/json":
            self.wfile.write(json.dumps([CONTAINER]).encode())
        else:
            for action in ("exec_start: sh", "start", "die"):
                self.wfile.write(json.dumps({"Type": "container", "Action": action}).encode() + b"\n")
            self.server.stays.wait(30)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        return


class Docker(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    status = 200

    def __init__(self, path: str) -> None:
        super().__init__(path, _Handler)
        self.asked: list[str] = []
        self.stays = threading.Event()


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[Docker]:
    server = Docker(str(tmp_path / "docker.sock"))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.stays.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_runs(docker: Docker) -> None:
    assert Engine(str(docker.server_address)).containers() == {"127.0.0.1": WEB}


def test_changes_and_their_end(docker: Docker) -> None:
    """The stream is open; a start; a death. What is no change is passed over. `close` ends it from elsewhere."""
    engine = Engine(str(docker.server_address))
    changes = engine.changes()
    assert [next(changes) for _ in range(3)] == [None] * 3
    threading.Timer(0.05, engine.close).start()
    began = time.monotonic()
    assert list(changes) == []
    assert time.monotonic() - began < 10


def test_a_proxy_that_refuses(docker: Docker) -> None:
    docker.status = 403
    engine = Engine(str(docker.server_address))
    with pytest.raises(HTTPException, match="it answered 403 to /containers/json"):
        engine.containers()
    with pytest.raises(HTTPException, match="it answered 403 to /events"):
        next(engine.changes())


def test_no_engine(tmp_path: Path) -> None:
    engine = Engine(str(tmp_path / "none.sock"))
    with pytest.raises(Trouble):
        engine.containers()
    with pytest.raises(Trouble):
        next(engine.changes())


async def test_a_message_is_submitted_by_a_container(docker: Docker) -> None:
    """From docker_socket in the settings to the submission."""
    async with mailman(docker_socket=str(docker.server_address)) as host, host.client() as client:
        await client.greet()
        await client.transaction(b"MAIL FROM:<a@b.example>", b"<c@d.example>")
        await client.ask(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        (taken,) = host.forwarder.taken
    assert taken.submitter == WEB
