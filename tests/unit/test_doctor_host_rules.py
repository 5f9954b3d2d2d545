"""The doctor's rules for the host itself, its resolver and its clock, by table."""

from pathlib import Path
from typing import Any

import pytest
from doctor_rig import same

from hedwig.config import Problem
from hedwig.doctor import file_rules, host_rules, network_rules
from hedwig.doctor.file_rules import Certificate, Handshake, Secret
from hedwig.doctor.finding import Finding, Text, Unknown
from hedwig.doctor.host_rules import MIB, Disk, Place, SpoolState, Unit
from hedwig.doctor.look.host import read_units
from hedwig.doctor.network_rules import Clock, Nameservers
from hedwig.settings import Alerts, WebhookRule

DEAD = Unknown("nobody answers", gone=True)


@pytest.mark.parametrize(
    ("facts", "grade", "words"),
    [
        ({"secure": True}, "pass", "validates"),
        ({"alive": DEAD}, "fail", "no answer"),
        ({"absent": ("192.0.2.66",)}, "fail", "does not exist"),
        ({"servers": ("8.8.8.8",)}, "warn", "public resolver"),
        ({"servers": ("192.0.2.53",)}, "warn", "not on this host"),
        ({"servers": ("192.0.2.53",), "dane": False}, "pass", ""),
        ({"bogus": ("192.0.2.1",)}, "warn", "signatures are wrong"),
        ({}, "warn", "does not validate"),
        ({"dane": False}, "pass", ""),
    ],
)
def test_resolver(facts: dict[str, Any], grade: str, words: str) -> None:
    known: dict[str, Any] = {"servers": ("127.0.0.1",), "alive": ("ns.",)} | facts
    same(network_rules.judge_resolver(Nameservers(**known)), grade, words)


@pytest.mark.parametrize(
    ("clock", "grade", "words"),
    [
        (Clock(True, 0.2, "ntp"), "pass", "0.2 s"),
        (Clock(True, None, "ntp", Text("x", "x")), "pass", "systemd"),
        (Clock(True, 90.0, "ntp"), "fail", "90 s behind"),
        (Clock(None, -90.0, "ntp"), "fail", "90 s ahead"),
        (Clock(False, 0.2, "ntp"), "warn", "not kept right"),
        (Clock(None, None, "ntp", Text("no answer", "没有应答")), "skipped", "no answer"),
    ],
)
def test_clock(clock: Clock, grade: str, words: str) -> None:
    same(network_rules.judge_clock(clock), grade, words)


@pytest.mark.parametrize(
    ("found", "grade", "mend"),
    [
        (host_rules.judge_unit(Unit("u", "loaded", "active", "enabled")), "pass", ""),
        (host_rules.judge_unit(Unit("u", "loaded", "active", "disabled")), "warn", "systemctl enable u"),
        (host_rules.judge_unit(Unit("u", "loaded", "inactive")), "fail", "systemctl enable --now u"),
        (host_rules.judge_unit(Unit("u", "loaded", "failed", result="exit-code")), "fail", "journalctl -u u"),
        (host_rules.judge_unit(Unit("u", "masked", "inactive")), "fail", "systemctl unmask u"),
        (host_rules.judge_unit(Unit("u", "not-found", "inactive")), "fail", "daemon-reload"),
        (host_rules.judge_place(Place("mailman", "x:25")), "pass", ""),
        (
            host_rules.judge_place(Place("mailman", "x:25", Text("refused", "拒绝"))),
            "fail",
            "systemctl restart hedwig-mailman",
        ),
        (host_rules.judge_place(Place("mailman", "x:25", here=False)), "warn", "systemctl start docker"),
        (host_rules.judge_disk(Disk("/x", 50_000 * MIB, 100_000 * MIB, 50, 100)), "pass", ""),
        (host_rules.judge_disk(Disk("/x", 900 * MIB, 100_000 * MIB, 50, 100)), "fail", "du "),
        (host_rules.judge_disk(Disk("/x", 3000 * MIB, 100_000 * MIB, 50, 100)), "warn", "du "),
        (host_rules.judge_disk(Disk("/x", 50_000 * MIB, 100_000 * MIB, 1, 100)), "fail", "du "),
        (host_rules.judge_disk(Disk("/x", 50_000 * MIB, 100_000 * MIB)), "pass", ""),
        (host_rules.judge_spool(SpoolState("/x/s.db", "mailman", fault="broken")), "fail", "hedwig spool salvage"),
        (host_rules.judge_spool(SpoolState("/x/s.db", "mailman", trouble="closed")), "fail", "chown"),
        (host_rules.judge_waiting(SpoolState("/x", "postoffice", waiting=3, oldest=9000), 3600), "warn", "hedwig top"),
        (host_rules.judge_waiting(SpoolState("/x", "mailman", waiting=3, oldest=9000), 3600), "warn", "hedwig spool"),
        (host_rules.judge_waiting(SpoolState("/x", "mailman", waiting=3, oldest=9), 3600), "pass", ""),
        (host_rules.judge_workers(0, 2), "fail", "systemctl enable --now"),
        (host_rules.judge_workers(2, 2), "pass", ""),
        (host_rules.judge_workers(40, 2), "warn", ""),
        (file_rules.judge_config("x.yml", [Problem("x.yml", 3, "k", "bad", "chmod 1 f")])[0], "fail", "chmod 1 f"),
        (file_rules.judge_secret(Secret("/f", 0o644, "root:root")), "fail", "chmod o-rwx /f"),
        (file_rules.judge_secret(Secret("/f", 0o660, "root:hedwig")), "fail", "chmod go-w /f"),
        (file_rules.judge_secret(Secret("/f", 0o600, "root:root", reads=False)), "fail", "chown root:hedwig /f"),
        (file_rules.judge_secret(Secret("/f", 0o640, "root:hedwig", reads=True)), "pass", ""),
        (file_rules.judge_hook_secret("/alerts.yml"), "warn", "LoadCredential=hook:/etc/hedwig/hook.secret"),
        (file_rules.judge_handshake(Handshake("http://p/", "a", ("key",))), "fail", "hedwig setup"),
        (file_rules.judge_handshake(Handshake("http://p/", "a", status=401)), "fail", "hedwig key add a"),
        (file_rules.judge_handshake(Handshake("http://p/", "a", trouble="x")), "fail", "curl -v http://p/healthz"),
        (file_rules.judge_handshake(Handshake("http://p/", "a", taken=True)), "pass", ""),
        (file_rules.judge_certificate(Certificate("c", -86400.0)), "fail", "hedwig open"),
        (file_rules.judge_certificate(Certificate("c", 3 * 86400.0)), "warn", "hedwig open"),
        (file_rules.judge_certificate(Certificate("c", 90 * 86400.0)), "pass", ""),
    ],
)
def test_the_host(found: Finding, grade: str, mend: str) -> None:
    same(found, grade, "", mend)


