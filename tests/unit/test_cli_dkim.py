"""`hedwig dkim`: what is made, listed, checked and rotated; DNS is a real one (nsd behind unbound)."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cli_rig import Hedwig
from click.testing import Result
from dns_fixtures import DnsServers

from hedwig.cli import at_signer, dkim_keys, reloading
from hedwig.config.dkim import load_keys

Call = Callable[..., Result]


@pytest.fixture
def call(hedwig: Hedwig) -> Call:
    return partial(hedwig, "dkim")


def made(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Serve these lines of a zone, and have worker.yml ask there."""
    running: list[DnsServers] = []

    def start(records: str) -> None:
        for each in running:
            each.close()
        server = DnsServers(tmp_path / f"dns{len(running)}", zones={"": f"ns.root. IN A 127.0.0.1\n{records}"})
        running.append(server)
        (tmp_path / "worker.yml").write_text(f"dns: {{nameservers: [{server.address}], port: {server.port}}}\n")

    yield start
    for each in running:
        each.close()


def test_new_keys_sign_and_are_nobody_elses(call: Call, tmp_path: Path) -> None:
    found = made(call("new", "Example.COM", "--selector", "s1", "--json"))
    assert [(each["selector"], each["state"]) for each in found] == [("s1-rsa", "signs"), ("s1-ed25519", "signs")]
    keys = load_keys(tmp_path / "dkim").of("example.com")
    assert [(key.selector, key.bits) for key in keys] == [("s1-rsa", 2048), ("s1-ed25519", 0)]
    for each in found:
        assert stat.S_IMODE(Path(each["file"]).stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "dkim").stat().st_mode) == 0o750


def test_what_is_printed_can_be_pasted(call: Call) -> None:
    result = call("new", "example.com", "--ed25519", "--selector", "e")
    record = next(line for line in result.stdout.splitlines() if line.startswith("    value  "))
    assert f'e._domainkey.example.com. 3600 IN TXT "{record[11:]}"' in result.stdout.splitlines()
    assert "PRIVATE" not in result.stdout + result.stderr
    assert "systemctl reload hedwig-postoffice 'hedwig-worker@*'" in result.stderr


def test_another_algorithm_is_added_and_the_same_refused(call: Call) -> None:
    call("new", "example.com", "--rsa", "--selector", "s")
    assert "hedwig dkim rotate example.com" in call("new", "example.com", "--rsa", status=1).stderr
    assert "choose another selector" in call("new", "example.com", "--ed25519", "--selector", "s", status=1).stderr
    call("new", "example.com", "--ed25519", "--selector", "t")
    assert [each["selector"] for each in made(call("list", "--json"))] == ["s", "t"]


@pytest.mark.parametrize("domain", ["com", "../x.y", "a b.example", "example.com/..", "-x.example"])
def test_what_is_no_domain_is_refused(call: Call, tmp_path: Path, domain: str) -> None:
    call("new", "--", domain, status=2)
    assert not (tmp_path / "dkim").exists()


@pytest.mark.parametrize("selector", ["../x", "a_b", "", "a..b", "x" * 101])
def test_what_is_no_selector_is_refused(call: Call, tmp_path: Path, selector: str) -> None:
    call("new", "example.com", "--selector", selector, status=2)
    assert not (tmp_path / "dkim").exists()


def test_an_international_domain_is_known_by_its_a_labels(call: Call) -> None:
    assert made(call("new", "例子.example", "--ed25519", "--json"))[0]["domain"] == "xn--fsqu00a.example"


def test_check_says_what_dns_has(call: Call, serve: Callable[[str], None]) -> None:
    assert call("check", status=1).stdout == "No key: hedwig dkim new DOMAIN\n"
    rsa, ed = made(call("new", "example.com", "--selector", "s", "--json"))
    serve(rsa["zone"] + f'\n{ed["name"]}.example.com. TXT "{ed["value"]}"')
    shown = call("check", "example.com", status=1).stdout.splitlines()
    assert "s-rsa._domainkey.example.com (signs)  ok" in shown
    assert "    -> in the panel, name it s-ed25519._domainkey" in shown
    serve(rsa["zone"] + "\n" + ed["zone"])
    assert [each["sound"] for each in made(call("check", "--json"))] == [True, True]


def test_a_resolver_that_is_gone_is_said_to_be(call: Call, tmp_path: Path) -> None:
    call("new", "example.com", "--ed25519")
    (tmp_path / "worker.yml").write_text("dns: {nameservers: [127.0.0.1], port: 1}\n")
    assert "DNS gives no answer" in call("check", status=1).stdout


