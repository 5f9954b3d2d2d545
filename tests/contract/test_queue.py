"""Every queue keeps the promises of hedwig.queue: the same tests over the one in memory and the real beanstalkd."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from queue_servers import InMemory, Real, Server, on_tcp, on_unix

from hedwig.queue import Hint, QueueDown
from hedwig.queue.beanstalk import TUBE_PREFIX, open_queue, target_of


@pytest.fixture(params=[lambda _: InMemory(), on_unix, on_tcp], ids=["memory", "unix", "tcp"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    make: Callable[[Path], Server] = request.param
    made = make(tmp_path)
    yield made
    made.stop()


@pytest.fixture(params=[on_unix, on_tcp], ids=["unix", "tcp"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Real]:
    made = request.param(tmp_path)
    yield made
    made.stop()


def numbers(hints: list[Hint]) -> list[int]:
    return [hint.delivery for hint in hints]


def test_hints_come_out_as_they_went_in(server: Server) -> None:
    """Oldest first, up to the limit, the rest at the next call."""
    queue = server.open()
    queue.put([Hint(number) for number in (5, 3, 9)])
    assert numbers(queue.reserve(["default"], 2, 0)) == [5, 3]
    assert numbers(queue.reserve(["default"], 2, 0)) == [9]
    assert queue.reserve(["default"], 2, 0) == []


def test_a_lower_priority_number_is_handed_out_first(server: Server) -> None:
    queue = server.open()
    queue.put([Hint(1)], priority=5)
    queue.put([Hint(2)], priority=0)
    queue.put([Hint(3)], priority=5)
    assert numbers(queue.reserve(["default"], 9, 0)) == [2, 1, 3]


def test_only_the_named_lanes_are_served(server: Server) -> None:
    """A hint knows its lane again, and lanes can be changed from call to call."""
    queue = server.open()
    queue.put([Hint(1, "google"), Hint(2, "default"), Hint(3, "google"), Hint(4, "qq")])
    assert [(hint.delivery, hint.lane) for hint in queue.reserve(["google"], 9, 0)] == [(1, "google"), (3, "google")]
    assert {(hint.delivery, hint.lane) for hint in queue.reserve(["default", "qq"], 9, 0)} == {
        (2, "default"),
        (4, "qq"),
    }


def test_more_hints_than_fit_one_write(server: Server) -> None:
    """5,000 at once: none lost, none doubled, in order."""
    queue = server.open()
    queue.put([Hint(number) for number in range(5000)])
    assert queue.counts()["default"] == 5000
    taken = queue.reserve(["default"], 5000, 0)
    assert numbers(taken) == list(range(5000))
    queue.done(taken)
    assert queue.counts().get("default", 0) == 0


def test_reserved_hints_go_back_when_the_connection_ends(server: Server) -> None:
    first, second = server.open(), server.open()
    first.put([Hint(7)])
    assert numbers(first.reserve(["default"], 1, 0)) == [7]
    assert second.reserve(["default"], 1, 0) == []
    first.close()
    assert numbers(second.reserve(["default"], 1, 3)) == [7]


def test_done_hints_never_come_back(server: Server) -> None:
    first, second = server.open(), server.open()
    first.put([Hint(7), Hint(8)])
    taken = first.reserve(["default"], 2, 0)
    first.done(taken[:1])
    first.done(taken[:1])  # a second time is no error
    first.close()
    assert numbers(second.reserve(["default"], 2, 3)) == [8]


def test_reserve_waits_no_longer_than_told(server: Server) -> None:
    queue = server.open()
    started = time.monotonic()
    assert queue.reserve(["default"], 1, 1) == []
    assert 0.9 <= time.monotonic() - started < 3


def test_nothing_asked_is_nothing_done(server: Server) -> None:
    queue = server.open()
    queue.put([])
    queue.done([])
    assert queue.counts().get("default", 0) == 0


def test_instance_is_the_same_while_the_server_lives(server: Server) -> None:
    first, second = server.open(), server.open()
    assert first.instance() == second.instance()


def test_a_restarted_server_is_empty_and_says_so(server: Server) -> None:
    """Another instance id; the old connection says QueueDown at most once, then works again."""
    queue = server.open()
    queue.put([Hint(1)])
    before = queue.instance()
    taken = queue.reserve(["default"], 1, 0)
    server.restart()
    try:
        after = queue.instance()
    except QueueDown:
        after = queue.instance()
    assert after != before
    assert queue.reserve(["default"], 1, 0) == []
    queue.put([Hint(2)])
    queue.done(taken)  # its job number may be that of the new hint, which must stay
    assert numbers(queue.reserve(["default"], 1, 0)) == [2]


def test_close_twice_and_go_on(server: Server) -> None:
    queue = server.open()
    queue.close()
    queue.close()
    queue.put([Hint(1)])
    assert numbers(queue.reserve(["default"], 1, 0)) == [1]


def test_a_dead_server_is_queue_down(real: Real) -> None:
    queue = real.open()
    queue.put([Hint(1)])
    real.kill()
    for call in (
        lambda: queue.put([Hint(2)]),
        lambda: queue.reserve(["default"], 1, 1),
        queue.counts,
        queue.instance,
    ):
        with pytest.raises(QueueDown):
            call()


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "connecting"])
def test_a_hung_server_is_queue_down_within_the_bound(real: Real, connected: bool) -> None:
    """SIGSTOP: its socket still takes connections and bytes, but nobody answers."""
    queue = real.open()
    if connected:
        queue.put([Hint(1)])
    real.process.send_signal(signal.SIGSTOP)
    for call, bound in ((lambda: queue.put([Hint(2)] * 500), 5), (lambda: queue.reserve(["default"], 1, 1), 6)):
        started = time.monotonic()
        with pytest.raises(QueueDown):
            call()
        assert time.monotonic() - started < bound
    real.process.send_signal(signal.SIGCONT)
    assert queue.instance()


def test_a_hung_server_with_a_full_backlog_is_queue_down(tmp_path: Path) -> None:
    """connect() to a unix socket blocks when nobody accepts: that is bounded as well."""
    path = str(tmp_path / "full.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for connection in waiting:
            connection.setblocking(False)
            connection.connect_ex(path)
        started = time.monotonic()
        with pytest.raises(QueueDown):
            open_queue(f"beanstalk://{path}").instance()
        assert time.monotonic() - started < 5
        for connection in waiting:
            connection.close()


def test_a_strange_body_is_put_aside(real: Real) -> None:
    """Someone else's job in our tube neither stops the hints behind it nor is thrown away."""
    queue = real.open()
    queue.instance()
    queue._client.use(f"{TUBE_PREFIX}default")  # type-free on purpose: the test plays another program
    queue._client.put(b"not a hint")
    queue.put([Hint(4)])
    assert numbers(queue.reserve(["default"], 5, 0)) == [4]
    assert queue._client.stats_tube(f"{TUBE_PREFIX}default")["current-jobs-buried"] == 1


