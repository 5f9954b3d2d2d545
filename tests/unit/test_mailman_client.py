"""HTTP to the postoffice, against scripted far sides on raw sockets: what is a verdict, and what is none."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hedwig.envelope import Envelope
from hedwig.mailman import client as clients
from hedwig.mailman.client import NoVerdict, Parcel, PostofficeClient
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


@pytest.fixture
def far() -> Iterator[Callable[[Script], tuple[Far, PostofficeClient]]]:
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


def test_a_batch_is_framed_and_its_verdicts_come_back(far: Callable[..., tuple[Far, PostofficeClient]]) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def script(connection: socket.socket, number: int) -> None:
        while True:
            seen.append(request(connection))
            answer(connection, verdicts(250))

    there, client = far(script)
    assert client.send([PARCEL])[0].reply.code == 250
    assert client.send([PARCEL])[0].reply.code == 250
    assert there.connections == 1, "the connection is kept"
    head, body = seen[0]
    line, _, rest = body.partition(b"\n")
    assert head.startswith(b"POST /v1/batch HTTP/1.1")
    assert json.loads(line) == {
        "id": PARCEL.queue_id,
        "mailfrom": "a@example.org",
        "rcpttos": ["b@example.com"],
        "size": len(PARCEL.body),
        "accepted_at": 1.5,
        "smtputf8": False,
    }
    assert rest == PARCEL.body


def test_a_kept_connection_that_went_stale_is_no_outage(far: Callable[..., tuple[Far, PostofficeClient]]) -> None:
    def script(connection: socket.socket, number: int) -> None:
        request(connection)
        answer(connection, verdicts(250))
        connection.close()

    there, client = far(script)
    assert client.send([PARCEL])[0].reply.code == 250
    assert client.send([PARCEL])[0].reply.code == 250
    assert there.connections == 2


def test_a_new_connection_that_breaks_is_no_verdict_at_once(far: Callable[..., tuple[Far, PostofficeClient]]) -> None:
    def script(connection: socket.socket, number: int) -> None:
        request(connection)
        connection.close()

    there, client = far(script)
    with pytest.raises(NoVerdict):
        client.send([PARCEL])
    assert there.connections == 1


def test_nobody_listening_is_no_verdict() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = PostofficeClient(Mailman(fqdn="less.nankai.edu.cn", postoffice=f"http://127.0.0.1:{port}", key="k"))
    with pytest.raises(NoVerdict, match="can't be reached"):
        client.send([PARCEL])


@pytest.mark.parametrize(
    "content",
    [
        b"not json",
        b"[]",
        {"verdicts": []},
        {"verdicts": [{"id": "another", "code": 250, "status": "", "text": ""}]},
        {"verdicts": [{"id": PARCEL.queue_id, "code": "250", "status": "", "text": ""}]},
        {"verdicts": [{"id": PARCEL.queue_id, "code": 99, "status": "", "text": ""}]},
        b"[" * 100_000,
    ],
)
def test_an_answer_that_is_not_about_the_messages_is_no_verdict(
    far: Callable[..., tuple[Far, PostofficeClient]], content: object
) -> None:
    def script(connection: socket.socket, number: int) -> None:
        request(connection)
        answer(connection, content)

    _, client = far(script)
    with pytest.raises(NoVerdict):
        client.send([PARCEL])


@pytest.mark.parametrize(
    ("status", "whole"), [("401 Unauthorized", False), ("503 Busy", False), ("400 Bad", True), ("302 Found", False)]
)
def test_other_statuses_are_no_verdict(
    far: Callable[..., tuple[Far, PostofficeClient]], status: str, whole: bool
) -> None:
    def script(connection: socket.socket, number: int) -> None:
        request(connection)
        answer(connection, {"error": "say why"}, status)

    there, client = far(script)
    with pytest.raises(NoVerdict, match="say why") as caught:
        client.send([PARCEL])
    assert caught.value.status == int(status[:3])
    assert caught.value.whole_batch is whole
    assert "secret" not in str(caught.value)
    assert there.connections == 1, "no redirect is followed"


def test_a_dripping_postoffice_is_cut_off_at_the_deadline(
    far: Callable[..., tuple[Far, PostofficeClient]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests' time-out is per read; ours is for the whole request."""
    monkeypatch.setattr(clients, "REQUEST_TIMEOUT", 1.0)

    def script(connection: socket.socket, number: int) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    there, client = far(script)
    started = time.monotonic()
    with pytest.raises(NoVerdict, match="within 1 s"):
        client.send([PARCEL])
    assert time.monotonic() - started < 5
    assert there.connections == 1