def test_a_rotation_from_end_to_end(
    call: Call, serve: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = made(call("new", "example.com", "--ed25519", "--selector", "old", "--json"))
    serve(old["zone"])
    (new,) = made(call("rotate", "example.com", "--json"))["made"]
    assert new["selector"] != "old"
    assert "Nothing was changed" in call("rotate", "example.com", status=1).stderr
    assert [key.selector for key in load_keys(tmp_path / "dkim")] == ["old"]
    serve(old["zone"] + "\n" + new["zone"])
    shown = call("rotate", "example.com").stdout
    assert f"{new['name']}: signs from the next reload on" in shown
    assert "old._domainkey.example.com: retired; leave its record in DNS until" in shown
    assert [key.selector for key in load_keys(tmp_path / "dkim")] == [new["selector"]]
    again = call("rotate", "example.com").stdout
    assert "old._domainkey.example.com: retired; leave its record in DNS until" in again
    assert len(made(call("list", "--json"))) == 2, "who asks once too often begins no other rotation"
    monkeypatch.setattr(dkim_keys, "KEEP", -1)  # seven days later
    assert "old._domainkey.example.com: the key is deleted" in call("rotate", "example.com").stdout
    assert [each["state"] for each in made(call("list", "--json"))] == ["signs"]


def test_a_rotation_can_be_forced_and_needs_a_key(call: Call) -> None:
    assert "hedwig dkim new example.com" in call("rotate", "example.com", status=1).stderr
    call("new", "example.com", "--ed25519", "--selector", "a")
    call("rotate", "example.com")
    call("rotate", "example.com", "--force")
    assert sorted(each["state"] for each in made(call("list", "--json"))) == ["retired", "signs"]


def test_a_damaged_key_is_named(call: Call, tmp_path: Path) -> None:
    (found,) = made(call("new", "example.com", "--ed25519", "--json"))
    Path(found["file"]).write_text("x")
    for command in (["list"], ["check"], ["rotate", "example.com"]):
        assert f"{found['file']}: it is no private key" in call(*command, status=1).stderr


def test_a_fault_hides_no_other_key(call: Call, tmp_path: Path) -> None:
    """What is sound is shown; the fault is named, and counts where it is of what was asked for."""
    call("new", "good.example", "--ed25519", "--selector", "s")
    call("new", "bad.example", "--ed25519", "--selector", "s")
    (tmp_path / "dkim" / "bad.example" / "s.pem").write_text("x")
    (tmp_path / "dkim" / "Bad_Dir").mkdir()
    one = call("list", "good.example")
    assert one.stdout.startswith("s._domainkey.good.example  ed25519, signs\n")
    assert one.stderr.count("warning: ") == 2 and "take no new keys" in one.stderr
    every = call("list", status=1)
    assert "s._domainkey.good.example  ed25519, signs\n" in every.stdout
    assert "Bad_Dir: its name is no domain" in every.stderr and "bad.example/s.pem: it is no private" in every.stderr
    assert [each["domain"] for each in made(call("list", "--json", status=1))] == ["good.example"]
    other = call("list", "bad.example", status=1)
    assert (other.stdout, other.stderr.count("Error: ")) == ("", 1)
    assert "Bad_Dir" in call("new", "third.example", "--ed25519").stderr
    call("rotate", "good.example")


def test_in_chinese(call: Call, serve: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it; what a program reads stays English."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "没有密钥：hedwig dkim new DOMAIN" in call("list").stdout
    said = call("new", "example.com", "--ed25519", "--selector", "s")
    assert "写在区域文件" in said.stdout and "已生成" in said.stderr and "然后运行：systemctl reload" in said.stderr
    assert "s._domainkey.example.com  ed25519, 签名中" in call("list").stdout
    serve('s._domainkey.example.com. TXT "v=DKIM1; p="')
    shown = call("check", status=1).stdout
    assert "不对：记录表明此密钥已作废" in shown and "-> 写入 example.com 的 DNS 区，替换原有记录：\n" in shown
    (found,) = made(call("check", "--json", status=1))
    assert found["wrong"].startswith("the record says that this key is revoked")
    assert found["mend"].startswith("s._domainkey.example.com. IN TXT ") and "in place of" in found["where"]
    assert "旧密钥继续签名" in call("rotate", "example.com").stdout
    assert "什么都没有改" in call("rotate", "example.com", status=1).stderr
    assert "已退役" in call("rotate", "example.com", "--force").stdout


def test_daemons_are_reloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where systemd runs and the files are those of its units."""
    said = tmp_path / "said"
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$@" >{said}\n')
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(reloading, "SYSTEMD", tmp_path)
    monkeypatch.setattr(reloading, "CONFIG", tmp_path)
    at_signer.reload(tmp_path)
    assert said.read_text() == "try-reload-or-restart hedwig-postoffice hedwig-worker@*\n"
    assert capsys.readouterr().err == "reloaded: hedwig-postoffice, hedwig-worker@*\n"
