"""The whole daemon over real sockets: peers that hold it up, what goes away, signals, and its memory."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from postoffice_host import FQDN, KEY, LETTER, Host, basic, email, frame, free_port, wait_for

MIB = 1 << 20


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Host]:
    """One for a test that stops, breaks or reconfigures it."""
    made = Host(tmp_path)
    try:
        made.start_queue()
        yield made
    finally:
        made.end()


def test_idle_and_dripping_peers_hold_nobody_back(own: Host) -> None:
    """400 of them: others are served meanwhile, and after the idle time all are gone."""
    own.configure(idle_timeout=3)
    own.start()
    peers = [socket.create_connection(("127.0.0.1", own.port)) for _ in range(400)]
    try:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        for number, peer in enumerate(peers):
            peer.sendall([b"", b"POST / HT", head][number % 3])
        started = time.monotonic()
        assert own.batch(frame())[0] == 200
        assert time.monotonic() - started < 2
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.5):
                for peer in peers[2::3]:
                    try:
                        peer.sendall(b"x")
                    except OSError:
                        continue

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            wait_for(lambda: len(os.listdir(f"/proc/{own.process.pid}/fd")) < 100, 30)
        finally:
            stop.set()
            dripping.join()
    finally:
        for peer in peers:
            peer.close()


def test_beanstalkd_away_and_back_and_emptied(own: Host) -> None:
    """Messages are accepted without it; hints come when it is back; emptied, all come again within 2 s (I2)."""
    own.kill_queue()
    own.start()
    status, told = own.batch(b"".join(frame(rcpttos=[f"u@d{number}.example"]) for number in range(60)))
    assert {one["code"] for one in told["verdicts"]} == {250}
    assert own.get("/healthz")[1]["queue"] != "ok"
    assert status == 200
    own.start_queue()
    wait_for(lambda: own.hints() == 60)
    own.kill_queue()
    own.start_queue()
    started = time.monotonic()
    wait_for(lambda: own.hints() == 60)
    assert time.monotonic() - started < 2
    assert own.get("/healthz")[1]["queue"] == "ok"


def test_what_was_accepted_survives_sigkill(own: Host) -> None:
    """I1: killed at once after the answer, started again: it is there, and hinted."""
    own.start()
    for number in range(20):
        own.batch(frame(rcpttos=[f"kill{number}@x.example"]))
    assert own.process
    own.process.kill()
    own.process.wait()
    own.kill_queue()
    own.start_queue()
    own.start()
    assert set(own.queued()) == {f"kill{number}@x.example" for number in range(20)}
    wait_for(lambda: own.hints() == 20)


def test_sigterm_finishes_the_request_in_flight(own: Host) -> None:
    """A batch that is half sent when SIGTERM comes has its verdict; nothing new is taken; exit status 0 (I10)."""
    own.start()
    body = frame()
    connection = own.connection()
    connection.putrequest("POST", "/v1/batch")
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader(*next(iter(basic().items())))
    connection.endheaders(body[:40])
    assert own.get("/healthz")[0] == 200  # so the half has arrived
    assert own.process
    own.process.terminate()

    def refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", own.port), 1).close()
        except ConnectionError:  # refused, or reset in the moment of closing
            return True
        return False

    wait_for(refused)
    connection.send(body[40:])
    answer = connection.getresponse()
    assert json.loads(answer.read())["verdicts"][0]["code"] == 250
    assert own.process.wait(20) == 0
    assert own.queued() == ["b@163.example"]
    assert not own.unix.exists()


def test_sighup_takes_new_limits_and_addresses(own: Host) -> None:
    """A broken file leaves the old settings; a key that is added needs no signal at all."""
    own.start()
    assert own.process
    more = free_port()
    own.configure(max_size=1024, listen=[f"127.0.0.1:{own.port}", f"127.0.0.1:{more}"])
    own.process.send_signal(signal.SIGHUP)
    wait_for(lambda: f"listening on 127.0.0.1:{more}" in own.logged())
    assert requests.get(f"http://127.0.0.1:{more}/healthz", timeout=10).status_code == 200
    assert own.batch(frame(b"x" * 1025))[1]["verdicts"][0]["code"] == 552
    (own.directory / "postoffice.yml").write_text("listen: [")
    own.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "the old settings stay" in own.logged())
    assert own.batch(frame(b"x" * 1025))[1]["verdicts"][0]["code"] == 552
    assert own.batch(frame(), "new.example", "n")[0] == 401
    own.client("new.example", "n")
    assert own.batch(frame(), "new.example", "n")[0] == 200


def test_a_second_postoffice_on_the_same_spool_ends_with_an_error(own: Host) -> None:
    own.start()
    assert own.process
    log = own.directory / "second"
    with log.open("wb") as stderr:
        done = subprocess.run([*own.process.args], stderr=stderr, timeout=30, check=False)
    assert done.returncode == 1
    assert f"another postoffice uses {own.directory}/spool.db" in log.read_text()


def test_a_place_that_is_taken_is_named_and_taken_over_when_it_is_free(own: Host) -> None:
    """The daemon stays up and serves at its other places; the log says once who is in the way and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        own.configure(listen=[f"127.0.0.1:{own.port}", f"127.0.0.1:{port}"])
        own.start()
        (told,) = [line for line in own.logged().splitlines() if "can't listen" in line]
        assert f"can't listen on 127.0.0.1:{port}: " in told
        assert f"(pid {os.getpid()}) has this port (`ss -ltnp 'sport = :{port}'` shows it); stop it" in told
    wait_for(lambda: f"127.0.0.1:{port}: all is well now" in own.logged())
    assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10).status_code == 200


