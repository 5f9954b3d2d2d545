"""The units: what systemd itself says of them, and what the code relies on."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from hedwig.alerts import runner
from hedwig.mailman import forwarder
from hedwig.mailman import loop as mailman
from hedwig.postoffice import loop as postoffice
from hedwig.pulse import STUCK
from hedwig.settings import Alerts, Worker
from hedwig.supervisor import PET_EVERY
from hedwig.worker import loop as worker

SYSTEMD = Path(__file__).parents[2] / "systemd"
SERVICES = {
    "hedwig-mailman.service": 1.4,
    "hedwig-postoffice.service": 1.2,
    "hedwig-worker@.service": 1.2,
    "hedwig-beanstalkd.service": 0.3,
    "hedwig-retention.service": 0.5,
    "hedwig-doctor.service": 1.3,
    "hedwig-alerts.service": 1.2,
    "hedwig-failed@.service": 0.5,
    "hedwig-hook@.service": 1.5,
}
DAEMONS = ["hedwig-alerts.service", "hedwig-mailman.service", "hedwig-postoffice.service", "hedwig-worker@.service"]


class Unit(configparser.ConfigParser):
    """A unit without repeated keys, but for SystemCallFilter=, of which the last is seen."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, interpolation=None)
        self.read_string((SYSTEMD / name).read_text())

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "systemd-analyze is not installed"
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60, env={"LC_ALL": "C"}
    )


@pytest.mark.parametrize(("name", "most"), SERVICES.items())
def test_exposure(name: str, most: float, tmp_path: Path) -> None:
    """`systemd-analyze security` gives at most this much (redis 1.2, chrony 3.7, postfix 9.6)."""
    unit = tmp_path / name.replace("@", "@1")
    shutil.copy(SYSTEMD / name, unit)
    done = analyze("security", "--offline=true", f"--threshold={round(most * 10)}", unit)
    (overall,) = [line for line in done.stdout.splitlines() if "Overall exposure level" in line]
    assert float(overall.split(":")[1].split()[0]) <= most, overall
    assert done.returncode == 0


@pytest.mark.parametrize("path", sorted(SYSTEMD.glob("*.*")), ids=lambda path: path.name)
def test_systemd_understands_every_line(path: Path, tmp_path: Path) -> None:
    """No unknown key or value: systemd only warns of those, and goes on without."""
    if path.suffix not in {".service", ".socket", ".target", ".slice", ".timer"}:
        return
    for other in SYSTEMD.iterdir():
        if other.suffix in {".service", ".socket", ".target", ".slice", ".timer"}:
            text = other.read_text().replace("ExecStart=/usr/bin/", "ExecStart=/bin/true /usr/bin/")
            for there in {other.name, other.name.replace("@.", "@1.")}:
                (tmp_path / there).write_text(text)
    done = analyze("verify", "--man=no", tmp_path / path.name.replace("@.", "@1."))
    ours = [line for line in done.stderr.splitlines() if "hedwig" in line]
    assert not ours


@pytest.mark.parametrize("name", DAEMONS)
def test_what_the_daemons_rely_on(name: str) -> None:
    service = Unit(name)["Service"]
    assert service["Type"] == "notify", "notify-reload would silently become simple on systemd 252"
    assert service["NotifyAccess"] == "main"
    assert float(service["WatchdogSec"]) >= 3 * PET_EVERY
    assert float(service["WatchdogSec"]) < STUCK, "a stalled disk is not a frozen process"
    assert "78" in service["RestartPreventExitStatus"].split()
    assert (service["User"], service["Group"], service["Slice"]) == ("hedwig", "hedwig", "hedwig.slice")


@pytest.mark.parametrize("name", SERVICES)
def test_traps(name: str) -> None:
    """reference: LogRateLimitIntervalSec=0 is the default's other name; 20 quick restarts are no crash loop; no
    LogNamespace, or `journalctl -u` would be empty."""
    unit = Unit(name)
    assert unit["Service"].get("LogRateLimitIntervalSec") != "0"
    assert "LogNamespace" not in unit["Service"]
    if name in DAEMONS:
        assert int(unit["Service"]["LogRateLimitBurst"]) >= 100_000
        assert (unit["Unit"]["StartLimitIntervalSec"], unit["Unit"]["StartLimitBurst"]) == ("60", "30")


