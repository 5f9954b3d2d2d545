"""Where a daemon listens: addresses that come and go, ports that are taken, unix sockets, what a predecessor left."""

import ipaddress
import os
import pwd
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedwig import log
from hedwig.bind import bound
from hedwig.doors import Doors, Kind
from hedwig.holder import OURSELVES, holder
from hedwig.interfaces import InterfaceAddress
from hedwig.settings import Listen
from hedwig.supervisor import HandedOn, Supervisor

KIND = Kind("http", unix=True)


def interface(name: str, address: str) -> InterfaceAddress:
    found = ipaddress.ip_interface(address)
    return InterfaceAddress(name, str(found.ip), found.network)


@pytest.fixture
def said() -> Iterator[list[tuple[str, str]]]:
    lines: list[tuple[str, str]] = []
    log.start("test")
    log.capture(lambda level, message, fields: lines.append((level.name, message)))
    yield lines
    log.start("hedwig")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tend(doors: Doors, *listen: Listen) -> list[socket.socket]:
    doors.look()
    for gone in doors.shut(listen):
        gone.close()
    return doors.open(listen)


def end(doors: Doors) -> None:
    for left in doors.leave():
        left.close()


def test_a_literal_address_that_docker_has_left_is_told_with_the_mend(said: list[tuple[str, str]]) -> None:
    """It stays bound; status and log name the new address and `hedwig detect-docker0`, once; and that it is mended."""
    now = [interface("docker0", "198.51.100.1/16"), interface("lo", "127.0.0.1/8")]
    doors = Doors(KIND, Supervisor(), lambda: now)
    place = Listen("198.51.100.1", free_port())
    here = Listen("127.0.0.1", free_port())
    assert len(tend(doors, place, here)) == 2
    assert doors.trouble == ""
    now[0] = interface("docker0", "203.0.113.1/16")
    said.clear()
    for _ in range(3):
        assert tend(doors, place, here) == []
    trouble = (
        "198.51.100.1 is on no interface of this host, and docker0 has 203.0.113.1: containers can't reach us; "
        "`hedwig detect-docker0` corrects `listen`"
    )
    assert doors.trouble == trouble
    assert said == [("WARNING", trouble)]
    assert len(doors.sockets) == 2, "still bound: the address may come back"
    now[0] = interface("docker0", "198.51.100.1/16")
    tend(doors, place, here)
    assert doors.trouble == ""
    assert said[1:] == [("NOTICE", f"{place}: all is well now")]
    end(doors)


def test_an_address_that_is_not_there_yet_is_no_alarm(said: list[tuple[str, str]]) -> None:
    """Docker comes up later, or docker0's address is served by another line: then nothing needs to be corrected."""
    now = [interface("docker0", "127.0.0.7/8")]
    doors = Doors(KIND, Supervisor(), lambda: now)
    tend(doors, Listen("127.0.0.7", free_port()), Listen("198.51.100.1", free_port()))
    assert doors.trouble == "198.51.100.1 is on no interface of this host yet; it serves as soon as it is"
    assert "WARNING" not in [level for level, _ in said]
    tend(doors, Listen("0.0.0.0", free_port()), Listen("::1", free_port()))
    assert doors.trouble == ""
    end(doors)


def test_an_interface_is_followed() -> None:
    now: list[InterfaceAddress] = []
    doors = Doors(KIND, Supervisor(), lambda: now)
    place = Listen("docker0", free_port())
    assert tend(doors, place) == []
    assert doors.trouble == "interface docker0 has no IPv4 address yet; it is followed once it has one"
    for address in ("127.0.0.7", "127.0.0.8"):
        now[:] = [interface("docker0", f"{address}/8")]
        (opened,) = tend(doors, place)
        assert doors.sockets == [opened]
        assert opened.getsockname() == (address, place.port)
        assert doors.trouble == ""
    end(doors)


def test_a_unix_socket_is_nginxs_to_reach_and_goes_with_the_daemon(tmp_path: Path) -> None:
    doors = Doors(KIND, Supervisor(), tuple)
    path = tmp_path / "http.sock"
    with bound((str(path), 0)):
        before = os.umask(0o077)
        try:
            tend(doors, Listen(str(path), 0))
            assert "can't listen on unix:" in doors.trouble, "somebody answers there"
        finally:
            os.umask(before)
    tend(doors, Listen(str(path), 0))
    assert doors.trouble == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    end(doors)
    assert not path.exists()


