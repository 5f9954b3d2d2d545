"""A restart, a crash and a reload refuse nobody (I10): the real daemons, with a service manager that keeps what systemd
keeps, under a stream of clients."""

import json
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postoffice_host import FQDN, KEY, Host, free_port, wait_for
from service_manager import ServiceManager, daemon, managed

RESTARTS = 5


class Stream:
    """Clients in two threads, one after the other, until `end`; `lost` holds what any of them met with."""

    def __init__(self, once: Callable[[], object]) -> None:
        self.served = 0
        self.lost: list[BaseException] = []
        self._once = once
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._once()
                self.served += 1
            except (OSError, smtplib.SMTPException, AssertionError) as error:
                self.lost.append(error)

    def more(self) -> None:
        """Wait until some more were served."""
        before = self.served
        wait_for(lambda: self.lost or self.served > before + 3, 30)

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        assert not self.lost, (len(self.lost), self.served, self.lost[0])


@pytest.fixture
def mailman(tmp_path: Path) -> Iterator[tuple[ServiceManager, int]]:
    """Without a postoffice: it spools. Its manager, and its port."""
    port = free_port()
    config = tmp_path / "mailman.yml"
    config.write_text(json.dumps({"listen": [f"127.0.0.1:{port}"], "spool": f"{tmp_path}/spool.db"}))
    with managed(tmp_path, daemon("mailman", config)) as manager:
        yield manager, port


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    try:
        made.start_queue()
        yield made
    finally:
        made.end()


def letter(port: int) -> Callable[[], object]:
    def once() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.sendmail("a@b.example", ["c@d.example"], b"Subject: x\r\n\r\nx\r\n")

    return once


def restart(manager: ServiceManager, number: int) -> None:
    manager.stop(number)
    manager.start()


def test_mailman_under_a_stream_of_letters(mailman: tuple[ServiceManager, int]) -> None:
    """SIGTERM, SIGHUP and SIGKILL. The letters of a kill -9 may be cut off in the middle, so there only connecting
    counts."""
    manager, port = mailman
    manager.start()
    assert list(manager.store) == [f"smtp-127.0.0.1-{port}"]
    stream = Stream(letter(port))
    try:
        for _ in range(RESTARTS):
            stream.more()
            restart(manager, signal.SIGTERM)
        stream.more()
        before = len(manager.words)
        manager.send(signal.SIGHUP)
        manager.wait_for("RELOADING=1", before)
        manager.wait_for("READY=1", before)
        stream.more()
    finally:
        stream.end()
    assert manager.status("accepted").startswith("STATUS=")
    connects = Stream(lambda: socket.create_connection(("127.0.0.1", port), 30).close())
    try:
        for _ in range(3):
            connects.more()
            restart(manager, signal.SIGKILL)
    finally:
        connects.end()
    assert "as before the restart" in manager.log