@pytest.mark.parametrize("answer", [b"", b"what?\r\n", b"INSERTED\r\n", b"\r\n", b"OUT_OF_MEMORY\r\n", b"no line end"])
def test_answers_that_make_no_sense_are_queue_down(tmp_path: Path, answer: bytes) -> None:
    path = str(tmp_path / "odd.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(5)
        pid = os.fork()
        if not pid:  # a server that says one thing, whatever is asked
            while True:
                connection, _ = listener.accept()
                connection.recv(100)
                connection.sendall(answer)
                connection.close()
        try:
            queue = open_queue(f"beanstalk://{path}")
            for call in (lambda: queue.put([Hint(1)]), queue.instance, queue.counts):
                with pytest.raises(QueueDown):
                    call()
            with pytest.raises(QueueDown):
                queue.reserve(["default"], 1, 0)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("beanstalk:///run/q.sock", "/run/q.sock"),
        ("beanstalk://127.0.0.1:11301", ("127.0.0.1", 11301)),
        ("beanstalk://mq", ("mq", 11300)),
        ("beanstalk://[::1]:7", ("::1", 7)),
    ],
)
def test_urls(url: str, target: object) -> None:
    assert target_of(url) == target


@pytest.mark.parametrize("url", ["", "redis://x", "beanstalk://", "beanstalk:///", "beanstalk://x:y", "/run/q.sock"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        open_queue(url)


@pytest.mark.parametrize("said", [b"---\nversion: 1\n", b"---\n- 1\n", b"---\nid\n", b"", b"\xff\xfe"])
def test_a_server_that_answers_nonsense_is_down(tmp_path: Path, said: bytes) -> None:
    """To whatever is asked; the next call asks anew."""
    path = str(tmp_path / "odd.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def answer() -> None:
            for _ in range(3):
                peer, _ = listening.accept()
                with peer:
                    while peer.recv(1000):
                        peer.sendall(b"OK %d\r\n%b\r\n" % (len(said), said))

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        queue = open_queue(f"beanstalk://{path}")
        for ask in (queue.instance, lambda: queue.put([Hint(1)]), lambda: queue.reserve(["default"], 1, 0)):
            with pytest.raises(QueueDown, match=re.escape(path)):
                ask()
        queue.close()
        answering.join(10)
        assert not answering.is_alive()


def test_counts_that_are_no_counts(tmp_path: Path) -> None:
    """A tube's statistics without the number that is asked for."""
    path = str(tmp_path / "odd.sock")
    answers = iter([f"---\n- {TUBE_PREFIX}default\n".encode(), b"---\nname: x\n"])
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def answer() -> None:
            peer, _ = listening.accept()
            with peer:
                for said in answers:
                    peer.recv(1000)
                    peer.sendall(b"OK %d\r\n%b\r\n" % (len(said), said))

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        queue = open_queue(f"beanstalk://{path}")
        with pytest.raises(QueueDown, match=re.escape(path)):
            queue.counts()
        queue.close()
        answering.join(10)
