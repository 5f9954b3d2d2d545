"""Alerts without mail: a unit is killed for good, and a web server and a command hear of it, and of its return."""

import json
import re
from typing import Any

import pytest
from journey.waiting import until

from .hosts import Hosts
from .machine import Machine

_TOLD = "/run/told.jsonl"
_SERVER = f"""
import http.server

class Taking(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("{_TOLD}", "ab") as told:
            told.write(body)
        self.send_response(204)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", 9000), Taking).serve_forever()
"""
# It says what it may see; nothing of hedwig's is there for it.
_COMMAND = """#!/bin/sh
cat >/dev/null
echo "as $(id -u) of $(id -G): $HEDWIG_ALERT_KIND $HEDWIG_ALERT_SUBJECT"
cd /var/lib/hedwig 2>/dev/null && echo "SEES all"
for place in /etc/hedwig/alerts.yml /var/lib/hedwig/postoffice/spool.db /run/hedwig-hook/hook.sock
do
    ! ls "$place" >/dev/null 2>&1 || echo "SEES $place"
done
"""


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """A host with everything, a web server and a command."""
    machine = hosts.complete()
    machine.path("/srv/server.py").write_text(_SERVER)
    machine.run("systemd-run", "--unit=server", "/usr/bin/python3", "/srv/server.py")
    machine.path("/usr/local/bin/page-me").write_text(_COMMAND)
    machine.run("chmod", "755", "/usr/local/bin/page-me")
    return machine


def told(robot: Machine, kind: str, state: str) -> list[dict[str, Any]]:
    """What the web server was told of a kind."""
    if not robot.exists(_TOLD):
        return []
    found = [json.loads(line) for line in robot.read(_TOLD).splitlines()]
    return [one for one in found if (one["kind"], one["state"]) == (kind, state)]


def listed(robot: Machine) -> list[dict[str, Any]]:
    """The notices of `hedwig alert list`."""
    found: list[dict[str, Any]] = json.loads(robot.run("hedwig", "alert", "list", "--json"))["told"]
    return found


def test_it_runs_and_calls_nobody_at_first(robot: Machine) -> None:
    """The file is root's and closed; nothing is told without being asked for."""
    robot.wait_for("hedwig-alerts", "hedwig-hook.socket")
    assert robot.run("stat", "-c", "%U:%G %a", "/etc/hedwig/alerts.yml").strip() == "root:hedwig 640"
    assert robot.run("stat", "-c", "%U:%G %a", "/run/hedwig-hook/hook.sock").strip() == "hedwig:hedwig 600"
    status, said = robot.try_run("hedwig", "alert", "test")
    assert status == 1
    assert "neither a command nor a webhook" in said


def test_a_test_goes_both_ways(robot: Machine) -> None:
    """The command runs as a user of its own, and sees nothing of ours."""
    settings = "command: [/usr/local/bin/page-me]\nwebhook:\n  url: http://127.0.0.1:9000/hook\n"
    robot.write("/etc/hedwig/alerts.yml", settings)
    robot.run("hedwig", "config", "check")
    robot.run("systemctl", "reload", "hedwig-alerts")
    said = robot.run("hedwig", "alert", "test")
    assert "webhook: taken" in said
    found = re.search(r"command: taken: done: as (\d+) of (\d+): test robot", said)
    assert found, said
    assert all(61184 <= int(number) <= 65519 for number in found.groups()), "it is a dynamic user"
    assert "SEES" not in said
    assert len(told(robot, "test", "happened")) == 1


def test_a_unit_that_is_killed_for_good(robot: Machine) -> None:
    """systemd gives up on it, and the alert is there; its return is told, too."""
    folder = "/run/systemd/system/hedwig-worker@2.service.d"
    robot.run("mkdir", "-p", folder)
    robot.path(f"{folder}/soon.conf").write_text("[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=600\n")
    robot.run("systemctl", "daemon-reload")

    def killed() -> bool:
        robot.try_run("systemctl", "kill", "--signal=KILL", "hedwig-worker@2")
        return robot.state("hedwig-worker@2") == "failed"

    until("systemd to give up", killed, 60, 0.5)
    until("the web server to hear", lambda: told(robot, "unit_failed", "raised"), 30, 0.2)
    [notice] = told(robot, "unit_failed", "raised")
    assert notice["subject"] == "hedwig-worker@2.service"
    assert notice["text"].startswith("hedwig-worker@2.service has failed: ")
    assert notice["facts"]["service_result"] in ("signal", "start-limit-hit")
    robot.run("systemctl", "reset-failed", "hedwig-worker@2")
    robot.run("systemctl", "start", "hedwig-worker@2")
    until("the web server to hear of its return", lambda: told(robot, "unit_failed", "recovered"), 30, 0.2)


def test_what_was_not_taken_is_told_after_a_restart(robot: Machine) -> None:
    """The web server is away, hedwig-alerts is started anew, the server comes back."""
    robot.run("systemctl", "stop", "server")
    robot.run("hedwig", "alert", "failed", "hedwig-beanstalkd.service")
    until(
        "it to be tried",
        lambda: any(one["news"]["subject"] == "hedwig-beanstalkd.service" and one["ways"]["webhook"]["tries"]
                    for one in listed(robot)), 30, 0.2,
    )  # fmt: skip
    robot.run("systemctl", "restart", "hedwig-alerts")
    robot.run("systemd-run", "--unit=server", "/usr/bin/python3", "/srv/server.py")

    def heard() -> bool:
        return any(one["subject"] == "hedwig-beanstalkd.service" for one in told(robot, "unit_failed", "raised"))

    until("the web server to hear", heard, 60, 0.5)


def test_purged_it_leaves_nothing(robot: Machine) -> None:
    """Folder, settings and socket go with the packages."""
    robot.apt("purge", "hedwig*")
    for place in ("/var/lib/hedwig", "/etc/hedwig", "/run/hedwig-hook"):
        assert not robot.exists(place), robot.try_run("find", place)[1]