def test_mailman_by_real_msmtp(mailman: tuple[ServiceManager, int]) -> None:
    manager, port = mailman
    program = shutil.which("msmtp")
    assert program, "msmtp is not installed"

    def once() -> None:
        command = [
            program,
            "--file=/dev/null",
            "--host=127.0.0.1",
            f"--port={port}",
            "--from=a@b.example",
            "c@d.example",
        ]
        done = subprocess.run(command, input=b"Subject: x\n\nx\n", capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr

    manager.start()
    stream = Stream(once)
    try:
        for _ in range(RESTARTS):
            stream.more()
            restart(manager, signal.SIGTERM)
        stream.more()
    finally:
        stream.end()


def test_who_connected_before_the_stop_and_says_nothing_yet_is_heard(mailman: tuple[ServiceManager, int]) -> None:
    """The worst moment: the greeting has come, SIGTERM comes, and only then the client speaks."""
    manager, port = mailman
    manager.start()
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        manager.send(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        client.sendmail("a@b.example", ["c@d.example"], b"Subject: x\r\n\r\nx\r\n")
    assert manager.process
    assert manager.process.wait(20) == 0


def test_postoffice_under_a_stream_of_requests(host: Host) -> None:
    """Over TCP and over the unix socket; forms, so that each is one new connection that wants an answer."""
    form = {"fqdn": FQDN, "key": KEY, "email": json.dumps({"mailfrom": "", "rcpttos": ["b@c.example"], "data": "x"})}

    def over(*where: str) -> Callable[[], object]:
        def once() -> None:
            fields = [part for name, value in form.items() for part in ("--form-string", f"{name}={value}")]
            done = subprocess.run(
                ["curl", "-sS", "--fail", *where, *fields], capture_output=True, text=True, check=False, timeout=60
            )
            assert done.returncode == 0, (done.stderr, done.stdout)

        return once

    with managed(host.directory, daemon("postoffice", host.directory / "postoffice.yml")) as manager:
        manager.start()
        assert len(manager.store) == 2
        streams = [
            Stream(over(f"http://127.0.0.1:{host.port}/")),
            Stream(over("--unix-socket", str(host.unix), "http://x/")),
        ]
        try:
            for _ in range(RESTARTS):
                for stream in streams:
                    stream.more()
                restart(manager, signal.SIGTERM)
            before = len(manager.words)
            manager.send(signal.SIGHUP)
            manager.wait_for("READY=1", before)
            for stream in streams:
                stream.more()
        finally:
            for stream in streams:
                stream.end()
        assert len(manager.store) == 2
        manager.status(" queued", before)


def test_postoffice_hears_who_connected_before_the_stop(host: Host) -> None:
    with managed(host.directory, daemon("postoffice", host.directory / "postoffice.yml")) as manager:
        manager.start()
        with socket.create_connection(("127.0.0.1", host.port), 30) as early:
            wait_for(lambda: "1 connections" in manager.status("1 connections"))
            manager.send(signal.SIGTERM)
            manager.wait_for("STOPPING=1")
            early.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert early.recv(100).startswith(b"HTTP/1.1 200 ")
        assert manager.process
        assert manager.process.wait(20) == 0


def test_a_place_that_is_no_longer_wanted_is_dropped(mailman: tuple[ServiceManager, int], tmp_path: Path) -> None:
    """By a reload, and by a start with other settings; from all addresses to one, the port is free at once."""
    manager, port = mailman
    config = tmp_path / "mailman.yml"
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "listen": [f"0.0.0.0:{port}"]}))
    manager.start()
    assert list(manager.store) == [f"smtp-0.0.0.0-{port}"]
    config.write_text(json.dumps(settings))
    manager.send(signal.SIGHUP)
    wait_for(lambda: list(manager.store) == [f"smtp-127.0.0.1-{port}"])
    config.write_text(json.dumps({**settings, "listen": [f"0.0.0.0:{port}"]}))
    restart(manager, signal.SIGTERM)
    assert list(manager.store) == [f"smtp-0.0.0.0-{port}"]
    assert "can't listen" not in manager.log


def test_a_socket_units_socket_is_served_and_not_kept(mailman: tuple[ServiceManager, int]) -> None:
    """For sites that want no capability at all: under another name than ours, whatever `listen` says."""
    manager, port = mailman
    with socket.create_server(("127.0.0.1", 0)) as given:
        manager.start({"hedwig-mailman.socket": given.fileno()})
        letter(given.getsockname()[1])()
        letter(port)()
        assert list(manager.store) == [f"smtp-127.0.0.1-{port}"]


def test_a_broken_config_is_said_in_the_status(mailman: tuple[ServiceManager, int], tmp_path: Path) -> None:
    manager, port = mailman
    manager.start()
    config = tmp_path / "mailman.yml"
    right = config.read_text()
    config.write_text("listen: [")
    manager.send(signal.SIGHUP)
    manager.status("mailman.yml is broken, the old settings stay")
    letter(port)()
    config.write_text(right)
    before = len(manager.words)
    manager.send(signal.SIGHUP)
    manager.wait_for("READY=1", before)
    assert "broken" not in manager.status("accepted", before)
    assert manager.stop() == 0
    config.write_text("listen: [")
    manager.start(ready=False)
    manager.status("1 fault, see `hedwig config check`")
    assert manager.process
    assert manager.process.wait(20) == 78


def test_the_watchdog_is_petted(mailman: tuple[ServiceManager, int]) -> None:
    manager, _ = mailman
    began = time.monotonic()
    manager.start()
    first = len(manager.words)
    manager.wait_for("WATCHDOG=1")
    manager.wait_for("WATCHDOG=1", first)
    assert time.monotonic() - began < 15, "WatchdogSec=30"


def test_a_worker_without_a_spool_is_up_and_says_what_it_waits_for(host: Host) -> None:
    config = host.directory / "worker.yml"
    config.write_text(
        json.dumps(
            {
                "spool": f"{host.directory}/spool.db",
                "queue": host.queue_url,
                "run_dir": str(host.directory / "run"),
                "state_dir": str(host.directory),
                "ehlo": "a.example",
            }
        )
    )
    (host.directory / "manager").mkdir()
    with managed(host.directory / "manager", daemon("worker", config, "1")) as manager:
        manager.start()
        assert "waiting for the spool" in manager.status("waiting")
        manager.wait_for("WATCHDOG=1")
        before = len(manager.words)
        host.start()
        told = manager.status("delivered", before)
        assert told == "STATUS=0 delivered, 0 deferred, 0 failed, 0 connections; EHLO a.example"
        assert manager.stop() == 0
        manager.wait_for("STOPPING=1")
        assert "EXTEND_TIMEOUT_USEC=90000000" in manager.words
