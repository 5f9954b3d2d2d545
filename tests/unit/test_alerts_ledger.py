"""The ledger: what is news, what is told once, what is over, and that no storm of alerts becomes one of calls."""

import itertools
import json

import pytest

from hedwig import queueid
from hedwig.alerts.ledger import Ledger, News
from hedwig.bell import Edge, Kind, Record
from hedwig.settings import DAY, HOUR, MINUTE

NOW = 1_800_000_000.0
WORKER, OTHER = "hedwig-worker@1", "hedwig-worker@2"


class Play:
    """A ledger, and what it has said: (state, kind, subject)."""

    def __init__(self, per_hour: int = 30) -> None:
        self.ledger = Ledger(per_hour=per_hour)
        self.now = NOW
        self.news: list[News] = []

    def rings(
        self, kind: str = Kind.REPUTATION, subject: str = "qq", edge: Edge = Edge.BEGINS, source: str = WORKER
    ) -> None:
        lapse = 20.0 * MINUTE if kind == Kind.RECEIVER_BACKED_OFF else 0.0
        record = Record(queueid.new(self.now), self.now, source, edge, kind, subject, f"{kind} {edge}", lapse)
        self.news += self.ledger.hear(record)

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.news += self.ledger.tick(self.now)

    def restarted(self) -> None:
        """As after a restart of the daemon: all goes through JSON."""
        packed = json.loads(json.dumps(self.ledger.packed()))
        self.ledger = Ledger(per_hour=self.ledger.per_hour)
        self.ledger.unpack(packed)

    @property
    def said(self) -> list[str]:
        said, self.news = [one.state for one in self.news if not one.withheld], []
        return said


@pytest.fixture
def play() -> Play:
    return Play()


def test_a_trouble_is_told_once_and_that_it_is_over(play: Play) -> None:
    play.rings()
    play.rings()
    assert play.said == ["raised"]
    play.rings(edge=Edge.ENDS)
    play.rings(edge=Edge.ENDS)
    assert play.said == ["recovered"]


def test_both_ends_have_one_name(play: Play) -> None:
    """raised and recovered are of one alert; the next trouble of that kind is another."""
    play.rings()
    play.rings(edge=Edge.ENDS)
    play.later(3 * HOUR)
    play.rings()
    first, over, second = play.news
    assert first.alert == over.alert != second.alert


def test_what_goes_on_is_told_again_less_and_less_often(play: Play) -> None:
    """After an hour, then two, four ... and at last each day."""
    told = []
    for _ in range(5 * 24 * 60):
        play.rings()
        told += [(play.now - NOW) / HOUR for _ in play.said]
        play.later(MINUTE)
    gaps = [round(after - before) for before, after in itertools.pairwise(told)]
    assert gaps == [1, 2, 4, 8, 16, 24, 24, 24]


def test_what_comes_and_goes_is_not_told_each_time(play: Play) -> None:
    """It is told and taken back once within `repeat`; if it stands when that is over it is told again."""
    for _ in range(20):
        play.rings()
        play.rings(edge=Edge.ENDS)
        play.later(MINUTE)
    assert play.said == ["raised", "recovered"]
    play.rings()
    assert play.said == []
    play.later(HOUR)
    assert play.said == ["raised"]


def test_a_short_outage_is_told_to_nobody(play: Play) -> None:
    """The postoffice was restarted: mail waited a moment at mailman."""
    play.rings(Kind.POSTOFFICE_DOWN, "")
    play.later(MINUTE)
    play.rings(Kind.POSTOFFICE_DOWN, "", Edge.ENDS)
    play.later(HOUR)
    assert play.said == []
    play.rings(Kind.POSTOFFICE_DOWN, "")
    play.later(5 * MINUTE)
    assert play.said == ["raised"]


def test_it_is_over_when_it_is_for_all(play: Play) -> None:
    play.rings(source=WORKER)
    play.rings(source=OTHER)
    play.rings(edge=Edge.ENDS, source=WORKER)
    assert play.said == ["raised"]
    play.rings(edge=Edge.ENDS, source=OTHER)
    assert play.said == ["recovered"]


