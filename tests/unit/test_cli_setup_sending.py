"""`hedwig setup` on the host that delivers: questions or options, worker.yml, keys, records; in either language."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
from cli_rig import Hedwig
from click.testing import Result

from hedwig import config
from hedwig.cli import setup_sending
from hedwig.cli.dns_records import Record, records
from hedwig.cli.sample import sample
from hedwig.worker import myself

OPTIONS = ("--domain", "genee.cn", "--ehlo", "robot.genee.cn", "--test-letter", "", "--no-doctor")
Setup = Callable[..., Result]


@pytest.fixture
def setup(hedwig: Hedwig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """On a host whose address is 192.0.2.7, and which has 192.0.2.8 too; as `hedwig-worker` leaves its file."""
    (tmp_path / "worker.yml").write_text(sample("worker"))
    monkeypatch.setattr(myself, "source_address", lambda: "192.0.2.7")
    monkeypatch.setattr(myself, "own_addresses", lambda: ["192.0.2.7", "192.0.2.8", "::1"])
    monkeypatch.setattr(setup_sending, "_ipv6", list)
    monkeypatch.setattr("socket.getfqdn", lambda: "robot.genee.cn")
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)

    return partial(hedwig, "setup")


def test_it_asks_and_guesses(setup: Setup, tmp_path: Path) -> None:
    """An empty answer takes what is guessed; the rest of the file stays to the letter."""
    said = setup("--no-doctor", answer="\n\n\n\n")
    for question in ("[genee.cn]", "[robot.genee.cn]", "[192.0.2.7]", "test letter"):
        assert question in said.stderr
    loaded = config.load_worker(tmp_path / "worker.yml")
    assert (loaded.ehlo, loaded.sources) == ("robot.genee.cn", {})
    before, after = sample("worker").splitlines(), (tmp_path / "worker.yml").read_text().splitlines()
    assert [old for old, new in zip(before, after, strict=True) if old != new] == ['#ehlo: ""']


def test_the_second_time_nothing_is_changed(setup: Setup, tmp_path: Path) -> None:
    """Neither settings nor keys: for Ansible."""
    setup(*OPTIONS)
    keys = {file: file.read_bytes() for file in (tmp_path / "dkim").rglob("*.pem")}
    assert len(keys) == 2
    said = setup(*OPTIONS).stdout
    assert "already so" in said and said.count("already there") == 2
    assert {file: file.read_bytes() for file in (tmp_path / "dkim").rglob("*.pem")} == keys


def test_a_wrong_answer_is_asked_for_again(setup: Setup, tmp_path: Path) -> None:
    said = setup(
        "--no-doctor", answer="genee\nmy domain\ngenee.cn\nrobot\nrobot.genee.cn\n999.1.1.1\n192.0.2.7\nnobody\n\n"
    )
    assert said.stderr.count("Error: ") == 5
    assert config.load_worker(tmp_path / "worker.yml").ehlo == "robot.genee.cn"


def test_nobody_to_ask(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be guessed must be an option; nothing is written without it."""
    monkeypatch.setattr("socket.getfqdn", lambda: "robot")
    monkeypatch.setattr(click, "prompt", _nobody)
    before = (tmp_path / "worker.yml").read_text()
    assert "give --domain" in setup(status=2).stderr
    assert (tmp_path / "worker.yml").read_text() == before and not (tmp_path / "dkim").exists()


def _nobody(*_arguments: Any, **_options: Any) -> str:
    raise click.Abort


def test_another_address_of_the_host(setup: Setup, tmp_path: Path) -> None:
    """Becomes a source."""
    assert "192.0.2.8" in setup(*OPTIONS, "--source", "192.0.2.8").stdout
    assert config.load_worker(tmp_path / "worker.yml").sources["main"].ipv4 == "192.0.2.8"
    assert "already so" in setup(*OPTIONS, "--source", "192.0.2.8").stdout


def test_an_address_behind_nat_is_kept(setup: Setup, tmp_path: Path) -> None:
    """Doctor goes by it each week, and the next run of setup offers it."""
    said = setup(*OPTIONS, "--source", "203.0.113.9").stdout
    assert "by NAT" in said and '"v=spf1 ip4:203.0.113.9 ~all"' in said
    loaded = config.load_worker(tmp_path / "worker.yml")
    assert (loaded.doctor.addresses, loaded.sources) == (("203.0.113.9",), {})
    again = setup("--no-doctor", answer="\n\n\n\n")
    assert "[203.0.113.9]" in again.stderr and '"v=spf1 ip4:203.0.113.9 ~all"' in again.stdout


def test_an_address_that_setup_wrote_can_be_another(setup: Setup, tmp_path: Path) -> None:
    """Typed wrong, moved, and moved to an address of the host: nothing else of the file is touched, and a section that
    the admin has made their own is left to them."""
    file = tmp_path / "worker.yml"
    for address, addresses, sources in (
        ("203.0.113.8", ("203.0.113.8",), []),
        ("203.0.113.9", ("203.0.113.9",), []),
        ("192.0.2.8", (), ["192.0.2.8"]),
        ("192.0.2.7", (), ["192.0.2.7"]),
    ):
        setup(*OPTIONS, "--source", address)
        loaded = config.load_worker(file)
        assert (loaded.doctor.addresses, [one.ipv4 for one in loaded.sources.values()]) == (addresses, sources)
    assert [
        line for line in file.read_text().splitlines() if not line.startswith(("doctor:", "sources:", "ehlo:"))
    ] == [line for line in sample("worker").splitlines() if not line.startswith(("#doctor:", "#sources:", "#ehlo:"))]
    text = file.read_text().replace("addresses: []", "addresses: [203.0.113.9], receivers: [qq.com]")
    file.write_text(text)
    assert "write there by hand: addresses: []" in setup(*OPTIONS, "--source", "192.0.2.7", status=1).stderr
    assert file.read_text() == text


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.1.1"])
def test_no_mail_leaves_from_such_an_address(setup: Setup, tmp_path: Path, address: str) -> None:
    assert "no mail can leave from" in setup(*OPTIONS, "--source", address, status=2).stderr
    assert (tmp_path / "worker.yml").read_text() == sample("worker")


