"""README.md's install section, word for word, on new machines: it ends with a delivered letter.

What is typed is what the page shows, in its order: the names, addresses and networks of its examples are those of these
machines, and the archive is where it says. Only the lines for ufw are left out, which are for hosts where that runs.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from journey.network import tool
from journey.waiting import until
from packages.clone import ROOT, other_clone

from .archive import Archive
from .hosts import DAEMONS, DELIVERS, SENDS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside
from .readme import PAGES, blocks, under
from .terminal import END, typed

_GO_ON = ("[Y/n]", "y\n")
_RECIPIENT = "stenote@163.com"
# A user without any rights, whose clone is /srv/hedwig and who may write in /srv/www; that a web server shows.
_AS_USER = """
mount -t tmpfs tmpfs /srv
mkdir /srv/www /srv/hedwig /srv/user
mount --bind "$1" /srv/www
mount --bind "$2" /srv/hedwig
chown nobody: /srv/user /srv/www
chown -R nobody: /srv/hedwig
cd /srv/hedwig
exec setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs \
    env -i HOME=/srv/user PATH=/usr/bin:/bin bash -euc "$3"
"""


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that https://apt.genee.cn/ shows."""
    return tmp_path_factory.mktemp("www")


@pytest.fixture(scope="module")
def archive(www: Path, outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """The web server; it stands in the internet of these tests."""
    made = Archive(www, tmp_path_factory.mktemp("archive"))
    yield made
    made.close()


def _new_host(hosts: Hosts, archive: Archive, fqdn: str, docker: bool = True) -> Machine:
    """A host that has our archive, by the lines of the page."""
    machine = hosts.boot(fqdn, docker=docker)
    archive.trusted_by(machine)
    for line in under("The packages")[1].commands():
        typed(machine, line)
    return machine


def _type_all(machine: Machine, lines: list[str]) -> str:
    """Type lines of the page; apt's question is answered with yes. What the screen showed."""
    return "".join(typed(machine, line, [_GO_ON] if line.startswith("apt install") else []) for line in lines)


def _send_the_sample(hosts: Hosts, machine: Machine, outside: Outside, address: str = "172.17.0.2") -> None:
    """The section on msmtp, in a container: the letter arrives."""
    config, letter = under("In the container")
    machine.path("/etc/msmtprc").write_text(config.text)
    before = outside.far.copies()[_RECIPIENT]
    command = machine.command("bash", "-euc", letter.text, network=outside.container(machine, address))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    until("the letter", lambda: outside.far.copies()[_RECIPIENT] == before + 1, 60)


def test_both_pages_say_the_same() -> None:
    """What is typed below is what a reader of Chinese types, under the same headings."""
    english, chinese = (_outline(page) for page in PAGES)
    assert english == chinese
    assert len(english) > 5


def _outline(page: str) -> list[tuple[int, str, list[str]]]:
    """Each block: its heading's number, its language, what is typed."""
    found = blocks(page)
    headings = list(dict.fromkeys(block.heading for block in found))
    return [(headings.index(block.heading), block.language, block.commands()) for block in found]


def test_the_packages(prepared: Path, www: Path, tmp_path: Path) -> None:
    """`make repo` in a clone, as a user without rights: a repository, and the lines that the page shows for hosts."""
    clone = other_clone(tmp_path / "hedwig")
    # What pip has fetched before: here it can't.
    shutil.copytree(ROOT / "build/sdist", clone / "build/sdist")
    command = [tool("unshare"), "--mount", "--propagation", "private", "sh", "-euc", _AS_USER, "user"]
    build, host = under("The packages")
    done = subprocess.run(
        [*command, str(www), str(clone), build.text], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.text in done.stdout
    assert (www / "hedwig/InRelease").exists()


def test_everything_on_one_host(hosts: Hosts, archive: Archive, outside: Outside) -> None:
    """`apt install hedwig`, and a container's letter arrives; then the lines on running it do what they say."""
    robot = _new_host(hosts, archive, DELIVERS)
    _type_all(robot, under("Everything on one host")[0].commands())
    _send_the_sample(hosts, robot, outside)
    for line in under("Running it")[0].commands():
        said = robot.shell(line)
        if line.startswith("systemctl status"):
            assert "accepted" in said
    robot.wait_for(*DAEMONS, *WORKERS, "hedwig-worker@4")
    robot.wait_for("hedwig-worker@3", state="inactive")
    robot.shell("systemctl disable --now beanstalkd")
    _send_the_sample(hosts, robot, outside, "172.17.0.3")
    hosts.unplug(robot)


def test_first_day(hosts: Hosts, archive: Archive, outside: Outside) -> None:
    """The postoffice host, then a Docker host: its container's letter arrives."""
    delivering, docker_host = under("First day")
    robot = _new_host(hosts, archive, DELIVERS, docker=False)
    said = _type_all(robot, delivering.commands())
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
    certificate = begin + said.partition(begin)[2].partition(end)[0] + end
    told = [line for line in said.splitlines() if line.startswith(("fqdn: ", "postoffice: ", "key: "))]
    assert told[0] == f"fqdn: {SENDS}"

    less = _new_host(hosts, archive, SENDS)
    install, file, setup, *rest = docker_host.commands()
    typed(less, install, [_GO_ON])
    typed(less, file, [("", certificate + END)])
    # The last space comes when the terminal has ceased to show what is typed, and to keep what was typed before.
    questions = ("This host's name", "The postoffice's URL", "The key that it printed: ")
    shown = typed(less, setup, [(question, f"{line}\n") for question, line in zip(questions, told, strict=True)])
    assert f"takes mail from {SENDS}" in shown
    assert told[2].removeprefix("key: ") not in shown, "the key is typed unseen"
    pasted = typed(less, setup, [(questions[0], "".join(f"{line}\n" for line in told))])
    assert "already so" in pasted
    _type_all(less, rest)
    _send_the_sample(hosts, less, outside)
