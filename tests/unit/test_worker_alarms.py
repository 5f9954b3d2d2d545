"""What the operator must hear: loudly, once an hour for each receiver and rule, under the kind that says what to do."""

from collections.abc import Iterator

import pytest

from hedwig import log
from hedwig.classify import Ruling
from hedwig.log import Level, Matter
from hedwig.settings.replies import About, Action
from hedwig.worker.alarms import HUSH, Alarm, Alarms

Entry = tuple[Level, str, dict[str, str]]


@pytest.fixture
def told() -> Iterator[list[Entry]]:
    entries: list[Entry] = []
    log.start("test")
    log.capture(lambda *entry: entries.append(entry))
    yield entries
    log.start("test")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def alarm(rule: str = "qq-frequency", site: str = "qq", decision: Action | None = Action.BACK_OFF) -> Alarm:
    ruling = Ruling(rule, "rate", About.ADDRESS, decision, alert=True, help="https://example.com/help")
    return Alarm(site, ruling, "mx1.qq.com[192.0.2.1]", "550 Ip frequency limited")


def test_once_an_hour_for_each_receiver_and_rule(told: list[Entry]) -> None:
    clock = Clock()
    alarms = Alarms(clock)
    for _ in range(1000):
        alarms.sound(alarm())
    assert len(told) == 1
    alarms.sound(alarm(site="google"))
    alarms.sound(alarm(rule="qq-spam-ip"))
    assert len(told) == 3
    clock.now = HUSH - 1
    alarms.sound(alarm())
    assert len(told) == 3
    clock.now = HUSH
    alarms.sound(alarm())
    assert len(told) == 4


@pytest.mark.parametrize(
    ("decision", "matter"),
    [
        (Action.BACK_OFF, Matter.SITE_BLOCKED),
        (Action.HOLD, Matter.SETUP_REFUSED),
        (Action.FAIL, Matter.MAIL_REFUSED),
        (None, Matter.MAIL_REFUSED),
    ],
)
def test_what_is_said(told: list[Entry], decision: Action | None, matter: Matter) -> None:
    Alarms(Clock()).sound(alarm(decision=decision))
    [(level, text, fields)] = told
    assert level is Level.ALERT
    assert "qq" in text
    assert "550 Ip frequency limited (rule qq-frequency (rate))" in text
    assert fields == {
        "MESSAGE_ID": log.message_id(matter),
        "HEDWIG_EVENT": matter,
        "HEDWIG_SITE": "qq",
        "HEDWIG_MX": "mx1.qq.com[192.0.2.1]",
        "HEDWIG_REPLY": "550 Ip frequency limited",
        "HEDWIG_REASON": "qq-frequency (rate)",
        "HEDWIG_RULE": "qq-frequency",
        "HEDWIG_MEANING": "rate",
        "HEDWIG_HELP": "https://example.com/help",
    }


def test_it_remembers_no_more_than_it_must(told: list[Entry]) -> None:
    """A million of receivers' names don't stay in memory."""
    alarms = Alarms(Clock())
    for number in range(10_001):
        alarms.sound(alarm(site=f"{number}.example"))
    assert len(told) == 10_001
    alarms.sound(alarm(site="10000.example"))
    assert len(told) == 10_001