def test_sources_of_the_admins_are_not_overruled(setup: Setup, tmp_path: Path) -> None:
    setup(*OPTIONS, "--source", "192.0.2.8")
    text = (tmp_path / "worker.yml").read_text().replace("{main: {", "{main: {ipv6: 2001:db8::7, ")
    (tmp_path / "worker.yml").write_text(text)
    _refused_by_hand(setup, tmp_path, text)


def test_a_section_in_lines_of_its_own_is_the_admins(setup: Setup, tmp_path: Path) -> None:
    """With a blank behind its colon, too."""
    text = "sources: \n  main: {ipv4: 198.51.100.4}\n  other: {ipv4: 198.51.100.5}\n"
    (tmp_path / "worker.yml").write_text(text)
    _refused_by_hand(setup, tmp_path, text)


def _refused_by_hand(setup: Setup, tmp_path: Path, text: str) -> None:
    assert (
        "has `sources` already: write there by hand: main: {ipv4"
        in setup(*OPTIONS, "--source", "192.0.2.7", status=1).stderr
    )
    assert (tmp_path / "worker.yml").read_text() == text


def test_a_file_with_faults_is_not_touched(setup: Setup, tmp_path: Path) -> None:
    (tmp_path / "worker.yml").write_text("elho: robot.genee.cn\n")
    assert "Nothing was changed" in setup(*OPTIONS, status=1).stderr
    assert (tmp_path / "worker.yml").read_text() == "elho: robot.genee.cn\n"


def test_records_are_in_both_forms(setup: Setup) -> None:
    """The key's record is one line for a panel, and strings of 255 octets at the most in a zone file."""
    said = setup(*OPTIONS).stdout
    zone, panel = said.split("The same for a web panel:")
    assert max(len(each) for each in re.findall(r'"([^"]*)"', zone)) <= 255
    assert re.search(r"v=DKIM1; k=rsa; p=[A-Za-z0-9+/=]{300,}\n", panel)
    for line in ("robot.genee.cn. 3600 IN A 192.0.2.7", "7.2.0.192.in-addr.arpa. 3600 IN PTR robot.genee.cn."):
        assert line in zone


def test_in_chinese(setup: Setup) -> None:
    said = setup(*OPTIONS, env={"LANG": "zh_CN.UTF-8"}).stdout
    assert "DNS 记录" in said and "已写入" in said and "Settings" not in said


def test_it_is_for_the_host_that_delivers(setup: Setup, tmp_path: Path) -> None:
    (tmp_path / "worker.yml").unlink()
    assert "there is no worker.yml here" in setup(*OPTIONS, status=1).stderr


def test_a_letter_without_a_postoffice(setup: Setup) -> None:
    options = (*OPTIONS[:4], "--no-doctor", "--test-letter", "stenote@163.com")
    said = setup(*options, status=1)
    assert "no postoffice of its own" in said.stderr and "daemons were not reloaded" in said.stdout


def test_records() -> None:
    """A, AAAA and PTR of the host, SPF of domain and host, keys, DMARC; none of a host that has no name."""
    key = Record("s._domainkey.genee.cn", "TXT", "v=DKIM1; p=", zone="as it is")

    def made(ehlo: str) -> list[Any]:
        return [each.in_zone() for each in records("genee.cn", ehlo, ["192.0.2.7", "2001:db8::7"], [key])]

    spf = '3600 IN TXT "v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 {}all"'
    ends = ["as it is", '_dmarc.genee.cn. 3600 IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@genee.cn"']
    assert made("[192.0.2.7]") == [f"genee.cn. {spf.format('~')}", *ends]
    assert made("genee.cn")[4:] == [f"genee.cn. {spf.format('~')}", *ends]
    nibbles = "7" + ".0" * 23 + ".8.b.d.0.1.0.0.2"
    assert made("robot.genee.cn") == [
        "robot.genee.cn. 3600 IN A 192.0.2.7",
        "robot.genee.cn. 3600 IN AAAA 2001:db8::7",
        "7.2.0.192.in-addr.arpa. 3600 IN PTR robot.genee.cn.",
        f"{nibbles}.ip6.arpa. 3600 IN PTR robot.genee.cn.",
        f"genee.cn. {spf.format('~')}",
        f"robot.genee.cn. {spf.format('-')}",
        *ends,
    ]


@pytest.mark.parametrize("address", ["10.0.0.5", "192.168.1.2", "100.64.0.1", "240.0.0.1", "255.255.255.255"])
def test_an_inner_address_is_not_what_receivers_see(setup: Setup, tmp_path: Path, address: str) -> None:
    assert "is an inner address" in setup(*OPTIONS, "--source", address, status=2).stderr
    assert (tmp_path / "worker.yml").read_text() == sample("worker")


def test_behind_nat_the_hosts_own_address_is_not_offered(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(myself, "source_address", lambda: "10.0.0.5")
    said = setup(*OPTIONS, answer="\n10.0.0.5\n198.51.100.9\n")
    assert "[10.0.0.5]" not in said.stderr and "10.0.0.5 is an inner address" in said.stderr
    printed = said.stdout.partition("Settings")[2]
    assert "198.51.100.9" in printed and "10.0.0.5" not in printed
