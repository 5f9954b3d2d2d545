"""`apt install hedwig` on one Docker host, and no file edited: letters go, and the journal tells of them."""

import pytest
from journey.submit import SAMPLE
from journey.waiting import until

from .hosts import DAEMONS, DELIVERS, WORKERS, Hosts
from .machine import Machine
from .outside import Outside, bridge

FOUR = tuple(f"hedwig-worker@{number}" for number in range(1, 5))


@pytest.fixture(scope="module")
def robot(hosts: Hosts) -> Machine:
    """The host, installed; nobody has edited a file."""
    return hosts.complete(DELIVERS)


def test_a_letter_goes_at_once(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """msmtp in a container on docker0, `host 172.17.0.1`: the letter arrives, with the body as it was sent."""
    hosts.deliver(outside.container(robot), "stenote@163.com")
    [letter] = outside.far.accepted()
    assert letter.mailfrom == "sender@robot.genee.cn"
    assert letter.body.endswith(b"Hello Stenote !\r\n")


def test_a_second_container_and_a_bridge_of_compose(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """Another container on docker0, and one on compose's own bridge: the same `host 172.17.0.1` serves all."""
    bridge(robot, "br-x", "172.18.0.1/16")
    hosts.deliver(outside.container(robot, "172.17.0.3"), "second@163.com")
    hosts.deliver(outside.container(robot, "172.18.0.2", "br-x"), "compose@163.com")


def test_the_journal_tells_of_it(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """`journalctl -u hedwig-postoffice` names the letter; its fields find each step, and `-x` explains."""
    queue_id = hosts.deliver(outside.container(robot, "172.17.0.4"), "told@163.com")
    until("postoffice's line", lambda: any(queue_id in line for line in robot.words("-u", "hedwig-postoffice")))
    steps = until("the worker's entry", lambda: _steps(robot, queue_id, "hedwig-worker@"))
    assert steps[-1]["HEDWIG_RCPT"] == "told@163.com"
    assert steps[-1]["HEDWIG_REPLY"].startswith("250")
    until("mailman's entry", lambda: _steps(robot, queue_id, "hedwig-mailman"))
    assert _steps(robot, queue_id, "hedwig-postoffice")
    explained = robot.run("journalctl", "-x", "--no-pager", f"HEDWIG_QUEUE_ID={queue_id}")
    assert "░░" in explained, "no catalog entry was found for any of the events"


def _steps(machine: Machine, queue_id: str, unit: str) -> list[dict[str, str]]:
    entries = machine.journal(f"HEDWIG_QUEUE_ID={queue_id}")
    return [entry for entry in entries if str(entry.get("_SYSTEMD_UNIT", "")).startswith(unit)]


def test_systemctl_status_has_counts(robot: Machine) -> None:
    """STATUS says what each daemon does, and the watchdog is awake."""
    for unit in ("hedwig-mailman", "hedwig-postoffice", "hedwig-worker@1"):
        assert until(f"a status of {unit}", lambda unit=unit: robot.status(unit)), unit
        shown = robot.show(unit, "Type", "WatchdogUSec", "NRestarts")
        assert shown == {"Type": "notify", "WatchdogUSec": "30s", "NRestarts": "0"}


def test_limits_are_set(robot: Machine) -> None:
    """What the units promise to systemd is there (a sandbox without cgroup controllers enforces no limits itself)."""
    for unit in (*DAEMONS, WORKERS[0]):
        shown = robot.show(unit, "MemoryMax", "TasksMax", "Slice", "NoNewPrivileges", "User")
        assert "infinity" not in (shown["MemoryMax"], shown["TasksMax"]), shown
        assert (shown["Slice"], shown["NoNewPrivileges"], shown["User"]) == ("hedwig.slice", "yes", "hedwig")


@pytest.mark.parametrize(
    ("unit", "most"),
    [("hedwig-mailman", 1.4), ("hedwig-postoffice", 1.2), ("hedwig-worker@1", 1.2), ("hedwig-beanstalkd", 0.3)],
)
def test_exposure(robot: Machine, unit: str, most: float) -> None:
    """`systemd-analyze security`, of the loaded unit."""
    said = robot.run("systemd-analyze", "security", "--no-pager", f"{unit}.service")
    overall = next(line for line in said.splitlines() if "Overall exposure level" in line)
    assert float(overall.rpartition(": ")[2].split()[0]) <= most, said


def test_two_workers_are_there_at_first(robot: Machine) -> None:
    """1 and 2 run and come back at the next boot, and no others."""
    listed = robot.run("systemctl", "list-units", "--plain", "--no-legend", "hedwig-worker@*")
    assert [line.split()[0] for line in listed.splitlines()] == [f"{unit}.service" for unit in WORKERS]
    assert robot.run("systemctl", "is-enabled", *WORKERS, "hedwig-worker.target").split() == ["enabled"] * 3


def test_the_spools_are_tidied_each_day(robot: Machine) -> None:
    """The timer waits for its next day; what it starts does its work beside the daemons, within its bounds."""
    assert robot.state("hedwig-retention.timer") == "active"
    robot.run("systemctl", "start", "hedwig-retention.service")
    assert robot.show("hedwig-retention.service", "Result")["Result"] == "success"
    told = "\n".join(robot.words("-u", "hedwig-retention.service"))
    assert "postoffice" in told and "mailman" in told
    robot.wait_for(*DAEMONS, *WORKERS)


def test_workers_by_name_and_by_target(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """`start hedwig-worker@2` adds one, `enable hedwig-worker@{1..4}` keeps four; all come and go with the target."""
    robot.run("systemctl", "stop", "hedwig-worker@2")
    assert [robot.state(unit) for unit in WORKERS] == ["active", "inactive"]
    robot.run("systemctl", "start", "hedwig-worker@2")
    robot.run("systemctl", "start", "hedwig-worker@3")
    robot.wait_for(*WORKERS, "hedwig-worker@3")
    robot.shell("systemctl enable hedwig-worker@{1..4}")
    assert robot.state("hedwig-worker@4") == "inactive"
    robot.run("systemctl", "stop", "hedwig-worker.target")
    robot.wait_for(*FOUR, state="inactive")
    queue_id = hosts.msmtp(outside.container(robot, "172.17.0.5")).send(SAMPLE, "waits@163.com")
    assert queue_id in robot.run("hedwig", "queue")
    robot.run("systemctl", "start", "hedwig-worker.target")
    robot.wait_for(*FOUR)
    hosts.arrives("waits@163.com")


def test_after_a_reboot_all_is_there(hosts: Hosts, robot: Machine, outside: Outside) -> None:
    """The units come up before docker0 does; as soon as the bridge is there, containers are served."""
    robot.reboot()
    robot.wait_for(*DAEMONS, *FOUR)
    outside.connect(robot)
    bridge(robot)
    hosts.deliver(outside.container(robot, "172.17.0.6"), "rebooted@163.com")
    assert robot.show("hedwig-mailman", "NRestarts")["NRestarts"] == "0"


def test_each_letter_came_once(outside: Outside) -> None:
    """No recipient of this file has got a letter twice."""
    assert set(outside.far.copies().values()) == {1}
