"""Looks at real spools: mail that waits for long, room, and receivers that are left alone."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_rig import Cli

from hedwig import log
from hedwig.alerts import levels
from hedwig.alerts.loop import _Life
from hedwig.alerts.store import Store
from hedwig.alerts.watch import Seen, look
from hedwig.bell import Edge, Kind, Record
from hedwig.settings import DAY, GIB, HOUR, MIB, Alerts
from hedwig.spool.receivers import Backoff, back_off

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("found", "edges"),
    [
        (list(levels.of_oldest("s", 5 * HOUR, 4 * HOUR)), [Edge.BEGINS]),
        (list(levels.of_oldest("s", 3 * HOUR, 4 * HOUR)), [Edge.ENDS]),
        (list(levels.of_oldest("s", 5 * DAY, 0)), [Edge.ENDS]),
        (list(levels.of_disk("/d", 900 * MIB, GIB)), [Edge.BEGINS]),
        (list(levels.of_disk("/d", 1100 * MIB, GIB)), []),
        (list(levels.of_disk("/d", 1300 * MIB, GIB)), [Edge.ENDS]),
        (list(levels.of_disk("/d", 0, 0)), [Edge.ENDS]),
        (list(levels.of_spool("s", 80, 100)), [Edge.BEGINS]),
        (list(levels.of_spool("s", 75, 100)), []),
        (list(levels.of_spool("s", 69, 100)), [Edge.ENDS]),
        (list(levels.of_spool("s", 69, 0)), [Edge.ENDS]),
    ],
)
def test_bounds(found: list[levels.Alarm], edges: list[Edge]) -> None:
    assert [each.reading.edge for each in found] == edges


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.close()


def kinds(seen: Seen, edge: Edge) -> set[str]:
    return {each.reading.kind for each in seen.alarms if each.reading.edge is edge}


def test_old_mail_counts_and_what_is_held_does_not(host: Cli) -> None:
    now = time.time()
    settings = Alerts(disk_free=0)
    host.put("a@slow.example", accepted_at=now - 5 * HOUR)
    seen = look(host.directory, settings, now)
    [alarm] = [each for each in seen.alarms if each.reading.edge is Edge.BEGINS]
    assert (alarm.reading.kind, alarm.reading.subject) == (Kind.OLD_MAIL, str(host.path))
    assert "has waited for 5 hours" in alarm.text
    host("queue", "hold", "--all", "--yes")
    assert kinds(look(host.directory, settings, now), Edge.BEGINS) == set()


def test_a_full_disk_and_mailmans_own_spool(host: Cli) -> None:
    for name in ("postoffice", "worker"):
        (host.directory / f"{name}.yml").unlink()
    (host.directory / "mailman.yml").write_text(f"spool: {host.path}\nspool_limit: 100K\n")
    host.put("a@slow.example", body=b"x" * 90_000)
    found = kinds(look(host.directory, Alerts(disk_free=1 << 60), time.time()), Edge.BEGINS)
    assert found == {Kind.DISK, Kind.SPOOL_FULL}


def test_what_is_not_there_or_broken_is_passed_over(tmp_path: Path) -> None:
    assert look(tmp_path, Alerts(), NOW).alarms == []
    (tmp_path / "worker.yml").write_text("no: [")
    (tmp_path / "postoffice.yml").write_text(f"spool: {tmp_path}/spool.db\n")
    (tmp_path / "spool.db").write_text("no database")
    assert kinds(look(tmp_path, Alerts(disk_free=0), NOW), Edge.BEGINS) == set()


@pytest.mark.parametrize("receiver", ["qq", "mx1.qq.com,mx2.qq.com"])
def test_a_back_off_in_force_keeps_its_alert_alive(host: Cli, tmp_path: Path, receiver: str) -> None:
    """Under its name in the settings, or under its MX hosts."""
    log.capture(lambda _level, _text, _fields: None)
    store = Store(str(tmp_path))
    store.prepare()
    one = _Life(Alerts(), store, "robot.example")
    now = time.time()
    begins = Record(
        "0" * 26,
        now,
        "hedwig-worker@1",
        Edge.BEGINS,
        Kind.REPUTATION,
        "qq",
        "550",
        1200.0,
        {"mx": "mx2.qq.com[192.0.2.1]"},
    )
    assert [news.state for news in one._ledger.hear(begins)] == ["raised"]
    back_off(host.spool, Backoff(receiver, "-/ipv4", now, now + 2 * HOUR, rule="x", reason="y")).result(30)
    one.note(look(host.directory, Alerts(disk_free=0), now + HOUR), now + HOUR)
    assert one._ledger.tick(now + HOUR + 60) == []
    one.note(look(host.directory, Alerts(disk_free=0), now + 3 * HOUR), now + 3 * HOUR)
    assert [news.state for news in one._ledger.tick(now + 3 * HOUR)] == ["recovered"]
