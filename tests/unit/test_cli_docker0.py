"""`hedwig detect-docker0`: the listen lines follow docker0, and nothing else in the files changes."""

import ipaddress
import os

import pytest
from click.testing import CliRunner

from hedwig.cli import docker0
from hedwig.cli.hedwig import main
from hedwig.cli.sample import sample
from hedwig.interfaces import InterfaceAddress


def interface(name, text):
    network = ipaddress.ip_interface(text)
    return InterfaceAddress(name, str(network.ip), network.network)


DOCKER0 = interface("docker0", "172.30.0.1/16")
ETH0 = interface("eth0", "10.1.2.3/24")


@pytest.fixture
def detect(tmp_path, monkeypatch):
    def call(*arguments, interfaces=(ETH0, DOCKER0), status=0):
        monkeypatch.setattr(docker0, "addresses", lambda: list(interfaces))
        command = ["--config-dir", str(tmp_path), "detect-docker0", "--daemon-json", str(tmp_path / "daemon.json")]
        result = CliRunner(mix_stderr=False).invoke(main, [*command, *arguments])
        assert result.exit_code == status, result.stderr
        return result

    return call


def test_the_interface_counts_before_the_file_and_the_file_before_the_default(detect, tmp_path):
    assert detect("--print").stdout == "172.30.0.1\n"
    assert detect("--print", interfaces=[ETH0]).stdout == "172.17.0.1\n"
    (tmp_path / "daemon.json").write_text('{"bip": "172.26.0.1/16"}')
    assert detect("--print", interfaces=[ETH0]).stdout == "172.26.0.1\n"
    assert detect("--print").stdout == "172.30.0.1\n"


@pytest.mark.parametrize("content", ['{"bip": "x"}', "[]", "{", '{"bip": 3}', "[" * 100_000, '"bip"'])
def test_a_strange_daemon_json_is_none(detect, tmp_path, content):
    (tmp_path / "daemon.json").write_text(content)
    assert detect("--print", interfaces=[]).stdout == "172.17.0.1\n"


def test_the_samples_default_is_written_out(detect, tmp_path):
    """As the packages come nothing stands in `listen:`; then its default takes the new address, in its place."""
    for name in ("mailman", "postoffice"):
        (tmp_path / f"{name}.yml").write_text(sample(name))
    said = detect().stdout
    for name, line in (
        ("mailman", "listen: [172.30.0.1:25]"),
        ("postoffice", "listen: [127.0.0.1:8025, 172.30.0.1:8025]"),
    ):
        changed = set((tmp_path / f"{name}.yml").read_text().splitlines()) - set(sample(name).splitlines())
        assert changed == {line}
        assert f"{name}.yml: listen:" in said
    assert "systemctl reload hedwig-mailman hedwig-postoffice" in said
    assert "nothing was changed" in detect().stdout


def test_only_an_address_that_is_gone_is_replaced(detect, tmp_path):
    text = (
        "# 172.20.0.1 was it\nallow: [172.20.0.1]\nlisten:\n  - 10.1.2.3:25  # eth0\n  - '172.20.0.1:2525' # docker\n"
    )
    (tmp_path / "mailman.yml").write_text(text)
    detect()
    assert (tmp_path / "mailman.yml").read_text() == text.replace("'172.20.0.1:", "'172.30.0.1:")


@pytest.mark.parametrize("listen", ["docker0:25", "0.0.0.0:25", "192.0.3.1:25", '"[2001:db8::1]:25"', "172.30.0.1:25"])
def test_names_public_addresses_and_ipv6_stay(detect, tmp_path, listen):
    (tmp_path / "mailman.yml").write_text(f"listen: {listen}\n")
    detect()
    assert (tmp_path / "mailman.yml").read_text() == f"listen: {listen}\n"


def test_without_docker_nothing_is_guessed_into_a_file(detect, tmp_path):
    (tmp_path / "mailman.yml").write_text("listen: 172.20.0.1:25\n")
    assert "Nothing was changed" in detect(interfaces=[ETH0]).stdout
    assert (tmp_path / "mailman.yml").read_text() == "listen: 172.20.0.1:25\n"


def test_two_that_are_gone_need_a_word(detect, tmp_path):
    (tmp_path / "mailman.yml").write_text("listen: [172.20.0.1:25, 172.21.0.1:25]\n")
    assert "--old 172.20.0.1 or 172.21.0.1" in detect(status=1).stderr
    detect("--old", "172.21.0.1")
    assert (tmp_path / "mailman.yml").read_text() == "listen: [172.20.0.1:25, 172.30.0.1:25]\n"


def test_a_broken_file_is_named(detect, tmp_path):
    (tmp_path / "mailman.yml").write_text("listen: [172.20.0.1:25\n")
    assert "mailman.yml:1" in detect(status=1).stderr


def test_what_is_there_already_is_not_written_twice(detect, tmp_path):
    """A list with the same place twice would be a broken file at the next reload."""
    text = "listen: [172.20.0.1:25, 172.30.0.1:25]\n"
    (tmp_path / "mailman.yml").write_text(text)
    (tmp_path / "postoffice.yml").write_text("listen: [172.20.0.1:8025]\n")
    said = detect(status=1).stderr
    assert "`listen:` has 172.30.0.1:25 already: take 172.20.0.1 out of it by hand" in said
    assert (tmp_path / "mailman.yml").read_text() == text
    assert (tmp_path / "postoffice.yml").read_text() == "listen: [172.20.0.1:8025]\n", "all changes are made, or none"


def test_both_ports_of_one_address_move(detect, tmp_path):
    (tmp_path / "mailman.yml").write_text("listen: [172.20.0.1:25, 172.20.0.1:2525]\n")
    detect()
    assert (tmp_path / "mailman.yml").read_text() == "listen: [172.30.0.1:25, 172.30.0.1:2525]\n"


@pytest.mark.parametrize(
    ("old", "status", "said"), [("x", 2, "no IPv4 address"), ("172.20.0.9", 1, "is in no `listen:`")]
)
def test_an_old_address_that_makes_no_sense(detect, tmp_path, old, status, said):
    (tmp_path / "mailman.yml").write_text("listen: [172.20.0.1:25]\n")
    assert said in detect("--old", old, status=status).stderr
    assert (tmp_path / "mailman.yml").read_text() == "listen: [172.20.0.1:25]\n"


def test_interfaces_that_cant_be_looked_at(detect, tmp_path, monkeypatch):
    (tmp_path / "mailman.yml").write_text("listen: [172.20.0.1:25]\n")

    def broken():
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(docker0, "addresses", broken)
    result = CliRunner(mix_stderr=False).invoke(main, ["--config-dir", str(tmp_path), "detect-docker0"])
    assert (result.exit_code, "can't look at this host's interfaces: Too many open files" in result.stderr) == (1, True)


def test_owner_and_mode_stay_but_for_others(detect, tmp_path):
    """It may hold a key: what everybody could read is closed with the first change."""
    file = tmp_path / "mailman.yml"
    file.write_text("listen: [172.20.0.1:25]\n")
    file.chmod(0o664)
    os.chown(file, 65534, 65534)
    detect()
    status = file.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (65534, 65534, 0o660)
    assert os.listdir(tmp_path) == ["mailman.yml"]
