"""What systemd is told, over a real notify socket, and what it hands on."""

import os
import socket
import subprocess
import sys

import pytest

from hedwig import log
from hedwig.pulse import Pulse
from hedwig.supervisor import Supervisor


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def test_words(systemd):
    supervisor = Supervisor.of_this_process()
    assert supervisor.is_there
    supervisor.ready("3 accepted")
    assert systemd.recv(999) == b"READY=1\nSTATUS=3 accepted"
    supervisor.status("3 accepted")  # no news
    supervisor.status("4 accepted\nREADY=1\x1b[31m")
    assert systemd.recv(999) == b"STATUS=4 accepted READY=1 [31m", "nothing from outside is a word to systemd (I11)"
    supervisor.reloading()
    reloading, usec, status = systemd.recv(999).decode().split("\n")
    assert (reloading, status) == ("RELOADING=1", "STATUS=4 accepted READY=1 [31m")
    assert int(usec.removeprefix("MONOTONIC_USEC=")) > 0
    supervisor.stopping("bye", 1.5)
    assert systemd.recv(999) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000\nSTATUS=bye"


def test_a_socket_is_kept_under_its_name_and_dropped_behind_a_barrier(systemd):
    supervisor = Supervisor.of_this_process()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        supervisor.keep(listening, "smtp-127.0.0.1-25")
        message, (kept,), _, _ = socket.recv_fds(systemd, 999, 4)
        assert message == b"FDSTORE=1\nFDNAME=smtp-127.0.0.1-25"
        assert os.path.sameopenfile(kept, listening.fileno())
        os.close(kept)
    read, written = os.pipe()
    child = os.fork()
    if not child:  # the other side, which reads in its own time
        words = [socket.recv_fds(systemd, 999, 4) for _ in range(2)]
        os.write(written, b"|".join(message for message, *_ in words))
        os._exit(0)
    supervisor.drop("smtp-127.0.0.1-25")
    os.close(written)
    assert os.read(read, 999) == b"FDSTOREREMOVE=1\nFDNAME=smtp-127.0.0.1-25|BARRIER=1", "it has been read by now"
    os.waitpid(child, 0)
    os.close(read)


def test_the_watchdog_is_petted_every_few_seconds_and_only_while_all_moves(systemd):
    now = [1000.0]
    said = []
    log.start("test")
    log.capture(lambda level, message, fields: said.append((level.name, message)))
    pulse = Pulse("the feeder", lambda: now[0])
    real = Supervisor.of_this_process()
    supervisor = Supervisor(real._notify, clock=lambda: now[0])
    systemd.setblocking(False)

    def petted() -> bool:
        supervisor.pet([pulse])
        try:
            return systemd.recv(99) == b"WATCHDOG=1"
        except BlockingIOError:
            return False

    assert petted()
    assert not petted()
    now[0] += 5
    assert petted()
    pulse.busy(1.0)
    now[0] += 5
    assert not petted()
    now[0] += 5
    assert not petted()
    assert said == [("ALERT", "the feeder is stuck or has died: systemd's watchdog will start this daemon again")]
    pulse.idle()
    now[0] += 5
    assert petted()
    assert said[1:] == [("NOTICE", "the feeder moves again")]
    log.start("hedwig")


def test_without_systemd_nothing_happens(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    supervisor = Supervisor.of_this_process()
    assert not supervisor.is_there
    supervisor.ready("x")
    supervisor.pet()
    supervisor.drop("x")
    with socket.socket() as some:
        supervisor.keep(some, "x")


def test_a_notify_socket_that_is_gone_holds_up_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    supervisor = Supervisor.of_this_process()
    supervisor.ready("x")
    supervisor.drop("x")
    supervisor.pet()


def test_only_listening_sockets_are_taken_over():
    """LISTEN_FDS with a listener, a plain file and a socket that does not listen: the last two are closed and told."""
    script = """
import os, socket
from hedwig.supervisor import Supervisor
one, two = socket.create_server(("127.0.0.1", 0)), socket.socket()
file = os.open("/dev/null", os.O_RDONLY)
for place, fd in enumerate([os.dup(one.fileno()), os.dup(file), os.dup(two.fileno())]):
    os.dup2(fd, 200 + place)
for place in range(3):
    os.dup2(200 + place, 3 + place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="3", LISTEN_FDNAMES="a:b:c")
found = Supervisor.of_this_process().handed_on
assert [(one.name, one.socket.fileno()) for one in found] == [("a", 3)], found
assert "LISTEN_FDS" not in os.environ
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no listening socket: it is closed") == 2
