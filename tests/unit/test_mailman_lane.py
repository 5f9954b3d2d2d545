"""A lane: nothing waits in it without use, and nothing stays in its memory."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from hedwig import queueid
from hedwig.envelope import Envelope
from hedwig.mailman.client import NoVerdict, Parcel, Verdict
from hedwig.mailman.lane import Lane
from hedwig.mailman.link import Link
from hedwig.reply import Reply

ACCEPTED = Verdict(Reply(250, "2.0.0", "queued"))


class Postoffice:
    """Hangs until it is let go, given up or ended."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go = threading.Event()
        self.trouble: NoVerdict | None = None
        self.given_up = 0

    def send(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        self.batches.append(len(parcels))
        self.go.wait(20)
        if self.trouble:
            raise self.trouble
        return [ACCEPTED] * len(parcels)

    def give_up(self) -> None:
        self.given_up += 1
        self.trouble = NoVerdict("given up", reached=True, too_slow=True)
        self.go.set()

    def end(self) -> None:
        self.trouble = NoVerdict("mailman is ending")
        self.go.set()

    def close(self) -> None:
        """Nothing is open."""


def parcel(body: bytes = b"x") -> Parcel:
    return Parcel(queueid.new(), Envelope("a@example.org", ("b@example.com",)), body, time.time(), False)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Rig:
    def __init__(self) -> None:
        self.there = Postoffice()
        self.link = Link()
        self.lane = Lane("small", lambda: self.there, self.link)
        self.verdicts: list[Verdict | None] = []

    def add(self, body: bytes = b"x"):
        return self.lane.add(parcel(body), self.verdicts.append)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.lane.stop()


def test_a_request_for_which_nobody_waits_is_cut_and_one_for_which_somebody_does_is_not(rig: Rig) -> None:
    first = rig.add()
    until(lambda: rig.there.batches)
    second, third = rig.add(), rig.add()
    assert rig.lane.give_up(second), "it had not left"
    assert rig.there.given_up == 0
    assert not rig.lane.give_up(first)
    until(lambda: len(rig.verdicts) == 2)
    assert rig.there.given_up == 1
    assert rig.there.batches == [1, 1], "the second never leaves, the third does"
    assert not rig.lane.give_up(third), "it had its answer: nothing is cut"
    assert rig.there.given_up == 1


def test_a_request_in_which_one_of_two_still_waits_goes_on(rig: Rig) -> None:
    gates = [threading.Event(), threading.Event()]

    def send(parcels: Sequence[Parcel]) -> list[Verdict]:
        rig.there.batches.append(len(parcels))
        gates[len(rig.there.batches) - 1].wait(20)
        return [ACCEPTED] * len(parcels)

    rig.there.send = send
    rig.add()
    until(lambda: rig.there.batches)
    second, third = rig.add(), rig.add()
    gates[0].set()
    until(lambda: rig.there.batches == [1, 2])
    assert not rig.lane.give_up(second)
    assert rig.there.given_up == 0
    assert not rig.lane.give_up(third)
    assert rig.there.given_up == 1
    gates[1].set()
    until(lambda: rig.verdicts == [ACCEPTED] * 3)


def test_bodies_leave_memory_with_their_verdicts(rig: Rig) -> None:
    """An idle lane that held its last batch would hold 25 MiB."""
    body = bytes(5000)
    held = sys.getrefcount(body)
    rig.add(body)
    rig.there.go.set()
    until(lambda: rig.verdicts == [ACCEPTED])
    until(lambda: sys.getrefcount(body) == held)


def test_an_outage_turns_away_all_that_waits(rig: Rig) -> None:
    """Else a hundred at a time would wait for the same answer."""
    rig.add()
    until(lambda: rig.there.batches)
    for _ in range(300):
        rig.add()
    rig.there.trouble = NoVerdict("connection refused")
    rig.there.go.set()
    until(lambda: len(rig.verdicts) == 301)
    assert rig.verdicts == [None] * 301
    assert len(rig.there.batches) == 1


def test_a_batch_is_taken_apart_only_while_the_postoffice_answers(rig: Rig) -> None:
    troubles = iter([NoVerdict("a frame", 400), NoVerdict("no answer within 10 s", reached=True)])

    def send(parcels: Sequence[Parcel]) -> list[Verdict]:
        rig.there.batches.append(len(parcels))
        if len(rig.there.batches) == 1:
            rig.there.go.wait(20)
            return [ACCEPTED]
        raise next(troubles)

    rig.there.send = send
    rig.add()
    until(lambda: rig.there.batches)
    for _ in range(50):
        rig.add()
    rig.there.go.set()
    until(lambda: len(rig.verdicts) == 51)
    assert rig.there.batches == [1, 50, 1]


def test_the_end_is_no_outage_and_waits_for_no_request(rig: Rig) -> None:
    rig.add()
    until(lambda: rig.there.batches)
    rig.add()
    started = time.monotonic()
    rig.lane.stop()
    assert time.monotonic() - started < 4
    assert rig.verdicts == [None, None]
    assert rig.link.is_up
    assert not rig.lane.pulse.stuck


@pytest.mark.parametrize(
    ("trouble", "left"),
    [(NoVerdict("connection refused"), False), (NoVerdict("it broke", reached=True), True), (None, True)],
)
def test_whether_a_message_may_be_over_there(rig: Rig, trouble: NoVerdict | None, left: bool) -> None:
    """It is so when it settles: whoever keeps a message without a verdict must know (I3)."""
    rig.there.trouble = trouble
    seen: list[bool] = []
    waits = rig.lane.add(parcel(), lambda verdict: seen.append(waits.left))
    until(lambda: rig.there.batches)
    behind = rig.lane.add(parcel(), lambda verdict: seen.append(behind.left))
    assert not behind.left
    assert rig.lane.give_up(behind)
    rig.there.go.set()
    until(lambda: seen)
    assert seen == [left]
    assert not behind.left
