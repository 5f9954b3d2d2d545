"""The operator's side: what acts do to mail that waits, and what they leave alone."""

import time
from pathlib import Path
from typing import Any

from spool_parts import (
    DAY,
    NOW,
    Clock,
    Pieces,
    claim,
    deferred,
    deliver,
    done,
    held,
    letter,
    put,
    settle,
    states,
    waiting_ids,
)

from hedwig.options import Notify, Options
from hedwig.spool import Kind, State, Stream
from hedwig.spool.operate import Act, Filter, Lot, Order, Telling
from hedwig.spool.stops import EVERYWHERE

TELLING = Telling("robot.genee.cn", 2 * DAY)


def act(desk: Any, what: Act, wanted: Filter | None = None, **order: Any) -> list[Lot]:
    """All lots."""
    lots = [desk.act(Order(what, "jia", "because", **order), wanted or Filter())]
    while lots[-1].after:
        lots.append(desk.act(Order(what, "jia", "because", **order), wanted or Filter(), lots[-1].after))
    return lots


def touched(lots: list[Lot]) -> list[str]:
    return [row.rcptto for lot in lots for row in lot.touched]


def kinds(desk: Any, queue_id: str) -> list[tuple[str, str]]:
    return [(line.kind.value, line.text) for line in desk.histories([queue_id])[queue_id]]


def due_now(spool: Any, destination: str, now: float = NOW) -> list[int]:
    return [one.delivery for one in spool.due(destination, now, 100)]


def test_held_mail_is_not_due_and_does_not_expire(spool: Any, desk: Any) -> None:
    """Ready and deferred ones, one recipient of a delivery or all; who and why stand in the history."""
    one = letter("a@x.example", "b@x.example", "c@y.example")
    x, y = put(spool, one)
    assert touched(act(desk, Act.HOLD, Filter(rcpt="b@x.example"))) == ["b@x.example"]
    assert due_now(spool, "x.example") == [x], "the other recipient goes on"
    assert [r.address for r in claim(spool, [x])[0].recipients] == ["a@x.example"]
    assert touched(act(desk, Act.HOLD)) == ["c@y.example"], "a is busy, b is held"
    assert due_now(spool, "y.example") == []
    assert spool.expired(NOW + 99 * DAY, 10) == []
    assert claim(spool, [y]) == []
    assert kinds(desk, one.queue_id)[-1] == ("held", "held: by jia: because")


def test_released_mail_goes_out_at_once(spool: Any, desk: Any, clock: Clock) -> None:
    """What was held by an operator, by a worker in doubt, ready or deferred: all is due now, and found to be."""
    letters = [letter("a@x.example"), letter("b@x.example"), letter("c@x.example")]
    ready, later, doubt = put(spool, *letters)
    [one, two] = claim(spool, [later, doubt])
    settle(spool, one, deferred(due=NOW + 9000))
    settle(spool, two, held())
    act(desk, Act.HOLD)
    assert spool.streams(NOW + DAY, None) == set()
    clock.now = NOW + 60
    assert touched(act(desk, Act.RELEASE)) == ["a@x.example", "b@x.example", "c@x.example"]
    assert set(due_now(spool, "x.example", NOW + 60)) == {ready, later, doubt}
    assert spool.streams(NOW + 60, NOW + 58) == {Stream("x.example", 1)}, "by its quick look the feeder finds them"
    assert EVERYWHERE in {pause.destination for pause in spool.pauses(NOW + 59)}, "and is told to look everywhere"
    assert states(spool, letters[1].queue_id) == {"b@x.example": (State.DEFERRED, 1, NOW + 60)}
    assert kinds(desk, letters[2].queue_id)[-1] == ("released", "released: by jia: because")


def test_what_is_released_past_its_expiry_has_a_last_chance(spool: Any, desk: Any, clock: Clock) -> None:
    """A day, but never past the deadline that its sender has set."""
    late = NOW + 9 * DAY
    letters = [
        letter("a@a.example"),
        letter("b@b.example", options=Options(deadline=NOW + 600), expires_at=NOW + 600),
        letter("c@c.example", options=Options(deadline=late + 600), expires_at=late + 600),
        letter("d@d.example", expires_at=NOW + 99 * DAY),
    ]
    numbers = put(spool, *letters)
    act(desk, Act.HOLD)
    clock.now = late
    act(desk, Act.RELEASE)
    expiries = {one.destination: one.expires_at for one in claim(spool, numbers, now=late)}
    assert expiries == {
        "a.example": late + DAY,
        "b.example": NOW + 600,
        "c.example": late + 600,
        "d.example": NOW + 99 * DAY,
    }


