"""Debian 13: the same packages, the same first letter."""

import pytest
from journey.waiting import until

from .hosts import DAEMONS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside
from .stream import Stream

_ALL = ("hedwig", "hedwig-common", "hedwig-mailman", "hedwig-postoffice", "hedwig-worker")


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """`apt install hedwig` on Debian 13."""
    return hosts.complete(suite="trixie")


def test_a_letter_goes_at_once(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """As on Debian 12; nobody has edited a file."""
    assert robot.read("/etc/debian_version").startswith("13")
    queue_id = hosts.deliver(outside.container(robot), "stenote@163.com")
    until("postoffice's line", lambda: any(queue_id in line for line in robot.words("-u", "hedwig-postoffice")))
    assert robot.journal(f"HEDWIG_QUEUE_ID={queue_id}")


def test_the_units_suit_its_systemd(robot: Machine) -> None:
    """Nothing in them is unknown to it, and they run as they were meant to."""
    complaints = [line for line in robot.words("_PID=1") if "hedwig" in line and "Unknown" in line]
    assert complaints == []
    for unit in ("hedwig-mailman", "hedwig-postoffice", "hedwig-worker@1"):
        assert robot.show(unit, "Type", "NRestarts") == {"Type": "notify", "NRestarts": "0"}


def test_restart_and_upgrade_under_a_stream(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """Nothing refused, nothing lost, nothing doubled, with Debian 13's libraries too."""
    stream = Stream("trixie", outside, hosts.msmtp(outside.container(robot, "172.17.0.3")))
    with stream:
        for unit in (*DAEMONS, *WORKERS):
            robot.run("systemctl", "restart", unit)
        hosts.add_archive(robot, "second")
        robot.apt("upgrade")
        stream.flows_on()
    stream.must_be_whole()


def test_a_purge_leaves_no_file(robot: Machine) -> None:
    """Nothing of /etc/hedwig, /var/lib/hedwig and /run/hedwig; nor where what the packages needed has gone before."""
    robot.apt("remove", *_ALL)
    robot.run("dpkg", "--force-depends", "--purge", "ucf", "python3-click", "procps")
    robot.run("dpkg", "--purge", *_ALL[1:])
    assert not any(robot.exists(path) for path in ("/etc/hedwig", "/var/lib/hedwig", "/run/hedwig"))
