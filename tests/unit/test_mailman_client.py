"""HTTP to the postoffice, against scripted far sides on raw sockets: what is a verdict, and what is none."""

import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from http_far import PARCEL, Far, answer, far_side, request, verdicts  # noqa: F401

from hedwig.mailman import connection as connections
from hedwig.mailman.client import NoVerdict, PostofficeClient
from hedwig.options import Notify, Options, Priority, Submitter, read, read_submitter
from hedwig.settings import Mailman


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
    told = json.loads(line)
    assert abs(time.time() - told.pop("sent_at")) < 60
    assert told == {
        "id": PARCEL.queue_id,
        "mailfrom": "a@example.org",
        "rcpttos": ["b@example.com"],
        "size": len(PARCEL.body),
        "accepted_at": 1.5,
        "smtputf8": False,
        "message_id": "",
    }
    assert rest == PARCEL.body


def test_what_a_message_asks_for_and_who_handed_it_in_go_along(
    far: Callable[..., tuple[Far, PostofficeClient]],
) -> None:
    """As the postoffice reads them: see its test_postoffice_batch.py."""
    seen: list[tuple[bytes, bytes]] = []

    def script(connection: socket.socket, number: int) -> None:
        seen.append(request(connection))
        answer(connection, verdicts(250))

    _, client = far(script)
    options = Options(1e9, 'a "key"', Priority.URGENT, notify=(Notify("b@example.com", ("NEVER",), "rfc822;爱"),))
    submitter = Submitter("172.17.0.2", "web")
    client.send([replace(PARCEL, options=options, message_id="<1@b>", submitter=submitter.packed())])
    told = json.loads(seen[0][1].partition(b"\n")[0])
    assert read(told["options"]) == options
    assert read_submitter(told["submitter"]) == submitter
    assert told["message_id"] == "<1@b>"


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
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 1.0)

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
