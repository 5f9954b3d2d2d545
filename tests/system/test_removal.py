"""Packages come and go, in any order: edits and waiting letters are kept, and after a purge nothing is left."""

import pytest
from journey.submit import SAMPLE

from .hosts import DAEMONS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside, bridge

_ALL = ("hedwig", "hedwig-common", "hedwig-mailman", "hedwig-postoffice", "hedwig-worker", "python3-greenstalk")
_EDITS = {
    "mailman": "# my own words\nmax_size: 10 MiB\n",
    "postoffice": "# my own words\nmax_size: 11 MiB\n",
    "worker": "# my own words\nehlo: robot.genee.cn\n",
}
# What Debian keeps after a purge: dpkg's and apt's own records, logs, and what an operator has put there by hand.
_NOT_OURS = ("/proc", "/sys", "/dev", "/srv", "/tmp", "/var/log", "/var/lib/dpkg", "/var/cache", "/var/lib/apt")
_BY_HAND = {"/etc/apt/keyrings/hedwig.asc", "/etc/apt/sources.list.d/hedwig.list"}


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """A host with our archive, and nothing from it yet; Docker has not made its bridge."""
    machine = hosts.boot(docker=False)
    hosts.add_archive(machine)
    return machine


def test_mailman_first(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """mailman alone takes mail and keeps it; once postoffice and worker are installed, it goes: no file edited. It was
    installed without docker0, on Docker's usual address, and serves as soon as that is there."""
    robot.apt("install", "hedwig-mailman")
    robot.wait_for("hedwig-mailman")
    assert "listen: [172.17.0.1:25]" in robot.read("/etc/hedwig/mailman.yml").splitlines()
    bridge(robot)
    hosts.msmtp(outside.container(robot)).send(SAMPLE, "first@163.com")
    robot.apt("install", "hedwig-postoffice", "hedwig-worker")
    robot.wait_for(*DAEMONS, *WORKERS)
    hosts.arrives("first@163.com", 120)


def test_edits_survive_removal_and_installation(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """`apt remove` and `apt install` again: edited files are as they were, and letters that waited are sent."""
    for name, more in _EDITS.items():
        file = f"/etc/hedwig/{name}.yml"
        robot.write(file, robot.read(file) + more)
    edited = {name: robot.read(f"/etc/hedwig/{name}.yml") for name in _EDITS}
    robot.run("systemctl", "stop", "hedwig-worker.target")
    hosts.msmtp(outside.container(robot, "172.17.0.3")).send(SAMPLE, "waits@163.com")
    robot.apt("remove", *_ALL)
    assert robot.try_run("pgrep", "--euid", "hedwig", "--list-full") == (1, "")
    assert ":25 " not in robot.run("ss", "-ltn")
    assert {name: robot.read(f"/etc/hedwig/{name}.yml") for name in _EDITS} == edited
    robot.apt("install", "hedwig")
    robot.wait_for(*DAEMONS, *WORKERS)
    assert {name: robot.read(f"/etc/hedwig/{name}.yml") for name in _EDITS} == edited
    hosts.arrives("waits@163.com")
    hosts.deliver(outside.container(robot, "172.17.0.4"), "again@163.com")


def test_edits_survive_reinstallation_and_upgrade(hosts: Hosts, robot: Machine) -> None:
    """`apt install --reinstall`, then the next version: nothing is asked, nothing is changed."""
    edited = {name: robot.read(f"/etc/hedwig/{name}.yml") for name in _EDITS}
    robot.apt("install", "--reinstall", *_ALL)
    hosts.add_archive(robot, "second")
    robot.apt("upgrade")
    assert {name: robot.read(f"/etc/hedwig/{name}.yml") for name in _EDITS} == edited
    robot.wait_for(*DAEMONS, *WORKERS)


def test_a_worker_that_was_disabled_stays_so(robot: Machine) -> None:
    """Installing again brings back no worker that the admin has switched off."""
    robot.run("systemctl", "disable", "--now", "hedwig-worker@2")
    robot.apt("install", "--reinstall", "hedwig-worker")
    assert robot.state("hedwig-worker@2") == "inactive"
    assert robot.try_run("systemctl", "is-enabled", "hedwig-worker@2")[1].strip() == "disabled"


def test_one_part_leaves_the_others_alone(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """Purging mailman takes its files, and none of the others'."""
    robot.apt("purge", "hedwig-mailman")
    assert not robot.exists("/etc/hedwig/mailman.yml")
    assert not robot.exists("/var/lib/hedwig/mailman")
    robot.wait_for("hedwig-postoffice", "hedwig-beanstalkd", "hedwig-worker@1")
    assert robot.exists("/etc/hedwig/postoffice.yml")
    robot.apt("install", "hedwig")
    robot.wait_for(*DAEMONS)
    hosts.deliver(outside.container(robot, "172.17.0.5"), "part@163.com")


def test_a_purge_leaves_nothing(robot: Machine) -> None:
    """No file, no unit, no link, no record of ucf's. (The user stays, as is Debian's custom.)"""
    robot.run("systemctl", "enable", "--now", "hedwig-worker@3")
    robot.apt("purge", *_ALL)
    pruned = [word for path in _NOT_OURS for word in ("-path", path, "-o")][:-1]
    found = robot.run("find", "/", "(", *pruned, ")", "-prune", "-o", "-iname", "*hedwig*", "-print").split()
    assert set(found) == _BY_HAND
    # (Beside these two ucf keeps copies of how they were before, as it does for every package.)
    assert robot.try_run("grep", "hedwig", "/var/lib/ucf/hashfile", "/var/lib/ucf/registry") == (1, "")
    # It ends with 1 where there is no such unit.
    assert robot.try_run("systemctl", "list-unit-files", "--no-legend", "hedwig*") == (1, "")
    assert robot.run("systemctl", "list-units", "--no-legend", "--all", "hedwig*") == ""
    assert robot.try_run("pgrep", "--euid", "hedwig")[0] == 1


def test_after_a_purge_it_installs_as_new(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """A purged host is a new one: the listen lines are made for docker0 as it is now."""
    robot.ip("address delete 172.17.0.1/16 dev docker0", "address add 172.29.0.1/16 dev docker0")
    robot.apt("install", "hedwig")
    robot.wait_for(*DAEMONS, *WORKERS)
    assert "listen: [172.29.0.1:25]" in robot.read("/etc/hedwig/mailman.yml").splitlines()
    assert "listen: [127.0.0.1:8025, 172.29.0.1:8025]" in robot.read("/etc/hedwig/postoffice.yml").splitlines()
    hosts.deliver(outside.container(robot, "172.29.0.6"), "anew@163.com", "172.29.0.1")
    assert set(outside.far.copies().values()) == {1}
