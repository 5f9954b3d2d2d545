"""A far side for mailman's HTTP client, on a raw socket: it follows a script, and repairs nothing."""

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from hedwig.envelope import Envelope
from hedwig.mailman.client import Parcel, PostofficeClient
from hedwig.settings import Mailman

PARCEL = Parcel(
    "01" + "A" * 24, Envelope("a@example.org", ("b@example.com",)), b"Subject: x\r\n\r\nbody\r\n", 1.5, False
)
Script = Callable[[socket.socket, int], None]


class Far:
    """A postoffice that follows a script: called with each connection and its number."""

    def __init__(self, script: Script) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._script = script
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._run, args=(connection, self.connections), daemon=True).start()

    def _run(self, connection: socket.socket, number: int) -> None:
        try:
            self._script(connection, number)
        except OSError:
            connection.close()  # the client went away

    def close(self) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()


@pytest.fixture(name="far")
def far_side() -> Iterator[Callable[[Script], tuple[Far, PostofficeClient]]]:
    made: list[Far] = []

    def make(script: Script) -> tuple[Far, PostofficeClient]:
        made.append(Far(script))
        url = f"http://127.0.0.1:{made[-1].port}/"
        return made[-1], PostofficeClient(Mailman(fqdn="less.nankai.edu.cn", postoffice=url, key="secret"))

    yield make
    for each in made:
        each.close()


def request(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read one whole request: its head and its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            raise OSError("the client closed")
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(
        next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head, body


def answer(connection: socket.socket, content: object, status: str = "200 OK") -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body))


def verdicts(*codes: int) -> dict[str, object]:
    return {"verdicts": [{"id": PARCEL.queue_id, "code": code, "status": "2.0.0", "text": "x"} for code in codes]}
