"""The operator's side: paused sites and clients, what becomes of their mail, and how it goes on (stops.py)."""

from collections.abc import Callable
from typing import Any

import pytest
from spool_parts import DAY, NOW, Clock, claim, deferred, letter, put, settle, states

from hedwig.options import Options
from hedwig.spool import Pause, State, Stream
from hedwig.spool.operate import Act, Filter, Order, Pausing, Stop, StopKind
from hedwig.spool.stops import FOREVER, LAST_CHANCE, is_receiver, paused_because

SITE, CLIENT = StopKind.SITE, StopKind.CLIENT


def pause(desk: Any, kind: StopKind, name: str, at: float = NOW, **said: Any) -> Stop:
    """Through to the last delivery."""
    stop: Stop = desk.pause(Pausing(kind, name, at, said.pop("who", "jia"), **said))
    go_through(desk, name)
    return stop


def resume(desk: Any, kind: StopKind, name: str) -> bool:
    lifted: bool = desk.resume(kind, name)
    go_through(desk, name)
    return lifted


def go_through(desk: Any, name: str) -> None:
    for _ in range(1000):
        passed, of = desk.advance(name)
        if passed >= of:
            return
    raise AssertionError("it comes to no end")


def expiry(spool: Any, number: int, now: float) -> tuple[float, bool]:
    [got] = claim(spool, [number], now=now)
    settle(spool, got)
    return got.expires_at, got.extended


def test_a_paused_site_is_left_alone(spool: Any, desk: Any) -> None:
    """It is not claimed, and the feeder hears of it; its mail is listed as ever; what expires is given up."""
    numbers = put(spool, letter("a@x.example"), letter("b@x.example", expires_at=NOW + 60), letter("c@y.example"))
    pause(desk, SITE, "x.example", until=NOW + 3600, reason="they asked us to")
    assert [got.destination for got in claim(spool, numbers)] == ["y.example"]
    assert [(one.destination, one.until) for one in spool.pauses(NOW)] == [("x.example", NOW + 3600)]
    assert spool.halted("host/1", NOW).sites == {"x.example"}
    assert [row.state for row in desk.listed(Filter(site="x.example"), 9)[0]] == [State.READY] * 2
    assert [got.expires_at for got in claim(spool, numbers, now=NOW + 61)] == [NOW + 60]
    assert desk.stops(NOW) == [Stop(SITE, "x.example", NOW, NOW + 3600, "jia", "they asked us to")]
    assert desk.stops(NOW + 3600) == []
    assert len(claim(spool, numbers, now=NOW + 3600)) == 1


def test_a_resumed_site_goes_on_at_once(spool: Any, desk: Any) -> None:
    numbers = put(spool, letter("a@x.example"))
    pause(desk, SITE, "x.example")
    assert not resume(desk, CLIENT, "x.example"), "it is no client that is paused"
    assert resume(desk, SITE, "x.example")
    assert not resume(desk, SITE, "x.example")
    assert len(claim(spool, numbers)) == 1


def test_the_mail_of_a_paused_client_is_held(spool: Any, desk: Any, clock: Clock) -> None:
    """What waits, what comes in, what a worker hands back, its bounces; that of others goes on; none expires."""
    old = put(spool, letter("a@x.example"), letter("b@x.example"), letter("c@x.example", client="other.example"))
    [under_way] = claim(spool, old[1:2])
    pause(desk, CLIENT, "host.example")
    new = put(spool, letter("d@x.example"), letter("e@x.example", client="other.example"))
    assert spool.halted("host/1", NOW).clients == {"host.example"}
    settle(spool, under_way, deferred())
    assert {got.client for got in claim(spool, [*old, *new], now=NOW + 600)} == {"other.example"}
    assert spool.expired(NOW + 99 * DAY, 9) == []
    rows = {row.rcptto[0]: row.state for row in desk.listed(Filter(client="host.example"), 9)[0]}
    assert rows == dict.fromkeys("abd", State.PAUSED)
    clock.now = NOW + 600
    assert resume(desk, CLIENT, "host.example")
    assert len(claim(spool, [*old, *new], now=NOW + 600)) == 3
    assert spool.streams(NOW + 600, None) <= {Stream("x.example", 1)}


def test_who_holds_a_letter_by_hand_holds_it_beyond_the_pause(spool: Any, desk: Any) -> None:
    one = letter("a@x.example", "b@x.example")
    put(spool, one)
    desk.act(Order(Act.HOLD, "jia"), Filter(rcpt="b@x.example"))
    pause(desk, CLIENT, "host.example")
    resume(desk, CLIENT, "host.example")
    assert {to: state for to, (state, _, _) in states(spool, one.queue_id).items()} == {
        "a@x.example": State.READY,
        "b@x.example": State.HELD,
    }


def test_thousands_of_letters_are_held_and_freed_in_steps(spool: Any, desk: Any) -> None:
    """Each transaction changes fewer than 1,000 rows; what comes in between is held all the same."""
    numbers = [number for _ in range(3) for number in put(spool, *[letter("a@x.example") for _ in range(500)])]
    desk.pause(Pausing(CLIENT, "host.example", NOW, "jia"))
    steps = [desk.advance("host.example")]
    numbers += put(spool, letter("a@x.example"))
    while steps[-1][0] < steps[-1][1]:
        steps.append(desk.advance("host.example"))
    assert 3 <= len(steps) < 9
    far = [passed for passed, _ in steps[:-1]]
    assert far == sorted(far)
    assert claim(spool, numbers) == []
    resume(desk, CLIENT, "host.example")
    assert len(claim(spool, numbers)) == len(numbers)