def test_unix_sockets_are_refused_where_only_addresses_serve(said: list[tuple[str, str]], tmp_path: Path) -> None:
    doors = Doors(Kind("smtp"), Supervisor(), tuple)
    assert tend(doors, Listen(str(tmp_path / "x"), 0)) == []
    assert "only addresses serve here" in doors.trouble
    assert said[0][0] == "ERROR"


class Systemd:
    """What was told; it keeps nothing."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def __call__(self, status: str, *, fds: object = None) -> bool:
        self.words.append(status)
        return False


def test_a_kept_unix_socket_whose_path_is_gone_is_made_anew(tmp_path: Path) -> None:
    """/run was cleaned: the kept socket lives, but nobody can find it."""
    first = Systemd()
    place = Listen(str(tmp_path / "http.sock"), 0)
    doors = Doors(KIND, Supervisor(first), tuple)
    (kept,) = tend(doors, place)
    name = first.words[0].partition("FDNAME=")[2]
    again = socket.socket(fileno=os.dup(kept.fileno()))
    end(doors)
    assert Path(place.host).exists(), "systemd keeps it: its path stays"

    second = Systemd()
    doors = Doors(KIND, Supervisor(second, [HandedOn(name, again)]), tuple)
    (used,) = tend(doors, place)
    assert used is again
    assert second.words == []
    third = socket.socket(fileno=os.dup(again.fileno()))
    end(doors)

    Path(place.host).unlink()
    last = Systemd()
    doors = Doors(KIND, Supervisor(last, [HandedOn(name, third)]), tuple)
    (used,) = tend(doors, place)
    assert used is not third
    assert last.words == [f"FDSTOREREMOVE=1\nFDNAME={name}", f"FDSTORE=1\nFDNAME={name}"]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(place.host)
    end(doors)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0"])
def test_the_holder_is_found_by_its_open_files(address: str) -> None:
    with bound((address, 0)) as listening:
        asked = "127.0.0.1" if address == "0.0.0.0" else address
        port = listening.getsockname()[1]
        assert holder(asked, port) == OURSELVES
        with subprocess.Popen(["sleep", "60"], pass_fds=[listening.fileno()]) as other:
            listening.close()
            assert holder(asked, port) == f"sleep (pid {other.pid})"
            other.kill()
    assert holder("127.0.0.1", free_port()) == "another program"


def test_a_line_that_holds_another_ones_port_is_ours_to_mend() -> None:
    """127.0.0.1 and 0.0.0.0 with one port: nobody is told to stop postoffice."""
    doors = Doors(KIND, Supervisor(), tuple)
    port = free_port()
    assert len(tend(doors, Listen("127.0.0.1", port), Listen("0.0.0.0", port))) == 1
    assert doors.trouble == (
        f"can't listen on 0.0.0.0:{port}: hedwig itself has this port, by another line of `listen`; "
        "take one of the two away"
    )
    end(doors)


def test_a_holder_that_hides_is_known_by_its_user_and_its_greeting(tmp_path: Path) -> None:
    """As in the unit: /proc shows our own processes only, the kernel's table shows everybody's sockets."""
    tables = tmp_path / "self" / "net"
    tables.mkdir(parents=True)
    script = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
        "while True: s.accept()[0].sendall(b'220 a.example ESMTP Exim 4.96\\x1b[0m\\r\\n')"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as other:
        assert other.stdout
        port = int(other.stdout.readline())
        for table in ("tcp", "tcp6"):
            (tables / table).write_text(Path(f"/proc/net/{table}").read_text())
        me = pwd.getpwuid(os.getuid()).pw_name
        told = holder("127.0.0.1", port, greets=True, proc=tmp_path)
        assert told == f'a program of {me} ("220 a.example ESMTP Exim 4.96 [0m")'
        assert holder("127.0.0.1", port, proc=tmp_path) == f"a program of {me}"
        everywhere = Path("/proc/net/tcp").read_text().replace(" 0100007F:", " 00000000:")
        (tables / "tcp").write_text(everywhere)
        assert "ESMTP Exim" in holder("198.51.100.1", port, greets=True, proc=tmp_path), "asked at home"
        other.kill()