@pytest.mark.parametrize("interface", ["batch", "form"])
def test_memory_with_twenty_large_senders(own: Host, interface: str) -> None:
    """RSS stays under 300 MiB with 20 letters of 30 MiB at once, and small mail passes them (I9)."""
    own.start()
    line = b"x+/= \xe4\xbd\xa0" * 9 + (b"\r\n" if interface == "batch" else b"\n")
    letter = LETTER + line * ((30 * MIB - 4096 - len(LETTER)) // len(line))
    if interface == "form":
        text = letter.decode()
        body = urlencode({"email": email(data=text), "fqdn": FQDN, "key": KEY}).encode()
    codes: list[int] = []

    def send() -> None:
        if interface == "batch":
            codes.append(own.batch(frame(letter))[1]["verdicts"][0]["code"])
            return
        connection = own.connection(300)
        connection.request("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded"})
        codes.append(connection.getresponse().status)
        connection.close()

    senders = [threading.Thread(target=send) for _ in range(20)]
    for sender in senders:
        sender.start()
    slowest = 0.0
    while any(sender.is_alive() for sender in senders):
        started = time.monotonic()
        assert own.batch(frame())[0] == 200
        slowest = max(slowest, time.monotonic() - started)
        senders[0].join(0.5)
    assert codes == [250 if interface == "batch" else 200] * 20
    assert own.memory() < 300 * MIB
    assert slowest < 10


def test_memory_with_letters_to_very_many(own: Host) -> None:
    """Twelve of 90,000 recipients at once: RSS stays under 240 MiB, all are taken, and small mail passes them (I9)."""
    own.start()
    many = [f"recipient{number:06}@dest.example" for number in range(90_000)]
    codes: list[int] = []

    def send() -> None:
        codes.append(own.batch(frame(rcpttos=many))[1]["verdicts"][0]["code"])

    senders = [threading.Thread(target=send) for _ in range(12)]
    for sender in senders:
        sender.start()
    slowest = 0.0
    while any(sender.is_alive() for sender in senders):
        started = time.monotonic()
        assert own.batch(frame())[0] == 200
        slowest = max(slowest, time.monotonic() - started)
        senders[0].join(0.5)
    assert codes == [250] * 12
    assert own.memory() < 240 * MIB
    assert slowest < 10


def test_a_wrong_key_in_a_loop_fills_no_journal(own: Host) -> None:
    """A mailman whose key was revoked, by either interface: one line for all of it, and its neighbour has its own."""
    own.start()
    for _ in range(30):
        assert own.batch(frame(), FQDN, "revoked")[0] == 401
    assert own.batch(frame(), "other.example", "revoked")[0] == 401
    told = [line for line in own.logged().splitlines() if "401" in line]
    assert len(told) == 2
    assert f"fqdn '{FQDN}' from 127.0.0.1: no such client, or a wrong key" in told[0]