@pytest.mark.parametrize("edge", [Edge.STARTED, Edge.ENDED])
def test_a_daemon_takes_back_what_lived_in_it(play: Play, edge: Edge) -> None:
    """It can't say any more that DNS is back; what a receiver said stands whoever heard it."""
    play.rings(Kind.DNS_DOWN, "")
    play.rings(Kind.REPUTATION, "qq")
    play.later(2 * MINUTE)
    assert play.said == ["raised", "raised"]
    play.rings("", "", edge)
    assert [(one.state, one.kind) for one in play.news] == [("recovered", Kind.DNS_DOWN)]
    assert [one.kind for one in play.ledger.standing] == [Kind.REPUTATION]


def test_a_back_off_that_is_seen_no_more_is_over(play: Play) -> None:
    play.rings(Kind.RECEIVER_BACKED_OFF)
    for _ in range(60):
        play.later(MINUTE)
        play.ledger.alive(Kind.RECEIVER_BACKED_OFF, "qq", play.now)
    assert play.said == ["raised"]
    play.later(20 * MINUTE)
    assert play.said == ["recovered"]


def test_a_unit_that_failed_is_well_when_it_starts(play: Play) -> None:
    """However often it fails within the hour, it is one call."""
    for _ in range(10):
        play.rings(Kind.UNIT_FAILED, f"{WORKER}.service", source="systemd")
        play.later(10)
    assert play.said == ["raised"]
    play.rings("", "", Edge.STARTED)
    assert [(one.state, one.text) for one in play.news] == [("recovered", f"{WORKER}.service runs again")]


def test_a_daemon_that_crashes_and_is_restarted(play: Play) -> None:
    """systemd calls that no failure: the third start without an end is an alert, the twentieth no other one."""
    for _ in range(20):
        play.rings("", "", Edge.STARTED)
        play.later(MINUTE)
    assert [(one.state, one.kind, one.subject) for one in play.news] == [
        ("happened", Kind.RESTARTING, f"{WORKER}.service")
    ]


def test_restarts_by_an_operator_are_no_crashes(play: Play) -> None:
    for _ in range(20):
        play.rings("", "", Edge.STARTED)
        play.rings("", "", Edge.ENDED)
    assert play.said == []


def test_a_storm(play: Play) -> None:
    """A thousand receivers: as many calls as are allowed, one that says so, and the next hour there are calls again."""
    play = Play(per_hour=5)
    for number in range(1000):
        play.rings(subject=f"site{number}")
    assert [one.kind for one in play.news if not one.withheld] == [Kind.REPUTATION] * 5 + [Kind.TOO_MANY]
    assert len(play.news) == 1000
    play.news.clear()
    play.rings(Kind.TEST, "", Edge.HAPPENED)
    assert play.said == ["happened"]
    play.later(HOUR + 1)
    play.rings(subject="another")
    assert play.said == ["raised"]


def test_a_restart_forgets_nothing(play: Play) -> None:
    """Neither what stands, nor when it was told."""
    play.rings()
    play.restarted()
    play.rings()
    assert play.said == ["raised"]
    play.restarted()
    play.rings(edge=Edge.ENDS)
    assert play.said == ["recovered"]


@pytest.mark.parametrize("broken", [{}, {"known": [{}], "starts": {}, "told_at": []}, {"known": 1}])
def test_a_broken_ledger_is_none(play: Play, broken: dict[str, object]) -> None:
    play.rings()
    with pytest.raises(ValueError, match="no ledger"):
        play.ledger.unpack(broken)
    assert len(play.ledger.standing) == 1


def test_what_is_over_is_forgotten(play: Play) -> None:
    play.rings()
    play.rings(edge=Edge.ENDS)
    play.later(2 * DAY)
    assert play.ledger.packed()["known"] == []
