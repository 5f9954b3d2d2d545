"""The host's own faults: what doesn't run, is damaged, can be read by all, or is refused; the weekly run; dead DNS."""

import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ..network import Network
from .clinic import NAME, Clinic

ZONES = ""


@pytest.fixture
def clinic(network: Network, tmp_path: Path) -> Iterator[Clinic]:
    """One a test: its daemons are started and broken."""
    made = Clinic(network, tmp_path, ZONES)
    yield made
    made.close()


def graded(clinic: Clinic, check: str, grade: str) -> list[dict[str, str]]:
    told = clinic.examine("--no-connect")["findings"]
    return [each for each in told if (each["check"], each["grade"]) == (check, grade)]


def test_a_host_that_runs_is_well(clinic: Clinic) -> None:
    """Everything on one host: only what systemd would know is skipped, and the key for DKIM is missing."""
    clinic.host.start()
    told = clinic.examine()
    assert told["status"] == 0, told
    checks = {each["check"]: each["grade"] for each in told["findings"]}
    assert {"config", "listens", "disk", "spool", "queue", "workers", "secret", "key", "ptr", "spf", "mx"} <= set(
        checks
    )
    wrong = {check for check, grade in checks.items() if grade not in ("pass", "skipped")}
    assert wrong <= {"dkim", "senders", "certificate"}, told


def test_what_does_not_run(clinic: Clinic) -> None:
    clinic.host.write("mailman")
    silent = {each["subject"].split()[0] for each in graded(clinic, "listens", "fail")}
    assert silent == {"mailman", "postoffice", "queue"}
    (found,) = graded(clinic, "workers", "fail")
    assert found["mend"].startswith("systemctl enable --now hedwig-worker@1")
    (found,) = graded(clinic, "key", "fail")
    assert "healthz" in found["mend"]


def test_a_key_that_the_other_end_refuses(clinic: Clinic) -> None:
    clinic.host.start()
    clinic.host.settings["mailman"]["key"] = "x" * 43
    clinic.host.write("mailman")
    (found,) = graded(clinic, "key", "fail")
    assert found["mend"] == "hedwig key add less.nankai.edu.cn"


def test_a_secret_that_all_can_read(clinic: Clinic) -> None:
    """The mend is a command: done, the check passes."""
    clinic.host.write("mailman")
    file = clinic.host.config / "mailman.yml"
    file.chmod(0o644)
    (found,) = graded(clinic, "secret", "fail")
    assert found["mend"] == f"chmod o-rwx {file}"
    file.chmod(0o640)
    assert not graded(clinic, "secret", "fail")


def test_a_webhooks_secret_that_mailman_can_read(clinic: Clinic) -> None:
    clinic.host.write("mailman")
    file = clinic.host.config / "alerts.yml"
    file.write_text("webhook:\n  url: https://hooks.example.com/\n  secret: tell-nobody\n")
    file.chmod(0o640)
    (found,) = graded(clinic, "secret", "warn")
    assert "secret_file: /run/credentials/hedwig-alerts.service/hook" in found["where"]
    status, said = clinic.host.try_hedwig("config", "check", str(file))
    assert (status, "mailman, which containers talk to" in said, "tell-nobody" in said) == (0, True, False)
    file.write_text(f"webhook:\n  url: https://hooks.example.com/\n  secret_file: {file.with_name('hook')}\n")
    assert not graded(clinic, "secret", "warn")


def test_docker0_has_moved(clinic: Clinic) -> None:
    clinic.host.settings["mailman"]["listen"] = ["172.18.0.1:25"]
    clinic.host.write("mailman")
    (found,) = graded(clinic, "docker0", "fail")
    assert found["mend"].startswith("hedwig detect-docker0")


def test_a_damaged_spool(clinic: Clinic) -> None:
    clinic.host.start("beanstalkd", "postoffice")
    clinic.host["postoffice"].stop()
    octets = bytearray(clinic.host.spool.read_bytes())
    octets[4096:8192] = b"\xff" * 4096
    clinic.host.spool.write_bytes(octets)
    with pytest.raises(sqlite3.DatabaseError):
        _check(clinic.host.spool)
    (found,) = graded(clinic, "spool", "fail")
    assert "hedwig spool salvage" in found["mend"]


def _check(path: Path) -> None:
    with sqlite3.connect(path) as db:
        (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise sqlite3.DatabaseError(said)


def test_a_file_that_cannot_be_used(clinic: Clinic) -> None:
    clinic.host.write("postoffice", "listen: [127.0.0.1:8025]\nmax_sise: 1 MiB\n")
    (found,) = graded(clinic, "config", "fail")
    assert found["subject"].endswith("postoffice.yml:2")
    assert "did you mean max_size?" in found["where"]


def test_two_spools_that_should_be_one(clinic: Clinic) -> None:
    clinic.host.settings["worker"]["spool"] = "/nonexistent/spool.db"
    clinic.host.write("worker")
    (found,) = graded(clinic, "config", "fail")
    assert found["mend"] == f"spool: {clinic.host.spool}"


def test_a_clock_that_is_late(clinic: Clinic) -> None:
    clinic.host.settings["worker"]["doctor"]["ntp"] = "late.example"
    clinic.host.write("worker")
    found = clinic.finding("clock")
    assert (found["grade"], found["mend"]) == ("fail", "timedatectl set-ntp true")
    assert re.search(r"(?:7199|720[01]) s behind", found["seen"]), found


def test_dns_that_is_dead(clinic: Clinic) -> None:
    """It ends within seconds, says once what is wrong, and skips the rest."""
    clinic.host.settings["worker"]["dns"] = {"nameservers": ["192.0.2.99"], "port": 53}
    clinic.host.write("worker")
    start = time.monotonic()
    told = clinic.examine(NAME)
    assert time.monotonic() - start < 20
    failed = {each["check"] for each in told["findings"] if each["grade"] == "fail"}
    assert failed == {"resolver"}, told
    assert told["status"] == 1


def test_a_host_that_only_sends(clinic: Clinic, tmp_path: Path) -> None:
    """It looks at itself; what is seen from outside is asked elsewhere."""
    folder = tmp_path / "sends"
    folder.mkdir()
    mailman = {"listen": ["127.0.0.1:2525"], "spool": str(tmp_path / "none.db")}
    (folder / "mailman.yml").write_text(yaml.safe_dump(mailman))
    told = clinic.examine(config=folder)
    checks = {each["check"] for each in told["findings"]}
    assert "key" in checks
    assert not {"spf", "ptr", "workers", "resolver"} & checks
    (key,) = [each for each in told["findings"] if each["check"] == "key"]
    assert key["mend"] == "hedwig setup"
    done = clinic.run(NAME, config=folder)
    assert done.returncode == 2
    assert "ask on the host that delivers" in done.stderr


def test_chinese(clinic: Clinic) -> None:
    done = clinic.run(NAME, "--no-connect", language="zh_CN.UTF-8")
    assert "通过" in done.stdout
    assert "hedwig dkim new robot.genee.cn" in done.stdout
    assert "checks:" not in done.stdout
    assert "\x1b[" not in done.stdout


def test_a_line_each_for_the_journal(clinic: Clinic) -> None:
    clinic.host.settings["worker"]["sources"]["main"]["ehlo"] = "gone.example"
    clinic.host.write("worker")
    done = clinic.run(NAME, "--no-connect", "--journal")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if " error: " in line]
    assert any("gone.example. IN A 192.0.2.7" in line for line in errors), done.stderr
