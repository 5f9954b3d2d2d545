"""Restarts, crashes and an upgrade under a constant stream of msmtp: nothing refused, nothing lost, nothing doubled."""

import itertools

import pytest

from .hosts import DAEMONS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside
from .stream import Stream

RESTARTS = 20
_NUMBERS = itertools.count(2)
PACKAGES = ("hedwig", "hedwig-common", "hedwig-mailman", "hedwig-postoffice", "hedwig-worker")


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """A host with everything."""
    return hosts.complete()


@pytest.fixture
def stream(hosts: Hosts, robot: Machine, outside: Outside, request: pytest.FixtureRequest) -> Stream:
    """A stream from a container of its own, for recipients that no other test has."""
    container = outside.container(robot, f"172.17.1.{next(_NUMBERS)}")
    return Stream(request.node.name, outside, hosts.msmtp(container))


def test_twenty_restarts(robot: Machine, stream: Stream) -> None:
    """Each daemon is restarted twenty times while letters come in."""
    with stream:
        for _ in range(RESTARTS):
            for unit in (*DAEMONS, *WORKERS):
                robot.run("systemctl", "restart", unit)
            assert not stream.refused, stream.refused[0]
        stream.flows_on()
    stream.must_be_whole()
    assert [robot.state(unit) for unit in (*DAEMONS, *WORKERS)] == ["active"] * 5


def test_daemons_that_crash(robot: Machine, stream: Stream) -> None:
    """kill -9 of mailman between letters, and of postoffice and the queue at any time: systemd holds the listeners."""
    with stream:
        for unit in ("hedwig-postoffice", "hedwig-beanstalkd", "hedwig-postoffice"):
            robot.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", unit)
            robot.wait_for(unit)
            stream.flows_on()
    stream.must_be_whole()


def test_every_package_is_upgraded(hosts: Hosts, robot: Machine, stream: Stream) -> None:
    """`apt upgrade` to the next version while letters come in; afterwards every daemon runs the new one."""
    before = {unit: robot.pid(unit) for unit in (*DAEMONS, *WORKERS)}
    with stream:
        hosts.add_archive(robot, "second")
        robot.apt("upgrade")
        stream.flows_on(50)
    stream.must_be_whole()
    installed = robot.run("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\\n", *PACKAGES)
    assert all(line.endswith("+newer installed") for line in installed.splitlines()), installed
    robot.wait_for(*DAEMONS, *WORKERS)
    after = {unit: robot.pid(unit) for unit in (*DAEMONS, *WORKERS)}
    assert [unit for unit in before if before[unit] == after[unit]] == []