def test_retried_mail_is_due_now(spool: Any, desk: Any, clock: Clock) -> None:
    """Deferred ones alone; each recipient of a delivery on its own."""
    one = letter("a@x.example", "b@x.example")
    [number] = put(spool, one, letter("c@z.example"))[:1]
    [got] = claim(spool, [number])
    settle(spool, got, deferred(0, NOW + 5000), deferred(1, NOW + 9000))
    clock.now = NOW + 100
    assert due_now(spool, "x.example", NOW + 100) == []
    assert touched(act(desk, Act.RETRY, Filter(rcpt="b@x.example"))) == ["b@x.example"]
    assert due_now(spool, "x.example", NOW + 100) == [number]
    [got] = claim(spool, [number], now=NOW + 100)
    assert [(r.address, r.tries) for r in got.recipients] == [("b@x.example", 1)]
    assert kinds(desk, one.queue_id)[-1] == ("retry", "retry: by jia: because")


def test_dropped_mail_ends_as_delivered_mail_does(spool: Any, desk: Any) -> None:
    """Recipient by recipient, whatever state they are in; the body goes with the last one, large ones too."""
    one = letter("a@x.example", "b@x.example", "c@y.example")
    large = letter("d@y.example", body=Pieces(3 << 20))
    x, y, big = put(spool, one, large)
    [got] = claim(spool, [x])
    settle(spool, got, deferred(0, NOW + 5000), held(1))
    used = spool.used()
    assert touched(act(desk, Act.DROP, Filter(state=State.HELD))) == ["b@x.example"]
    assert set(states(spool, one.queue_id)) == {"a@x.example", "c@y.example"}
    assert claim(spool, [x], now=NOW + 5000)[0].recipients[0].address == "a@x.example"
    deliver(spool, [y])
    assert spool.used() == used
    act(desk, Act.DROP, Filter(ids=(large.queue_id,)))
    assert waiting_ids(spool) == [one.queue_id]
    wait_for(lambda: spool.used() == one.body.size)
    assert kinds(desk, one.queue_id)[-1] == ("dropped", "dropped: by jia: because")
    assert claim(spool, [big]) == []


def wait_for(what: Any) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_senders_of_dropped_mail_are_told_where_that_is_wanted(spool: Any, desk: Any) -> None:
    """One report a letter, to its sender, of all its recipients; none to a null sender, and none to who wanted none."""
    one = letter("a@x.example", "b@x.example", "c@y.example")
    null = letter("d@x.example", mailfrom="")
    never = letter("e@x.example", options=Options(notify=(Notify("e@x.example", ("NEVER",)),)))
    put(spool, one, null, never)
    last = desk.tally(Filter(), Act.DROP).last
    [lot] = act(desk, Act.DROP, Filter(last=last), telling=TELLING)
    assert len(lot.touched) == 5
    [report] = lot.reports
    assert waiting_ids(spool) == [report]
    [known] = desk.letters(report)
    assert (known.mailfrom, known.origin, known.expires_at) == ("", one.queue_id, NOW + 2 * DAY)
    assert [row.rcptto for row in known.recipients] == ["a@host.example"]
    body = b"".join(desk.body(known.message))
    assert body.count(b"\r\nAction: failed\r\n") == 3
    assert b"Subject: hi" in body and b"because" not in body, "the operator's reason stays here"
    assert [kind for kind, _ in kinds(desk, one.queue_id)][-1] == "bounced"
    assert [kind for kind, _ in kinds(desk, null.queue_id)] == ["accepted", "dropped"]
    assert touched(act(desk, Act.DROP, Filter(last=last))) == [], "its own report is not what was meant"


def test_what_a_worker_sends_is_left_alone(spool: Any, desk: Any) -> None:
    """Whole deliveries, whatever is asked; a claim that was made between the look and the act decides (I4, I12)."""
    one = letter("a@x.example", "b@x.example")
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    for what in Act:
        assert desk.act(Order(what, "jia"), Filter()) == Lot(())
    assert settle(spool, got, deferred(0), held(1)).held_token
    assert [state for state, _, _ in states(spool, one.queue_id).values()] == [State.DEFERRED, State.HELD]