@pytest.mark.parametrize(
    ("daemons", "alerts", "more"),
    [
        (["mailman"], Alerts(), []),
        (["mailman"], Alerts(webhook=WebhookRule(url="https://x.example/")), ["hedwig-alerts.service"]),
        (["mailman"], Alerts(command=("/bin/page",)), ["hedwig-alerts.service", "hedwig-hook.socket"]),
        (
            ["mailman", "postoffice", "worker"],
            Alerts(),
            [
                *("hedwig-postoffice.service", "hedwig-beanstalkd.service"),
                *("hedwig-worker.target", "hedwig-worker@*.service"),
            ],
        ),
    ],
)
def test_which_units_are_looked_at(daemons: list[str], alerts: Alerts, more: list[str]) -> None:
    """What calls the operator, where somebody is to be called, like what carries mail."""
    names = host_rules.unit_names(daemons, alerts)
    assert names == ["hedwig-mailman.service", *more, "hedwig-retention.timer"]
    shipped = {path.name.replace("@.", "@*.") for path in (Path(__file__).parents[2] / "systemd").iterdir()}
    assert set(names) <= shipped


def test_a_files_fault_is_told_in_both_languages() -> None:
    (found,) = file_rules.judge_config(
        "x.yml", [Problem("x.yml", 3, "max_sise", "unknown key", "did you mean max_size?")]
    )
    assert (found.subject, found.seen) == ("x.yml:3", ("max_sise: unknown key", "max_sise：没有这个键"))
    assert found.where == ("did you mean max_size?", "是不是 max_size？")


def test_a_dead_resolver_of_ones_own_is_restarted() -> None:
    """What names it in worker.yml already is no line to put there."""
    own = network_rules.judge_resolver(Nameservers(("127.0.0.1", "::1"), DEAD))
    same(own, "fail", "no answer", "systemctl restart unbound")
    same(network_rules.judge_resolver(Nameservers(("192.0.2.53",), DEAD)), "fail", "no answer", "dns: {nameservers")


def test_what_systemctl_says() -> None:
    """Paragraphs of NAME=VALUE, in any order; one without a name is none."""
    said = (
        "Id=hedwig-mailman.service\nLoadState=loaded\nActiveState=failed\nUnitFileState=enabled\nResult=exit-code\n"
        "NRestarts=4\n\nActiveState=active\n\nNRestarts=\nLoadState=loaded\nActiveState=active\nId=b.target\n"
    )
    assert read_units(said) == [
        Unit("hedwig-mailman.service", "loaded", "failed", "enabled", "exit-code", 4),
        Unit("b.target", "loaded", "active", "", "", 0),
    ]
