"""A second host joins by `hedwig open`, `hedwig key add` and the pasted lines; hosts are upgraded apart."""

import pytest
from journey.waiting import until

from .hosts import DELIVERS, SENDS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside

_CA = "/etc/hedwig/postoffice-ca.pem"
_PEM = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n")
_MAILMAN = ("hedwig-mailman", "hedwig-common")


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """The host that delivers, in the older version."""
    machine = hosts.boot(DELIVERS)
    hosts.install(machine, "hedwig-postoffice", "hedwig-worker")
    machine.wait_for("hedwig-postoffice", *WORKERS)
    return machine


@pytest.fixture(scope="module")
def less(hosts: Hosts) -> Machine:
    """The host that sends, in the newer version."""
    machine = hosts.boot(SENDS)
    hosts.install(machine, "hedwig-mailman", archive="second")
    machine.wait_for("hedwig-mailman")
    return machine


def _paste(less: Machine, lines: str) -> None:
    """As an operator does: the lines go to the end of the file."""
    less.write("/etc/hedwig/mailman.yml", f"{less.read('/etc/hedwig/mailman.yml')}\n{lines}")
    less.run("hedwig", "config", "check")
    less.run("systemctl", "reload", "hedwig-mailman")


def _pasted_lines(said: str) -> str:
    lines = [line for line in said.splitlines() if line.partition(":")[0] in ("fqdn", "postoffice", "key")]
    assert len(lines) == 3, said
    return "\n".join(lines) + "\n"


def test_before_it_joins_it_takes_mail(hosts: Hosts, less: Machine, outside: Outside) -> None:
    """Without key and URL mailman is up, keeps letters on disk, and its status says what is missing."""
    queue_id = hosts.msmtp(outside.container(less)).send(b"Subject: early\n\nearly\n", "early@163.com")
    assert queue_id in less.run("hedwig", "queue")
    assert "hedwig setup" in less.status("hedwig-mailman")
    assert not outside.far.has("early@163.com")


def test_it_joins_with_tls(hosts: Hosts, robot: Machine, less: Machine, outside: Outside) -> None:
    """nginx with a private authority's certificate; what `hedwig open` and `key add` print is enough. A newer mailman
    talks to an older postoffice. What waited goes on its way."""
    opened = robot.run("hedwig", "open", "203.0.113.0/24")
    begin, end = _PEM
    authority = f"{begin}{opened.partition(begin)[2].partition(end)[0]}{end}"
    less.write(_CA, authority)
    said = robot.run("hedwig", "key", "add", SENDS, "--url", f"https://{DELIVERS}/")
    _paste(less, f"{_pasted_lines(said)}ca_file: {_CA}\n")
    hosts.arrives("early@163.com")
    hosts.deliver(outside.container(less, "172.17.0.3"), "joined@163.com")
    until("nothing to wait at mailman", lambda: "@163.com" not in less.run("hedwig", "queue"))
    assert until("postoffice's lines", lambda: _clients(robot)) == {SENDS}


def _clients(robot: Machine) -> set[str]:
    entries = robot.journal("-u", "hedwig-postoffice")
    return {str(entry["HEDWIG_CLIENT"]) for entry in entries if "HEDWIG_CLIENT" in entry}


def test_whoever_is_not_named_stays_out(robot: Machine) -> None:
    """`hedwig open NETWORK` lets in that network alone: nginx refuses the host's other address."""
    address = ["--resolve", f"{DELIVERS}:443:127.0.0.1", "--insecure", "-sS", "-o", "/dev/null", "-w", "%{http_code}"]
    assert robot.run("curl", *address, f"https://{DELIVERS}/").strip() == "403"


def test_opening_again_changes_nothing(robot: Machine) -> None:
    """The same words a second time leave every file as it was."""
    watched = ["find", "/etc/hedwig", "/etc/nginx", "-type", "f", "-exec", "sha256sum", "{}", "+"]
    before = robot.run(*watched)
    robot.run("hedwig", "open", "203.0.113.0/24")
    assert robot.run(*watched) == before