def test_what_changes_between_the_look_and_the_act(spool: Any, desk: Any, monkeypatch: Any) -> None:
    """It is not touched but counted; of a letter that is reported nothing is, lest the report tells what isn't so."""
    from hedwig.spool import desk as module

    one, two = letter("a@x.example", "b@y.example"), letter("c@x.example")
    x, _, other = put(spool, one, two)
    find = module.listing.eligible
    claims = []

    def look_and_lose(*asked: Any) -> Any:
        found = find(*asked)
        claims.extend(claim(spool, [x]))
        return found

    monkeypatch.setattr(module.listing, "eligible", look_and_lose)
    [lot] = act(desk, Act.DROP, telling=TELLING)
    assert [row.rcptto for row in lot.touched] == ["c@x.example"]
    assert lot.missed == 2
    assert len(lot.reports) == 1
    settle(spool, claims[0], deferred())
    monkeypatch.undo()
    assert sorted(states(spool, one.queue_id)) == ["a@x.example", "b@y.example"]
    assert claim(spool, [other]) == []


def test_lots_are_small_and_cover_everything_once(spool: Any, desk: Any) -> None:
    """No transaction changes more than 1,000 rows; a letter's recipients stay together where they can."""
    crowd = [f"r{n}@x.example" for n in range(700)]
    put(spool, letter(*crowd), *[letter(f"s{n}@d{n % 7}.example") for n in range(300)], letter(*crowd[:90]))
    everyone = 700 + 300 + 90
    for what in (Act.HOLD, Act.RELEASE):
        lots = act(desk, what)
        assert max(len(lot.touched) for lot in lots) <= 400
        assert len(touched(lots)) == everyone
    lots = act(desk, Act.DROP, telling=TELLING)
    rows = [len(lot.touched) + 3 * len({row.queue_id for row in lot.touched}) + 6 * len(lot.reports) for lot in lots]
    assert max(rows) <= 1000
    assert len(touched(lots)) >= everyone
    assert sum(len(lot.reports) for lot in lots) == 1 + 300 + 1 + 1, "the crowd's two deliveries are told of apart"


def test_the_wal_is_moved_while_a_long_act_goes_on(spool: Any, desk: Any, monkeypatch: Any) -> None:
    """Every other lot has the checkpointer woken: else SQLite's own checkpoint comes, and stops all writers."""
    from hedwig.spool.checkpoint import Checkpointer

    woken = []

    def wake(self: Checkpointer) -> None:
        woken.append(self)

    monkeypatch.setattr(Checkpointer, "wake", wake)
    put(spool, *[letter(f"s{n}@d{n % 7}.example") for n in range(1700)])
    woken.clear()
    lots = act(desk, Act.HOLD)
    assert len(touched(lots)) == 1700
    assert len(woken) >= len(lots) // 2


def test_an_act_that_is_broken_off_has_done_whole_lots(spool: Any, desk: Any, tmp_path: Path) -> None:
    """The rest is as it was; going on finishes it."""
    put(spool, *[letter(f"s{n}@x.example") for n in range(1000)])
    first = desk.act(Order(Act.HOLD, "jia"), Filter())
    assert 0 < len(first.touched) < 1000 and first.after
    again = act(desk, Act.HOLD)
    assert len(first.touched) + len(touched(again)) == 1000
    assert len(due_now(spool, "x.example")) == 0
    assert desk.tally(Filter(), Act.RELEASE).recipients == 1000


def test_held_and_done_ones_of_a_delivery_stay_apart(spool: Any, desk: Any) -> None:
    """The last recipient that waits is dropped: the delivery is held for the others (I4)."""
    one = letter("a@x.example", "b@x.example", "c@x.example")
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    settle(spool, got, done(0), deferred(1, NOW + 10), held(2))
    act(desk, Act.DROP, Filter(rcpt="b@x.example"))
    assert claim(spool, [number], now=NOW + 10) == []
    act(desk, Act.RELEASE)
    [got] = claim(spool, [number])
    assert [r.address for r in got.recipients] == ["c@x.example"]
    assert Kind.DROPPED in [line.kind for line in desk.histories([one.queue_id])[one.queue_id]]
