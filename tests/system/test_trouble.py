"""Broken files, a stuck daemon, an upgrade that stops half-way, a newer spool: said clearly, and nothing lost."""

import pytest
from journey.submit import SAMPLE
from journey.waiting import until

from .hosts import DAEMONS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside

_SPOOL = "/var/lib/hedwig/postoffice/spool.db"
_WATCHED = {"hedwig-mailman": "mailman", "hedwig-postoffice": "postoffice", "hedwig-worker@1": "worker"}


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """A host with everything."""
    return hosts.complete()


def test_reload_with_a_broken_file(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """The daemon goes on with the old settings, and the log names file, line and key; mended, it is read again."""
    for unit, name in _WATCHED.items():
        file = f"/etc/hedwig/{name}.yml"
        text = robot.read(file)
        robot.write(file, f"{text}\nspol: /nowhere\n")
        before = robot.pid(unit)
        robot.run("systemctl", "reload", unit)
        said = until("the error", lambda unit=unit: robot.words("-u", unit, "-p", "err"))
        assert any(f"{file}:" in line and "spol" in line and "spool" in line for line in said), said
        assert robot.try_run("hedwig", "config", "check")[0] != 0
        assert (robot.state(unit), robot.pid(unit)) == ("active", before)
        robot.write(file, text)
        robot.run("systemctl", "reload", unit)
        until(
            "it to be read again", lambda unit=unit: any("was read again" in line for line in robot.words("-u", unit))
        )
    hosts.deliver(outside.container(robot), "reload@163.com")


def test_restart_with_a_broken_file(robot: Machine) -> None:
    """It ends, is not started over and over, and its status says where to look; mended, it starts."""
    text = robot.read("/etc/hedwig/worker.yml")
    robot.write("/etc/hedwig/worker.yml", f"{text}\nretry: {{schedule: [soon]}}\n")
    status, _ = robot.try_run("systemctl", "restart", "hedwig-worker@2")
    assert status != 0
    robot.wait_for("hedwig-worker@2", state="failed")
    shown = robot.show("hedwig-worker@2", "ExecMainStatus", "NRestarts")
    assert shown == {"ExecMainStatus": "78", "NRestarts": "0"}
    assert "hedwig config check" in robot.status("hedwig-worker@2")
    robot.write("/etc/hedwig/worker.yml", text)
    robot.run("systemctl", "start", "hedwig-worker@2")
    robot.wait_for("hedwig-worker@2")


def test_stuck_daemons_are_started_again(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """SIGSTOP: the watchdog ends them, systemd starts them, and a container that connects meanwhile only waits."""
    before = {unit: robot.pid(unit) for unit in _WATCHED}
    for unit in _WATCHED:
        robot.run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", unit)
    sending = hosts.msmtp(outside.container(robot, "172.17.0.3")).begin(SAMPLE, "stuck@163.com")
    for unit, pid in before.items():
        until(f"a new {unit}", lambda unit=unit, pid=pid: robot.pid(unit) not in (0, pid), 90, 0.2)
        robot.wait_for(unit)
        assert robot.show(unit, "NRestarts")["NRestarts"] == "1"
    sending.finish()
    hosts.arrives("stuck@163.com")
    assert any("watchdog" in line.lower() for line in robot.words("_PID=1"))


def test_a_newer_spool_is_claimed_from_no_more(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """A spool that a newer release has reshaped: workers that run stop claiming and say so; upgraded, they go on."""
    old = robot.run("sqlite3", _SPOOL, "SELECT value FROM meta WHERE name = 'oldest'").strip()
    robot.run("sqlite3", _SPOOL, "UPDATE meta SET value = 99 WHERE name = 'oldest'")
    hosts.msmtp(outside.container(robot, "172.17.0.4")).send(SAMPLE, "schema@163.com")
    until("a worker to say so", lambda: any("newer hedwig" in line for line in robot.words("-u", "hedwig-worker@*")))
    until("its status to say so", lambda: any("newer hedwig" in robot.status(unit) for unit in WORKERS))
    assert not outside.far.has("schema@163.com")
    robot.run("sqlite3", _SPOOL, f"UPDATE meta SET value = {old} WHERE name = 'oldest'")
    robot.run("systemctl", "restart", "hedwig-worker.target")
    hosts.arrives("schema@163.com", 120)


def test_an_upgrade_with_broken_files(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """The daemons run on in the old version, apt succeeds and says what is wrong; mended and restarted they are new."""
    files = {name: robot.read(f"/etc/hedwig/{name}.yml") for name in _WATCHED.values()}
    for name, text in files.items():
        robot.write(f"/etc/hedwig/{name}.yml", f"{text}\nspol: /nowhere\n")
    key = robot.read("/etc/hedwig/local.key")
    robot.write("/etc/hedwig/local.key", "foo: [x\n")
    before = {unit: robot.pid(unit) for unit in _WATCHED}
    said = robot.apt("install", "--reinstall", "hedwig-mailman", "hedwig-postoffice", "hedwig-worker")
    assert {unit: robot.pid(unit) for unit in _WATCHED} == before
    for name in files:
        assert f"/etc/hedwig/{name}.yml:" in said
    hosts.deliver(outside.container(robot, "172.17.0.7"), "broken@163.com")
    assert "then run: hedwig local-key" in said
    robot.write("/etc/hedwig/local.key", key)
    for name, text in files.items():
        robot.write(f"/etc/hedwig/{name}.yml", text)
    robot.apt("install", "--reinstall", "hedwig-mailman", "hedwig-postoffice", "hedwig-worker")
    robot.wait_for(*_WATCHED)
    assert [unit for unit in before if robot.pid(unit) == before[unit]] == []


def test_old_workers_beside_a_new_postoffice(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """An upgrade that has not restarted the workers: the old processes deliver what the new postoffice takes."""
    policy = "/usr/sbin/policy-rc.d"
    robot.shell(f"printf '#!/bin/sh\\ncase $1 in hedwig-worker*) exit 101 ;; esac\\n' >{policy}; chmod 755 {policy}")
    before = {unit: robot.pid(unit) for unit in (*DAEMONS, *WORKERS)}
    hosts.add_archive(robot, "second")
    robot.apt("upgrade")
    robot.wait_for(*DAEMONS)
    same = [unit for unit in before if robot.pid(unit) == before[unit]]
    assert same == list(WORKERS)
    hosts.deliver(outside.container(robot, "172.17.0.5"), "old-worker@163.com")
    robot.run("rm", policy)
    robot.run("systemctl", "restart", "hedwig-worker.target")
    hosts.deliver(outside.container(robot, "172.17.0.6"), "new-worker@163.com")
    assert set(outside.far.copies().values()) == {1}
