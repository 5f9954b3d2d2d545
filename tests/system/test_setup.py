"""`hedwig setup` on a new host, answered as an operator would: it ends with a signed, aligned, delivered letter."""

import re

import dkim
import pytest
from journey.waiting import until

from .hosts import DELIVERS, Hosts
from .machine import Machine
from .outside import Outside
from .terminal import typed

_RECIPIENT = "stenote@163.com"
# The rest of the screen may be in either language.
_RECORD = re.compile(r'^(\S+)\. 3600 IN TXT (?:"([^"\n]*)"|\(\n((?: +"[^"\n]*"\n)+)\))', re.MULTILINE)


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """`apt install hedwig`, and nothing else."""
    return hosts.complete(DELIVERS)


@pytest.fixture(scope="module")
def screen(robot: Machine) -> str:
    """What the guide said. What it guesses is right but for the domain, which would be genee.cn."""
    answers = [
        ("behind the @", f"{DELIVERS}\n"),
        (f"EHLO) [{DELIVERS}]", "\n"),
        ("[203.0.113.10]", "\n"),
        ("test letter", f"{_RECIPIENT}\n"),
    ]
    return typed(robot, "hedwig setup", answers)


def records(screen: str) -> dict[str, bytes]:
    """The TXT records of the zone file that it printed."""
    return {
        name: "".join(re.findall(r'"([^"\n]*)"', strings) if strings else [plain]).encode()
        for name, plain, strings in _RECORD.findall(screen.replace("\r", ""))
    }


def test_it_ends_with_a_signed_aligned_delivered_letter(hosts: Hosts, outside: Outside, screen: str) -> None:
    """Both signatures are believed by whom the printed records are given to; envelope, From and d= are one domain."""
    [letter] = [each for each in outside.far.accepted() if _RECIPIENT in each.rcpttos]
    assert letter.mailfrom == f"postmaster@{DELIVERS}"
    assert f"From: postmaster@{DELIVERS}\r\n" in letter.header
    published = records(screen)
    assert f"_dmarc.{DELIVERS}" in published
    assert published[DELIVERS] == b"v=spf1 ip4:203.0.113.10 ~all"
    for number in range(2):
        verifier = dkim.DKIM(letter.content)
        assert verifier.verify(idx=number, dnsfunc=lambda name, timeout=5: published.get(name.decode().rstrip(".")))
        assert verifier.signature_fields[b"d"] == DELIVERS.encode()
    assert "delivered" in screen


def test_the_daemons_have_it(robot: Machine, screen: str) -> None:
    """Workers were reloaded, and the files are closed to others."""
    assert "Then: systemctl" not in screen
    assert f"\nehlo: {DELIVERS}\n" in robot.run("cat", "/etc/hedwig/worker.yml")
    modes = robot.run("find", "/etc/hedwig/dkim", "-printf", "%M %u:%g %y\n")
    assert set(modes.split("\n")) <= {"drwxr-x--- root:hedwig d", "-rw-r----- root:hedwig f", ""}


def test_by_options_in_chinese(robot: Machine, outside: Outside, screen: str) -> None:
    """For Ansible: nobody is asked, and what is right stays as it is."""
    before = robot.run("sha256sum", "/etc/hedwig/worker.yml")
    options = f"--domain {DELIVERS} --ehlo {DELIVERS} --source 203.0.113.10 --test-letter zwei@163.com"
    said = robot.shell(f"LANG=zh_CN.UTF-8 hedwig setup {options} </dev/null")
    assert "本来就对" in said and said.count(": 已有") == 2
    assert records(said) == records(screen)
    until("the second letter", lambda: outside.far.has("zwei@163.com"))
    assert robot.run("sha256sum", "/etc/hedwig/worker.yml") == before
