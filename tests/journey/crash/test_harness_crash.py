"""The crash matrix's own parts: a reckoning that sees what is wrong, a plan without gaps, seams that strike."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hedwig.options import OnDoubt
from hedwig.spool import Kind

from .fate import VARIABLE, Act, Fate
from .letters import DEAD, QUICK, numbered
from .plan import NAMES, SOMETIME, WORKERS, strokes
from .receivers import Arrival
from .reckoning import Evidence, Notice, Reckoning
from .seams import POINTS, Trap

ID, OTHER = "01M85R6Q32ZGPMFVMWTAKAGPZE", "01M85R6Q32ZGPMFVMWTAKAGPZF"


def number_to(domain: str) -> int:
    """The first letter that goes to one recipient there."""
    return next(number for number in range(1, 999) if [*numbered(number).rcpttos] == [f"n{number}-1@{domain}"])


def delivered(copies: int, doubts: int) -> Evidence:
    """A letter that came so often, and whose history has so many doubts."""
    number = number_to(QUICK)
    rcptto = numbered(number).rcpttos[0]
    told = {(ID, rcptto): Counter({Kind.DELIVERED: 1, Kind.IN_DOUBT: doubts})}
    return Evidence({number}, {number: ID}, [Arrival(rcptto, ID, whole=True)] * copies, told=told)


def bounced(copies: int = 1) -> Evidence:
    """A letter to nobody, and the notification of it."""
    number = number_to(DEAD)
    rcptto = numbered(number).rcpttos[0]
    told = {(ID, rcptto): Counter({Kind.FAILED: 1}), (OTHER, "s@robot.genee.cn"): Counter({Kind.DELIVERED: 1})}
    return Evidence({number}, {number: ID}, notices=[Notice(OTHER, (rcptto,))] * copies, told=told)


def test_what_went_well_has_no_fault() -> None:
    for evidence, column in ((delivered(1, 0), "delivered"), (bounced(), "bounced")):
        reckoning = Reckoning(evidence)
        assert reckoning.faults == []
        assert reckoning.counts == Counter({"sent": 1, "accepted": 1, column: 1})


def test_what_waits_is_not_lost() -> None:
    evidence = delivered(0, 0)
    evidence.told.clear()
    evidence.queued = set(numbered(next(iter(evidence.sent))).rcpttos)
    reckoning = Reckoning(evidence)
    assert (reckoning.faults, reckoning.counts["queued"], reckoning.counts["lost"]) == ([], 1, 0)


def test_a_lost_letter_is_seen() -> None:
    for evidence in (delivered(0, 0), bounced(0)):
        evidence.told.clear()
        reckoning = Reckoning(evidence)
        assert reckoning.counts["lost"] == 1
        assert "is lost" in reckoning.faults[0]


@pytest.mark.parametrize(("copies", "doubts", "faults"), [(2, 0, 1), (2, 1, 0), (3, 1, 1), (3, 2, 0), (1, 1, 0)])
def test_each_further_copy_needs_a_doubt(copies: int, doubts: int, faults: int) -> None:
    reckoning = Reckoning(delivered(copies, doubts))
    assert len(reckoning.faults) == faults
    assert reckoning.counts["doubled"] == (copies > 1)
    assert reckoning.counts["in doubt"] == (doubts > 0)


@pytest.mark.parametrize(("policy", "most"), [(OnDoubt.HOLD, 1), (OnDoubt.RETRY_ONCE, 2), (OnDoubt.RETRY, 3)])
def test_a_policy_bounds_the_copies(policy: OnDoubt, most: int) -> None:
    for copies in (1, 2, 3):
        evidence = delivered(copies, 2)
        evidence.policies = dict.fromkeys(evidence.sent, policy)
        assert len(Reckoning(evidence).faults) == (copies > most)


def test_a_letter_without_250_may_come_once_and_not_twice() -> None:
    for copies in (1, 2):
        evidence = delivered(copies, 0)
        evidence.accepted.clear()
        assert len(Reckoning(evidence).faults) == copies - 1


def test_a_copy_under_another_id_or_with_other_octets_is_seen() -> None:
    evidence = delivered(1, 0)
    rcptto = evidence.arrivals[0].rcptto
    evidence.arrivals = [Arrival(rcptto, OTHER, whole=True)]
    assert any("came as" in fault for fault in Reckoning(evidence).faults)
    evidence.arrivals = [Arrival(rcptto, ID, whole=False)]
    assert any("as it was sent" in fault for fault in Reckoning(evidence).faults)


def test_a_history_that_is_wrong_is_seen() -> None:
    silent = delivered(1, 0)
    silent.told.clear()
    assert any("does not say so" in fault for fault in Reckoning(silent).faults)
    boasting = delivered(0, 0)
    assert any("said to be delivered" in fault for fault in Reckoning(boasting).faults)


def test_notifications_are_counted_too() -> None:
    assert any("2 copies" in fault for fault in Reckoning(bounced(2)).faults)
    twice = bounced()
    twice.notices.append(Notice(ID, twice.notices[0].failed))
    assert any("2 different notifications" in fault for fault in Reckoning(twice).faults)


def test_a_round_strikes_every_point_and_six_rounds_in_every_way() -> None:
    chance = random.Random(1)
    ways: dict[tuple[str, str], set[Act]] = {}
    for turn in range(13):  # workers change places: a point is its worker's every second round
        met = set()
        for name in NAMES:
            for stroke in strokes(name, turn, chance):
                if stroke.point != SOMETIME:
                    met.add((name.partition("-")[0], stroke.point))
                    ways.setdefault((name.partition("-")[0], stroke.point), set()).add(stroke.act)
        assert met == {(daemon, point) for daemon in POINTS for point in POINTS[daemon]}
    assert all(found >= {Act.KILL, Act.FREEZE, Act.FREEZE_KILL, Act.RESTART} for found in ways.values()), ways


def test_the_first_round_kills_at_every_point() -> None:
    planned = [(name, stroke) for name in NAMES for stroke in strokes(name, 0, random.Random(2))]
    killed = {(name.partition("-")[0], stroke.point) for name, stroke in planned if stroke.act is Act.KILL}
    assert killed >= {(daemon, point) for daemon in POINTS for point in POINTS[daemon]}
    assert {name for name, stroke in planned if stroke.act is Act.KILL} == set(NAMES)
    assert len(WORKERS) == 2


@pytest.mark.parametrize("act", Act)
def test_a_fate_is_written_and_read(act: Act) -> None:
    fate = Fate("settle.before-commit", 12, act)
    assert Fate.parse(str(fate)) == fate


def test_a_trap_strikes_at_the_passing_it_was_set_for() -> None:
    """Once, and at its own point."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        trap = Trap(Fate("dot.after", 2, Act.RESTART))
        for point in ("dot.after", "data.before", "dot.after", "dot.after"):
            trap.passing(point)
            if point == "data.before":
                assert heard == []
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


@pytest.mark.parametrize("daemon", POINTS)
def test_every_seam_finds_its_method(daemon: str, tmp_path: Path) -> None:
    """All seams of a daemon are laid, and its main then reads its command line: here, a file that is not there."""
    environment = os.environ | {VARIABLE: f"{POINTS[daemon][0]}:1:kill", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "journey.crash.launch", daemon, "--config", str(tmp_path / "none.yml")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78, done.stderr
    assert "none.yml" in done.stderr


def test_a_point_that_is_none_is_refused() -> None:
    environment = os.environ | {VARIABLE: "dot.after:1:kill", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "journey.crash.launch", "mailman"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "mailman has no point dot.after" in done.stderr
