"""docker0 comes late, moves, and shares its port: mailman serves as soon as it can, and says what is wrong."""

import pytest
from journey.submit import SAMPLE
from journey.waiting import until

from .hosts import DAEMONS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside, bridge

_FILES = ("/etc/hedwig/mailman.yml", "/etc/hedwig/postoffice.yml")
_LISTENING = ("hedwig-mailman", "hedwig-postoffice")
_OTHER_MTA = """
import socket
listener = socket.create_server(("172.17.0.1", 25))
while True:
    with listener.accept()[0] as client:
        client.sendall(b"220 robot.genee.cn ESMTP Exim 4.96\\r\\n")
"""


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """A host whose docker0 is not there yet, where somebody else has taken its port."""
    machine = hosts.boot(docker=False)
    machine.ip("address add 172.17.0.1/32 dev lo")
    machine.run("systemd-run", "--unit=exim", "python3", "-c", _OTHER_MTA)
    until("the port to be taken", lambda: "172.17.0.1:25" in machine.run("ss", "-ltn"))
    return machine


def test_a_taken_port(hosts: Hosts, robot: Machine) -> None:
    """The installation succeeds; the unit stays up, names the holder and the mend, and serves when the port is free."""
    hosts.install(robot, "hedwig")
    robot.wait_for(*DAEMONS, *WORKERS)
    assert robot.state("hedwig-mailman") == "active"
    status = until("a status", lambda: _with(robot.status("hedwig-mailman"), "172.17.0.1:25"))
    assert "Exim" in status, "the holder is not named"
    assert "choose another address or port in `listen`" in status
    told = "can't listen on 172.17.0.1:25"
    until("a line in the log", lambda: any(told in line for line in robot.words("-u", "hedwig-mailman")))
    robot.run("systemctl", "stop", "exim")
    until("mailman to listen", lambda: "172.17.0.1:25" in robot.run("ss", "-ltn"))
    until("the trouble to leave the status", lambda: "can't listen" not in robot.status("hedwig-mailman"))


def test_docker0_comes_late(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """Docker makes its bridge after mailman was started: nothing is to be restarted."""
    robot.ip("address delete 172.17.0.1/32 dev lo")
    before = robot.pid("hedwig-mailman")
    bridge(robot)
    hosts.deliver(outside.container(robot), "late@163.com")
    assert robot.pid("hedwig-mailman") == before


def test_docker0_moves(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """The literal address stays; within 30 s status and log name the mend, which rewrites the listen lines alone."""
    for file in _FILES:
        robot.write(file, f"{robot.read(file)}\n# the admin was here\nidle_timeout: 4m\n")
    before = {file: robot.read(file) for file in _FILES}
    robot.run("systemctl", "reload", *_LISTENING)
    robot.ip("address delete 172.17.0.1/16 dev docker0", "address add 172.31.0.1/16 dev docker0")
    until("all of them to name the mend", lambda: _all_name_the_mend(robot), 30)
    assert {file: robot.read(file) for file in _FILES} == before
    robot.run("hedwig", "detect-docker0")
    after = {file: robot.read(file) for file in _FILES}
    assert after == {file: text.replace("172.17.0.1", "172.31.0.1") for file, text in before.items()}
    robot.run("systemctl", "reload", *_LISTENING)
    for place in ("172.31.0.1:25", "172.31.0.1:8025"):
        until(f"{place} to be served", lambda place=place: place in robot.run("ss", "-ltn"))
    hosts.deliver(outside.container(robot, "172.31.0.2"), "moved@163.com", "172.31.0.1")
    for unit in _LISTENING:
        until("the trouble to leave the status", lambda unit=unit: "detect-docker0" not in robot.status(unit))


def _all_name_the_mend(robot: Machine) -> bool:
    statuses = [robot.status(unit) for unit in _LISTENING]
    logs = ["\n".join(robot.words("-u", unit)) for unit in _LISTENING]
    return all("hedwig detect-docker0" in text for text in statuses + logs)


def test_docker0_by_name_is_followed(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """`listen: [docker0:25]` needs no mend: it goes where the bridge goes; so does `docker0:8025`."""
    for file in _FILES:
        robot.write(file, robot.read(file).replace("172.31.0.1:", "docker0:"))
    robot.run("systemctl", "reload", *_LISTENING)
    robot.ip("address delete 172.31.0.1/16 dev docker0", "address add 172.17.0.1/16 dev docker0")
    for place in ("172.17.0.1:25", "172.17.0.1:8025"):
        until(f"{place} to be served", lambda place=place: place in robot.run("ss", "-ltn"), 30)
    until("the old address to be left", lambda: "172.31.0.1:" not in robot.run("ss", "-ltn"))
    hosts.deliver(outside.container(robot, "172.17.0.9"), "followed@163.com")


def test_an_upgrade_asks_nothing_after_a_move(hosts: Hosts, robot: Machine) -> None:
    """The listen line of a file that was followed is no edit that ucf would ask about; the admin's edit stays."""
    before = {file: robot.read(file) for file in _FILES}
    hosts.add_archive(robot, "second")
    robot.apt("upgrade")
    assert {file: robot.read(file) for file in _FILES} == before
    leftovers = robot.run("find", "/etc/hedwig", "-name", "*.ucf-*")
    assert leftovers == ""


def _with(text: str, part: str) -> str:
    return text if part in text else ""


def test_strangers_stay_outside(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """A container on a bridge that is none of Docker's is told which line to change."""
    bridge(robot, "lan0", "10.9.8.1/24")
    status, said = hosts.msmtp(outside.container(robot, "10.9.8.2", "lan0")).begin(SAMPLE, "stranger@163.com").end()
    assert status != 0
    assert "allow: [loopback, docker, 10.9.8.2]" in said