@pytest.mark.parametrize("kind", list(StopKind))
def test_who_pauses_again_changes_what_is_said_anew(spool: Any, desk: Any, kind: StopKind) -> None:
    """And nothing else: neither the end nor the reason is lost by not being repeated."""
    first = pause(desk, kind, "x.example", until=NOW + 3600, reason="a storm")
    assert first == Stop(kind, "x.example", NOW, NOW + 3600, "jia", "a storm")
    assert pause(desk, kind, "x.example", NOW + 9, who="yi") == Stop(
        kind, "x.example", NOW, NOW + 3600, "yi", "a storm"
    )
    longer = pause(desk, kind, "x.example", NOW + 9, until=NOW + 7200)
    assert (longer.until, longer.reason) == (NOW + 7200, "a storm")
    other = pause(desk, kind, "x.example", NOW + 9, reason="a flood")
    assert (other.until, other.reason) == (NOW + 7200, "a flood")
    cleared = pause(desk, kind, "x.example", NOW + 9, until=FOREVER, reason="")
    assert (cleared.until, cleared.reason) == (FOREVER, "")
    assert desk.stops(NOW + 9) == [cleared]


@pytest.mark.parametrize("kind", list(StopKind))
def test_a_pause_that_is_over_says_nothing_of_the_next(spool: Any, desk: Any, kind: StopKind) -> None:
    """It ran out, or was ended: the next one begins anew, without end and reason."""
    desk.pause(Pausing(kind, "x.example", NOW, "jia", NOW + 60, "a storm"))
    again = desk.pause(Pausing(kind, "x.example", NOW + 61, "yi"))
    assert again == Stop(kind, "x.example", NOW + 61, FOREVER, "yi", "")
    desk.resume(kind, "x.example")
    assert desk.pause(Pausing(kind, "x.example", NOW + 70, "yi")).since == NOW + 70


def released(spool: Any, desk: Any, clock: Clock, late: float) -> None:
    desk.act(Order(Act.HOLD, "jia"), Filter())
    clock.now = late
    desk.act(Order(Act.RELEASE, "jia"), Filter())


def resumed(spool: Any, desk: Any, clock: Clock, late: float) -> None:
    pause(desk, CLIENT, "host.example")
    clock.now = late
    resume(desk, CLIENT, "host.example")


@pytest.mark.parametrize("go_on", [released, resumed])
def test_only_what_has_no_time_left_is_given_more(
    spool: Any, desk: Any, clock: Clock, go_on: Callable[..., None]
) -> None:
    """Past its expiry a letter has a day; so has one that has minutes, for it may not find its turn in them. Who has
    hours keeps them, and nobody is sent past a deadline of its sender's."""
    late = NOW + 9 * DAY
    expiries = {
        "past": NOW + 5 * DAY,
        "minutes": late + 300,
        "hours": late + 5 * 3600,
        "days": late + 5 * DAY,
    }
    numbers = dict(
        zip(expiries, put(spool, *[letter(f"{n}@x.example", expires_at=expiries[n]) for n in expiries]), strict=True)
    )
    own = [late + 120, NOW + 60]
    deadlines = put(spool, *[letter("d@x.example", options=Options(deadline=at), expires_at=at) for at in own])
    go_on(spool, desk, clock, late)
    assert {name: expiry(spool, number, late) for name, number in numbers.items()} == {
        "past": (late + LAST_CHANCE, True),
        "minutes": (late + LAST_CHANCE, True),
        "hours": (late + 5 * 3600, False),
        "days": (late + 5 * DAY, False),
    }
    assert [expiry(spool, number, late)[0] for number in deadlines] == own


def test_what_is_put_off_has_its_try_in_time_anyway(spool: Any, desk: Any, clock: Clock) -> None:
    """A deferred letter of a paused client that is due before its expiry keeps both."""
    [number] = put(spool, letter("a@x.example", expires_at=NOW + 700))
    settle(spool, claim(spool, [number])[0], deferred(due=NOW + 600))
    resumed(spool, desk, clock, NOW + 300)
    assert claim(spool, [number], now=NOW + 300) == []
    assert expiry(spool, number, NOW + 600) == (NOW + 700, False)


def test_a_letter_that_is_released_while_its_client_is_paused_waits_for_both(
    spool: Any, desk: Any, clock: Clock
) -> None:
    """And has its day from when it can go."""
    [number] = put(spool, letter("a@x.example"))
    desk.act(Order(Act.HOLD, "jia"), Filter())
    pause(desk, CLIENT, "host.example")
    clock.now = NOW + 9 * DAY
    desk.act(Order(Act.RELEASE, "jia"), Filter())
    assert claim(spool, [number], now=clock.now) == []
    clock.now = NOW + 11 * DAY
    resume(desk, CLIENT, "host.example")
    assert expiry(spool, number, clock.now) == (NOW + 12 * DAY, True)


def test_a_receiver_that_is_paused_by_name_is_the_workers_business(spool: Any, desk: Any) -> None:
    """The spool knows destinations alone. What workers have published because of it ends with it, and nothing else."""
    [number] = put(spool, letter("a@x.example"))
    pause(desk, SITE, "google")
    published = [Pause(name, NOW, NOW + 60, why) for name, why in (("x.example", paused_because("google")), ("y", "z"))]
    assert len(spool.claim([number], "host/1", NOW, published).result(10)) == 1
    assert resume(desk, SITE, "google")
    assert [one.destination for one in spool.pauses(NOW)] == ["y"]


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (SITE, "google", True),
        (SITE, "google.com", False),
        (SITE, "[IPv6:2001:db8::1]", False),
        (CLIENT, "google", False),
    ],
)
def test_a_word_without_a_dot_is_a_receiver(kind: StopKind, name: str, expected: bool) -> None:
    assert is_receiver(kind, name) is expected