def test_the_stop_time_lasts_for_the_drain() -> None:
    def patience(name: str) -> float:
        return float(Unit(name)["Service"]["TimeoutStopSec"])

    assert patience("hedwig-mailman.service") >= mailman.STOP_TIME + forwarder.VERDICT_TIME
    assert patience("hedwig-mailman.service") >= mailman.STOP_TIME + mailman.STOP_REST
    assert patience("hedwig-postoffice.service") >= postoffice.FINISH_WITHIN + postoffice.CLOSE_WITHIN
    assert patience("hedwig-worker@.service") >= Worker().stop_time + worker.SETTLE_TIME


def test_listeners_are_kept_and_the_target_joins_the_workers() -> None:
    for name in ("hedwig-mailman.service", "hedwig-postoffice.service"):
        assert int(Unit(name)["Service"]["FileDescriptorStoreMax"]) >= 8
    unit = Unit("hedwig-worker@.service")
    assert unit["Unit"]["PartOf"] == unit["Install"]["WantedBy"] == "hedwig-worker.target"
    assert unit["Install"]["DefaultInstance"] == "1"


@pytest.mark.parametrize("name", SERVICES)
def test_every_exception_is_explained(name: str) -> None:
    """Whatever a unit lacks of the hardening that the others have has a comment that names it."""
    text = (SYSTEMD / name).read_text()
    exceptions = text.split("# --- exceptions\n")[1].split("[Install]")[0]
    lines = [line for line in exceptions.splitlines() if line]
    assert lines
    for before, line in zip(["", *lines], lines, strict=False):
        key = line.partition("=")[0]
        assert (
            line.startswith("#") or before.startswith("#") or before.partition("=")[0] in (key, "CapabilityBoundingSet")
        )
    if "PrivateUsers=yes" not in text:
        assert "No PrivateUsers=" in exceptions
    if "PrivateNetwork=yes" not in text:
        assert "No PrivateNetwork=, no IPAddressDeny=" in exceptions


def test_the_queue_is_where_the_settings_look_for_it() -> None:
    service = Unit("hedwig-beanstalkd.service")["Service"]
    assert Worker().queue == "beanstalk://" + service["ExecStart"].partition("unix:")[2]
    assert f"/run/{service['RuntimeDirectory']}/" in Worker().queue
    assert Worker().run_dir == "/run/hedwig"
    folders = (SYSTEMD / "hedwig.tmpfiles").read_text()
    assert "d /run/hedwig/workers " in folders


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_that_fails_is_an_alert(name: str) -> None:
    """But for those that tell it: an alert of an alert that failed would go round in a circle."""
    wanted = None if "failed" in name or "hook" in name else "hedwig-failed@%n.service"
    assert Unit(name)["Unit"].get("OnFailure") == wanted


def test_alerts_are_laid_where_the_settings_say_and_the_command_sees_nothing_of_ours() -> None:
    folder = Alerts().folder
    for name in (*DAEMONS, "hedwig-failed@.service"):
        text = (SYSTEMD / name).read_text()
        assert f"ReadWritePaths=-{folder}\n" in text or "StateDirectory=hedwig/alerts\n" in text, name
    assert f"d {folder}/new 0750 hedwig hedwig " in (SYSTEMD / "hedwig.tmpfiles").read_text()
    socket, hook = Unit("hedwig-hook.socket")["Socket"], Unit("hedwig-hook@.service")["Service"]
    assert (socket["ListenStream"], socket["SocketUser"], socket["SocketMode"]) == (runner.SOCKET, "hedwig", "0600")
    assert hook["DynamicUser"] == "yes"
    assert {"-/var/lib/hedwig", "-/etc/hedwig"} <= set(hook["InaccessiblePaths"].split())
    for name in ("hedwig-mailman.service", "hedwig-postoffice.service", "hedwig-worker@.service"):
        assert "-/run/hedwig-hook" in Unit(name)["Service"]["InaccessiblePaths"].split()
