"""How wrong a host's clock is, from when its requests were made: by stories."""

from dataclasses import replace

import pytest

from hedwig import queueid
from hedwig.envelope import Envelope, digest
from hedwig.postoffice.clocks import JUMP, PERIOD, SHIFT, Clocks
from hedwig.postoffice.submission import Submission
from hedwig.settings import MIB
from hedwig.spool import Bytes

NOW = 1_000_000_000.0
ENVELOPE = Envelope("a@y.example", ("b@x.example",))
SENT = Submission(queueid.new(), ENVELOPE, Bytes(b"x\r\n"), digest(ENVELOPE, [b"x\r\n"]))
LARGE = Bytes(b"x" * (MIB + 1))


class Host:
    """A host whose clock is `behind`; `send` at a time of ours, `took` seconds before we have it."""

    def __init__(self, clocks: Clocks, name: str = "host.example") -> None:
        self.clocks = clocks
        self.name = name
        self.behind = 0.0

    def send(self, at: float, took: float = 0.01, body: Bytes = SENT.body) -> float:
        sent = replace(SENT, body=body, sent_at=NOW + at - took - self.behind)
        return self.clocks.behind(self.name, sent, NOW + at)


@pytest.fixture
def host() -> Host:
    return Host(Clocks())


@pytest.mark.parametrize("behind", [-3600.0, -2.5, 0.0, 9.0, 11.0, 3600.0, 1e9])
def test_a_clock_that_is_wrong_is_so_from_the_first_request(host: Host, behind: float) -> None:
    """By a little it counts as right."""
    host.behind = behind
    said = host.send(0)
    assert said == (0.0 if abs(behind) < 10 and behind > -2 else pytest.approx(behind, abs=0.02))
    assert host.send(1, took=5.0) == said


def test_a_request_that_waited_for_long_is_no_slow_clock(host: Host) -> None:
    """postoffice was frozen for ten minutes, and what came in meanwhile is read now: stale mail stays stale."""
    host.send(0)
    assert [host.send(600 + number / 100, took=600 - number) for number in range(50)] == [0.0] * 50
    assert host.send(601) == 0.0


def test_a_clock_that_was_set_back_is_known_after_a_while(host: Host) -> None:
    """By minutes: a request may have waited for as long."""
    host.send(0)
    host.behind = 540.0
    assert host.send(1) == 0.0
    assert host.send(1 + PERIOD) == 0.0
    assert host.send(2 + 2 * PERIOD) == pytest.approx(540, abs=0.02)


def test_a_clock_that_was_set_right_is_known_at_once(host: Host) -> None:
    host.behind = 540.0
    host.send(0)
    host.behind = 0.0
    assert host.send(1) == 0.0


@pytest.mark.parametrize("ahead", [SHIFT, 300.0, JUMP - 1])
def test_a_clock_that_was_minutes_ahead_and_is_right_again_is_known_in_seconds(host: Host, ahead: float) -> None:
    """While mail comes: a letter that is to be sent within a minute is not stale on arrival for longer than that."""
    host.send(0)
    host.behind = -ahead
    assert host.send(1) == pytest.approx(-ahead, abs=0.02)
    host.behind = 0.0
    said = [host.send(2 + number, took=number % 3 / 5) for number in range(10)]
    assert said[-1] == 0.0
    assert said.count(0.0) >= 4


def test_a_standstill_of_minutes_is_no_clock_that_was_set(host: Host) -> None:
    """What is read after it is of every age, for a while; and again when it stands still again."""
    host.send(0)
    for standstill in (300, 600):
        for second in range(250):
            assert host.send(standstill + second / 10, took=max(0.01, 250 - second)) == 0.0


@pytest.mark.parametrize("behind", [-3600.0, 3600.0, -JUMP - 1, JUMP + 1, -1e9, 1e9])
@pytest.mark.parametrize("pause", [1.0, PERIOD, 10 * PERIOD])
def test_a_clock_that_jumps_is_known_at_once_and_so_is_its_way_back(host: Host, behind: float, pause: float) -> None:
    """Mail that is to be sent within seconds is sent, whichever way the clock went; nothing is remembered wrongly."""
    assert host.send(0) == 0.0
    host.behind = behind
    assert host.send(pause) == pytest.approx(behind, abs=0.02)
    host.behind = 0.0
    assert [host.send(2 * pause), host.send(2 * pause + 1), host.send(3 * pause)] == [0.0, 0.0, 0.0]


def test_a_request_that_waited_after_a_jump_is_stale_all_the_same(host: Host) -> None:
    host.behind = 3600.0
    host.send(0)
    assert host.send(500, took=499) == pytest.approx(3600, abs=0.02)


def test_what_is_said_does_not_tremble(host: Host) -> None:
    """accepted_at is moved by it: two letters of a host a few milliseconds apart keep their order."""
    host.behind = 3600.0
    said = {host.send(number, took=0.01 + number % 7 / 10) for number in range(300)}
    assert len(said) == 1
    host.behind = 10.0  # where a difference begins to count
    host.send(1000)
    assert {host.send(1001 + number, took=number % 7 / 100) for number in range(300)} == {host.send(1400)}


def test_a_large_letter_takes_long_and_tells_nothing(host: Host) -> None:
    assert host.send(0, took=400.0, body=LARGE) == 0.0
    host.behind = 3600.0
    host.send(1)
    assert host.send(2, took=400.0, body=LARGE) == pytest.approx(3600, abs=0.02)


def test_an_older_mailman_says_nothing() -> None:
    assert Clocks().behind("host.example", SENT, NOW) == 0.0


def test_each_host_has_its_own_clock(host: Host) -> None:
    other = Host(host.clocks, "other.example")
    other.behind = -3600.0
    assert other.send(0) == pytest.approx(-3600, abs=0.02)
    assert host.send(0) == 0.0