def test_an_older_mailman_with_a_newer_postoffice(
    hosts: Hosts, robot: Machine, less: Machine, outside: Outside
) -> None:
    """The other way round: the sending host goes back to the older version, the delivering one is upgraded."""
    hosts.add_archive(less, "first")
    old = robot.run("dpkg-query", "-W", "-f", "${Version}", "hedwig-postoffice")
    less.apt("install", "--allow-downgrades", *(f"{name}={old}" for name in _MAILMAN))
    hosts.add_archive(robot, "second")
    robot.apt("upgrade")
    assert robot.run("dpkg-query", "-W", "-f", "${Version}", "hedwig-postoffice") == f"{old}+newer"
    hosts.deliver(outside.container(less, "172.17.0.4"), "older@163.com")


def test_postoffice_is_down_for_a_while(hosts: Hosts, robot: Machine, less: Machine, outside: Outside) -> None:
    """Containers don't notice: mailman keeps their letters, and hands them on when postoffice is back."""
    robot.run("systemctl", "stop", "hedwig-postoffice")
    hosts.msmtp(outside.container(less, "172.17.0.5")).send(b"Subject: kept\n\nkept\n", "kept@163.com")
    robot.run("systemctl", "start", "hedwig-postoffice")
    hosts.arrives("kept@163.com", 120)


def test_without_tls_it_warns(hosts: Hosts, robot: Machine, less: Machine, outside: Outside) -> None:
    """`--plain` serves a private network; mailman says at its start that the key goes over it in the clear."""
    printed = robot.run("hedwig", "open", "--plain", "203.0.113.10:8025")
    assert "There is no TLS" in printed
    text = less.read("/etc/hedwig/mailman.yml").replace(f"https://{DELIVERS}/", "http://203.0.113.10:8025/")
    less.write("/etc/hedwig/mailman.yml", text)
    less.run("systemctl", "restart", "hedwig-mailman")
    hosts.deliver(outside.container(less, "172.17.0.6"), "plain@163.com")
    until("the warning", lambda: any("clear" in line for line in less.words("-u", "hedwig-mailman", "-p", "warning")))


def _answer_to(less: Machine) -> str:
    """What postoffice answers to the name and key of mailman.yml."""
    lines = less.read("/etc/hedwig/mailman.yml").splitlines()
    key = next(line for line in lines if line.startswith("key: ")).removeprefix("key: ").strip('"')
    asked = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--user", f"{SENDS}:{key}", "--data-binary", ""]
    return less.run(*asked, "-H", "Content-Type: application/vnd.hedwig.batch", "http://203.0.113.10:8025/v1/batch")


def test_a_revoked_key_loses_no_letter(hosts: Hosts, robot: Machine, less: Machine, outside: Outside) -> None:
    """After `hedwig key revoke` letters stay at mailman, which says why; with a new key they go."""
    robot.run("hedwig", "key", "revoke", "--yes", SENDS)
    # Within half a second, as postoffice promises.
    until("the key to be refused", lambda: _answer_to(less) == "401")
    hosts.msmtp(outside.container(less, "172.17.0.7")).send(b"Subject: locked\n\nlocked\n", "locked@163.com")
    assert not outside.far.has("locked@163.com")
    said = robot.run("hedwig", "key", "add", SENDS, "--url", "http://203.0.113.10:8025/")
    less.run("hedwig", "setup", "--from", "-", text=_pasted_lines(said))
    less.run("systemctl", "reload", "hedwig-mailman")
    hosts.arrives("locked@163.com", 120)
    assert set(outside.far.copies().values()) == {1}


def test_a_purge_closes_the_door(robot: Machine) -> None:
    """What `hedwig open` made goes with hedwig-postoffice, and nginx goes on without it."""
    assert ":443 " in robot.run("ss", "-ltn")
    robot.apt("purge", "hedwig-postoffice")
    assert robot.run("find", "/etc/nginx", "-name", "*hedwig*") == ""
    assert not robot.exists("/etc/hedwig/tls")
    robot.run("nginx", "-t")
    until("nginx to leave the port", lambda: ":443 " not in robot.run("ss", "-ltn"))
    assert robot.state("nginx") == "active"
