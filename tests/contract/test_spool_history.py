"""The files of the history, one a day: how old ones go."""

import json
from pathlib import Path

import pytest
from spool_parts import DAY, NOW

from hedwig.spool.history import DAYS, MOST_FILES, PACE, DayFiles, day_of


class Running:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def running() -> Running:
    return Running()


@pytest.fixture
def files(tmp_path: Path, running: Running) -> DayFiles:
    made = DayFiles(str(tmp_path / "spool.db"), running)
    (tmp_path / "spool.db").touch()
    write(made, DAYS + 1)
    return made


def write(files: DayFiles, days: int) -> None:
    """A history of that many days, the last of them today."""
    for back in range(days):
        at = NOW - back * DAY
        row = [at, "ID", "host.example", "accepted", "", "", 0, "", "", "", ""]
        files.add([(days - back, json.dumps([row]))], [], at)


def names(tmp_path: Path) -> list[str]:
    return sorted(file.stem for file in (tmp_path / "spool.db.history").iterdir())


def test_day_by_day(files: DayFiles, running: Running, tmp_path: Path) -> None:
    """Each day the oldest goes, its events being 30 days old, and none before."""
    running.now += PACE
    files.drop_old(NOW)
    assert len(names(tmp_path)) == DAYS + 1
    for day in range(1, 6):
        running.now += DAY
        files.drop_old(NOW + day * DAY)
        files.drop_old(NOW + day * DAY)
        assert names(tmp_path)[0] == day_of(NOW + (day - DAYS) * DAY)
        assert len(names(tmp_path)) == DAYS + 1 - day


def test_a_clock_far_ahead_does_not_cost_the_history(files: DayFiles, running: Running, tmp_path: Path) -> None:
    """Years ahead for some hours: next to nothing is gone when it is put right; in the end all would go."""
    before = names(tmp_path)
    ahead = NOW + 3 * 365 * DAY
    for _ in range(100):  # rounds in five hours
        running.now += PACE / 120
        files.drop_old(ahead)
    assert names(tmp_path) == before
    for _ in range(240):  # and in twelve more
        running.now += PACE / 120
        files.drop_old(ahead)
    assert names(tmp_path) == before[2:]
    for _ in before:
        running.now += PACE
        files.drop_old(ahead)
    assert names(tmp_path) == []


def test_short_runs_drop_too(files: DayFiles, tmp_path: Path) -> None:
    """Who never runs for long keeps a bounded number of files."""
    write(files, MOST_FILES + 3)
    for _ in range(10):
        files.drop_old(NOW)
    assert len(names(tmp_path)) == MOST_FILES


def test_a_damaged_day(files: DayFiles, tmp_path: Path) -> None:
    """The other days are read; what comes next for that day is kept, beside what is left of it."""
    folder = tmp_path / "spool.db.history"
    today, before = folder / f"{day_of(NOW)}.db", folder / f"{day_of(NOW - DAY)}.db"
    for file in (today, before):
        octets = file.read_bytes()
        file.write_bytes(octets[:100] + b"noise" * 4000 + octets[20_100:])
    assert len(files.find(["ID"])) == DAYS - 1
    row = [NOW, "NEW", "host.example", "accepted", "", "", 0, "", "", "", ""]
    files.add([(10_000, json.dumps([row]))], [], NOW)
    assert len(files.find(["NEW"])) == 1
    assert today.with_suffix(".damaged").exists() and len(names(tmp_path)) == DAYS + 2
