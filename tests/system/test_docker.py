"""Hosts with a real Docker: letters from real containers, by every way that the README names, and their names."""

import pytest
from journey.submit import SAMPLE, queue_id_of

from .hosts import DAEMONS, DELIVERS, SENDS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside

# An image of the host's own msmtp and the libraries that it needs: nothing is fetched.
_IMAGE = """
mkdir -p image/etc image/tmp
chmod 1777 image/tmp
echo root:x:0:0::/: >image/etc/passwd
cat >image/etc/msmtprc <<'END'
defaults
syslog LOG_MAIL
account default
host 172.17.0.1
from sender@robot.genee.cn
account by-name : default
host host.docker.internal
END
set -- /usr/bin/msmtp $(ldd /usr/bin/msmtp | grep -o '/[^ ]*')
tar -ch "$@" -C image etc tmp 2>/dev/null | docker import - msmtp:1
"""


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """Debian 13 with its Docker (26.1); nobody has edited a file."""
    return _docker_host(hosts, DELIVERS, "trixie")


@pytest.fixture(scope="module")
def older(hosts: Hosts) -> Machine:
    """Debian 12 with its own (20.10)."""
    return _docker_host(hosts, SENDS, "bookworm")


def _docker_host(hosts: Hosts, fqdn: str, suite: str) -> Machine:
    """Docker first, as on any Docker host; then `apt install hedwig`."""
    machine = hosts.boot(fqdn, suite, engine=True)
    machine.run("systemctl", "start", "docker")
    machine.shell(_IMAGE)
    hosts.install(machine, "hedwig")
    machine.wait_for(*DAEMONS, *WORKERS)
    return machine


def _send(machine: Machine, rcptto: str, *options: str, account: str = "default") -> str:
    """`docker run`, as a program in a container sends; the queue ID."""
    run = ["docker", "run", "--rm", "--interactive", *options, "msmtp:1", "/usr/bin/msmtp", "--debug"]
    return queue_id_of(machine.run(*run, f"--account={account}", "--", rcptto, text=SAMPLE.decode()))


def test_a_container_on_the_default_bridge(hosts: Hosts, robot: Machine) -> None:
    """`docker run`, `host 172.17.0.1`, as the original document has it."""
    _send(robot, "stenote@163.com")
    hosts.arrives("stenote@163.com")


def test_with_an_older_docker(hosts: Hosts, older: Machine) -> None:
    """The same on Debian 12."""
    _send(older, "older@163.com")
    hosts.arrives("older@163.com")
    older.run("docker", "network", "create", "shop_default")
    _send(older, "older-compose@163.com", "--network", "shop_default")
    hosts.arrives("older-compose@163.com")


def test_composes_own_network(hosts: Hosts, robot: Machine) -> None:
    """A network of its own, as compose makes it: 172.17.0.1 works from there as well."""
    robot.run("docker", "network", "create", "shop_default")
    _send(robot, "compose@163.com", "--network", "shop_default")
    hosts.arrives("compose@163.com")


def test_by_name(hosts: Hosts, robot: Machine) -> None:
    """`host.docker.internal:host-gateway`."""
    _send(robot, "name@163.com", "--add-host", "host.docker.internal:host-gateway", account="by-name")
    hosts.arrives("name@163.com")


def test_the_hosts_own_network(hosts: Hosts, robot: Machine) -> None:
    """`network_mode: host`."""
    _send(robot, "host@163.com", "--network", "host")
    hosts.arrives("host@163.com")


def test_an_internal_network_has_no_way_out(robot: Machine) -> None:
    """As the README says: such a container can't reach mailman, and msmtp says so. (Docker 20.10 let it through.)"""
    robot.run("docker", "network", "create", "--internal", "closed")
    run = [
        "docker",
        "run",
        "--rm",
        "--network",
        "closed",
        "msmtp:1",
        "/usr/bin/msmtp",
        "--timeout=5",
        "--",
        "x@163.com",
    ]
    status, said = robot.try_run(*run)
    assert status != 0
    assert "172.17.0.1" in said


def test_docker_is_restarted(hosts: Hosts, robot: Machine) -> None:
    """docker0 is made anew, or kept: mailman serves either way, and is not restarted."""
    before = robot.pid("hedwig-mailman")
    robot.run("systemctl", "restart", "docker")
    _send(robot, "restarted@163.com")
    hosts.arrives("restarted@163.com")
    assert robot.pid("hedwig-mailman") == before


def test_each_letter_came_once(outside: Outside) -> None:
    """No recipient of this file has got a letter twice."""
    assert set(outside.far.copies().values()) == {1}
