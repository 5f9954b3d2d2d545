"""Hosts with a real Docker: letters from real containers, by every way that the README names, and their names."""

import itertools
from typing import Any

import pytest
from journey.submit import SAMPLE, queue_id_of
from journey.waiting import until

from .hosts import DAEMONS, DELIVERS, SENDS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside
from .readme import blocks
from .terminal import typed

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


@pytest.fixture(scope="module")
def guide() -> list[str]:
    """What docs/containers.md says is to be typed."""
    return blocks("docs/containers.md", 1)[0].commands()


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


def test_the_container_has_a_name(hosts: Hosts, robot: Machine, guide: list[str]) -> None:
    """docs/containers.md, word for word: then journal and history tell which container sent it."""
    for line in guide:
        typed(robot, line)
    robot.wait_for("hedwig-docker-proxy", "hedwig-mailman")
    # Docker has a third of a second to tell the name of a container that has just started: on a busy machine the next
    # one is told in time.
    recipients = (f"named{number}@163.com" for number in itertools.count(1))
    entry = until("a letter with a name", lambda: _send_with_name(robot, next(recipients)), 60)
    queue_id = str(entry["HEDWIG_QUEUE_ID"])
    hosts.arrives(str(entry["HEDWIG_RCPT"]))
    assert (entry["HEDWIG_CONTAINER"], entry["HEDWIG_IMAGE"], entry["HEDWIG_PROJECT"]) == (
        "shop-web-1",
        "msmtp:1",
        "shop",
    )
    assert "shop-web-1 (msmtp:1, project shop)" in robot.run("hedwig", "trace", queue_id)


def _send_with_name(machine: Machine, rcptto: str) -> dict[str, Any]:
    """Send from a container called shop-web-1; mailman's entry on it, {} where that has no name."""
    label = "com.docker.compose.project=shop"
    queue_id = _send(machine, rcptto, "--name", "shop-web-1", "--label", label)
    told = until("its entry", lambda: machine.journal("-u", "hedwig-mailman", f"HEDWIG_QUEUE_ID={queue_id}"))
    return told[0] if "HEDWIG_CONTAINER" in told[0] else {}


def test_the_proxy_lets_through_no_more(robot: Machine) -> None:
    """mailman's user may list containers; it may not start one, nor read another's files."""
    socket = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", "/run/hedwig-docker/engine.sock")
    mailman = ("setpriv", "--reuid=hedwig", "--regid=hedwig", "--clear-groups")
    asked = {
        path: robot.run(*mailman, *socket, *more, f"http://docker{path}")
        for path, more in {
            "/containers/json": (),
            "/containers/create": ("-X", "POST", "-d", "{}"),
            "/images/json": (),
            "/containers/json/../../images/json": ("--path-as-is",),
        }.items()
    }
    assert asked.pop("/containers/json") == "200"
    assert set(asked.values()) == {"403"}
    status, _ = robot.try_run("setpriv", "--reuid=nobody", "--clear-groups", *socket, "http://docker/containers/json")
    assert status != 0


def test_without_docker_mail_goes_on(hosts: Hosts, robot: Machine) -> None:
    """The proxy is away: the letter goes with the address alone, and the journal has said so once."""
    robot.run("systemctl", "stop", "hedwig-docker-proxy")
    until("the warning", lambda: [line for line in robot.words("-u", "hedwig-mailman") if "have no names" in line])
    queue_id = _send(robot, "unnamed@163.com")
    hosts.arrives("unnamed@163.com")
    [entry] = robot.journal("-u", "hedwig-mailman", f"HEDWIG_QUEUE_ID={queue_id}")
    assert "HEDWIG_CONTAINER" not in entry
    robot.run("systemctl", "start", "hedwig-docker-proxy")
    until("names again", lambda: [line for line in robot.words("-u", "hedwig-mailman") if "have names again" in line])


def test_each_letter_came_once(outside: Outside) -> None:
    """No recipient of this file has got a letter twice."""
    assert set(outside.far.copies().values()) == {1}
