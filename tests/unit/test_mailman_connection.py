"""A request to the postoffice ends in time, has the time it needs, and says what it failed of."""

import math
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from http_far import PARCEL, Far, answer, far_side, request, verdicts  # noqa: F401

from hedwig.mailman import connection as connections
from hedwig.mailman.client import NoVerdict, PostofficeClient
from hedwig.mailman.connection import innermost
from hedwig.mailman.deadline import Deadline
from hedwig.settings import Mailman

MakeFar = Callable[..., tuple[Far, PostofficeClient]]
LARGE = replace(PARCEL, body=b"x" * (12 << 20))


def slowly(connection: socket.socket, pause: float) -> None:
    """Read one request, at first not at all."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    time.sleep(pause)
    request(connection)


@pytest.mark.parametrize("kept", [False, True])
def test_an_upload_may_take_longer_than_connecting(far: MakeFar, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """The three seconds for connecting are not for sending; nor is what an earlier small request was allowed."""
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 1.0)  # for what the far side reads after its kernel has it all

    def script(connection: socket.socket, number: int) -> None:
        if kept:
            request(connection)
            answer(connection, verdicts(250))
        slowly(connection, 2.5)
        answer(connection, verdicts(250))

    there, client = far(script)
    if kept:
        assert client.send([PARCEL])[0].reply.code == 250
    assert client.send([LARGE])[0].reply.code == 250
    assert there.connections == 1


def test_an_upload_that_is_too_slow_is_about_the_message(far: MakeFar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SLOWEST", 24 << 20)
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 0.5)
    done = threading.Event()
    _, client = far(lambda connection, number: bool(done.wait(20)))
    started = time.monotonic()
    with pytest.raises(NoVerdict, match="within 1 s") as caught:
        client.send([LARGE])
    done.set()
    assert time.monotonic() - started < 5
    assert caught.value.too_slow
    assert caught.value.reached


def test_silence_after_a_large_request_is_no_slow_upload(far: MakeFar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has all of it and says nothing is stuck: its answer is not waited for as long as the upload might take."""
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 0.5)
    done = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        request(connection)
        done.wait(20)

    _, client = far(script)
    started = time.monotonic()
    with pytest.raises(NoVerdict) as caught:
        client.send([LARGE])
    done.set()
    assert time.monotonic() - started < 10
    assert caught.value.reached
    assert not caught.value.too_slow


def test_a_large_request_that_breaks_off_is_about_the_message_and_a_small_one_about_the_link(far: MakeFar) -> None:
    def script(connection: socket.socket, number: int) -> None:
        connection.recv(1000)
        connection.close()

    _, client = far(script)
    for parcel, too_slow in ((LARGE, True), (PARCEL, False)):
        with pytest.raises(NoVerdict) as caught:
            client.send([parcel])
        assert (caught.value.reached, caught.value.too_slow) == (True, too_slow)


@pytest.mark.parametrize("way", ["give_up", "end"])
def test_a_request_in_flight_ends_when_nobody_waits_for_it(far: MakeFar, way: str) -> None:
    """After `give_up` the next request goes its way; after `end` none does."""
    arrived = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        request(connection)
        if number == 1:
            arrived.set()
            connection.recv(1)
        answer(connection, verdicts(250))

    _, client = far(script)

    def cut() -> None:
        arrived.wait(20)
        getattr(client, way)()

    threading.Thread(target=cut).start()
    started = time.monotonic()
    with pytest.raises(NoVerdict):
        client.send([PARCEL])
    assert time.monotonic() - started < 5
    if way == "give_up":
        assert client.send([PARCEL])[0].reply.code == 250
    else:
        with pytest.raises(NoVerdict, match="mailman is ending"):
            client.send([PARCEL])


def test_the_reason_is_the_systems_own_word(far: MakeFar) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = PostofficeClient(Mailman(fqdn="less.nankai.edu.cn", postoffice=f"http://127.0.0.1:{port}", key="k"))
    with pytest.raises(NoVerdict, match=r"can't be reached: Connection refused$") as caught:
        client.send([PARCEL])
    assert not caught.value.reached

    def script(connection: socket.socket, number: int) -> None:
        request(connection)
        connection.close()

    with pytest.raises(NoVerdict, match=r"can't be reached: Remote end closed connection without response$"):
        far(script)[1].send([PARCEL])


def test_the_reason_passes_by_what_libraries_do_among_themselves() -> None:
    try:
        try:
            raise TypeError("getresponse() got an unexpected keyword argument 'buffering'")
        except TypeError:
            raise ConnectionResetError(104, "Connection reset by peer")  # noqa: B904
    except ConnectionResetError as inner:
        outer = RuntimeError("wrapped")
        outer.__context__ = inner
    assert innermost(outer) == "Connection reset by peer"


def test_a_hundred_requests_start_one_thread(far: MakeFar) -> None:
    def script(connection: socket.socket, number: int) -> None:
        while True:
            request(connection)
            answer(connection, verdicts(250))

    started: list[str] = []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread.name)
        real(thread)

    _, client = far(script)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        for _ in range(100):
            client.send([PARCEL])
    client.close()
    assert started.count("deadline") == 1
    assert len(started) <= 2  # and the far side's, for the connection


def test_a_deadline_strikes_when_it_was_moved_nearer_and_not_when_it_was_lifted() -> None:
    struck = threading.Event()

    def strike() -> float:
        struck.set()
        return math.inf

    deadline = Deadline(strike)
    deadline.set(time.monotonic() + 0.1)
    deadline.set()
    assert not struck.wait(0.3)
    deadline.set(time.monotonic() + 1000)
    deadline.set(time.monotonic() + 0.05)
    assert struck.wait(10)
    deadline.end()


def test_a_ca_file_that_is_missing_for_a_moment_is_no_verdict_and_named() -> None:
    """Certificates are replaced now and then; no thread may end of it."""
    settings = Mailman(
        fqdn="less.nankai.edu.cn", postoffice="https://127.0.0.1:1/", key="k", ca_file="/nowhere/hedwig-ca.pem"
    )
    with pytest.raises(NoVerdict, match=r"/nowhere/hedwig-ca\.pem"):
        PostofficeClient(settings).send([PARCEL])
