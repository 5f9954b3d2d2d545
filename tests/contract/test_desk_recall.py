"""The operator's side: what is held or dropped though a worker has claimed it (recall.py, I12)."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from spool_parts import NOW, Clock, claim, deferred, done, held, letter, put, settle, states

from hedwig.spool import Kind, Settled, Settlement, State, chores
from hedwig.spool.operate import Act, Filter, Order, Recalled, Telling

HOLD = Order(Act.HOLD, "jia", "because")
DROP = Order(Act.DROP, "jia", "because")
TELLING = Telling("robot.genee.cn", 86400.0)


def kinds(desk: Any, queue_id: str) -> list[tuple[str, str, str]]:
    return [(line.kind.value, line.rcptto, line.text) for line in desk.histories([queue_id])[queue_id]]


def asked(recalled: Recalled) -> list[str]:
    return [row.rcptto for row in recalled.asked]


def test_what_comes_back_is_held(spool: Any, desk: Any) -> None:
    """Handed back untouched: it is held as it was, and its claim was its worker's until then."""
    one = letter("a@x.example")
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    recalled = desk.recall(HOLD, Filter())
    assert asked(recalled) == ["a@x.example"]
    assert spool.halted("host/1", NOW).recalled == {number}
    assert not spool.halted("host/2", NOW).recalled
    assert states(spool, one.queue_id) == {"a@x.example": (State.ACTIVE, 0, NOW)}
    assert desk.left(recalled.places) == 1
    assert settle(spool, got).held == ("a@x.example",)
    assert desk.left(recalled.places) == 0
    assert states(spool, one.queue_id) == {"a@x.example": (State.HELD, 0, 0.0)}
    assert claim(spool, [number]) == []
    assert not spool.halted("host/1", NOW)
    assert kinds(desk, one.queue_id)[-1] == ("held", "a@x.example", "held: by jia: because")
    desk.act(Order(Act.RELEASE, "jia"), Filter())
    assert settle(spool, claim(spool, [number])[0]).held == (), "the recall was for that claim alone"


@pytest.mark.parametrize("telling", [None, TELLING], ids=["no-dsn", "dsn"])
def test_what_comes_back_is_dropped(spool: Any, desk: Any, telling: Telling | None) -> None:
    """As what waits is: with its body, and with a report where that was asked."""
    one = letter("a@x.example", "b@y.example")
    x, y = put(spool, one)
    got = claim(spool, [x, y])
    recalled = desk.recall(Order(Act.DROP, "jia", "because", telling), Filter())
    for each in got:
        settle(spool, each)
    assert desk.left(recalled.places) == 2
    assert desk.left(recalled.places) == 0
    left = {row.queue_id for row in desk.listed(Filter(), 10)[0]}
    assert one.queue_id not in left and len(left) == (1 if telling else 0)
    told = [kind for kind, _, _ in kinds(desk, one.queue_id)]
    assert told == ["accepted", "held", "held", "dropped", "dropped", *["bounced"] * len(left)]
    assert kinds(desk, one.queue_id)[1][2] == "held: to be dropped, by jia: because"
    assert (spool.used() == 0) is (telling is None)


def test_an_outcome_stands(spool: Any, desk: Any) -> None:
    """What is past its dot: delivered or failed as the host said; what is deferred, or in doubt, is not tried again."""
    one = letter(*(f"{name}@x.example" for name in "abcd"))
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    desk.recall(HOLD, Filter())
    answer = settle(spool, got, done(0), deferred(1), deferred(2, in_doubt=True))
    assert answer.held == ("b@x.example", "c@x.example", "d@x.example")
    assert states(spool, one.queue_id) == {
        "b@x.example": (State.HELD, 1, NOW + 360),
        "c@x.example": (State.HELD, 1, NOW + 360),
        "d@x.example": (State.HELD, 0, 0.0),
    }
    assert spool.due("x.example", NOW + 999, 9) == []


def test_only_who_is_meant_comes_back(spool: Any, desk: Any) -> None:
    """The others of the delivery go on."""
    one = letter("a@x.example", "b@x.example")
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    recalled = desk.recall(DROP, Filter(rcpt="b@x.example"))
    assert asked(recalled) == ["b@x.example"]
    settle(spool, got)
    [again] = claim(spool, [number])
    assert [each.address for each in again.recipients] == ["a@x.example"]
    assert desk.left(recalled.places) == 1, "its delivery is claimed: not now"
    settle(spool, again, deferred())
    desk.left(recalled.places)
    assert desk.left(recalled.places) == 0
    assert list(states(spool, one.queue_id)) == ["a@x.example"]


def test_a_dead_worker_gives_it_back_too(spool: Any, desk: Any) -> None:
    """With a dot mark or without."""
    letters = [letter("a@x.example"), letter("b@x.example")]
    numbers = put(spool, *letters)
    claim(spool, numbers)
    desk.recall(HOLD, Filter())
    spool.free("host/1", lambda delivery, _: delivery == numbers[0], NOW + 5, 60.0).result(10)
    assert [states(spool, one.queue_id) for one in letters] == [
        {"a@x.example": (State.HELD, 1, NOW + 65)},
        {"b@x.example": (State.HELD, 0, 0.0)},
    ]
    assert [kind for kind, _, _ in kinds(desk, letters[0].queue_id)] == ["accepted", "in_doubt", "held"]


def test_who_lost_the_claim_settles_nothing(spool: Any, desk: Any) -> None:
    """A settlement that comes too late holds nothing either (I12)."""
    [number] = put(spool, letter("a@x.example"))
    [first] = claim(spool, [number])
    spool.free("host/1", lambda *_: False, NOW, 60.0).result(10)
    [second] = claim(spool, [number])
    desk.recall(HOLD, Filter())
    assert settle(spool, first) == Settled(held_token=False)
    assert spool.halted("host/1", NOW).recalled == {number}
    assert settle(spool, second).held == ("a@x.example",)


def test_several_claims_end_in_one_transaction(spool: Any, desk: Any) -> None:
    """Each has what is its own."""
    letters = [letter(f"{name}@x.example") for name in "abc"]
    got = claim(spool, put(spool, *letters))
    desk.recall(HOLD, Filter(rcpt="b@x.example"))
    answers = spool.settle([Settlement(each.delivery, each.token) for each in got]).result(10)
    assert [answer.held for answer in answers] == [(), ("b@x.example",), ()]


def test_who_releases_it_takes_the_drop_back(spool: Any, desk: Any) -> None:
    """It is held until it is dropped, and may be released until then."""
    one = letter("a@x.example")
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    recalled = desk.recall(DROP, Filter())
    settle(spool, got)
    desk.act(Order(Act.RELEASE, "yi"), Filter())
    desk.left(recalled.places)
    assert desk.left(recalled.places) == 0
    assert len(claim(spool, [number])) == 1
    assert desk.act(DROP, Filter()).touched == (), "it is busy"


def test_the_daemons_finish_it(spool: Any, desk: Any, tmp_path: Path) -> None:
    """The command was broken off: whoever keeps house drops what came back, a few messages a transaction."""
    letters = [letter(f"{n}@x.example") for n in range(25)]
    got = claim(spool, put(spool, *letters))
    desk.recall(DROP, Filter())
    spool.settle([Settlement(each.delivery, each.token) for each in got]).result(10)
    assert {row.state for row in desk.listed(Filter(), 100)[0]} == {State.HELD}
    db = sqlite3.connect(tmp_path / "spool.db", isolation_level=None)
    left = [25]
    while left[-1]:
        db.execute("BEGIN IMMEDIATE")
        more = chores.step(db, str(tmp_path / "spool.db"), NOW)
        db.execute("COMMIT")
        left.append(len(desk.listed(Filter(), 100)[0]))
        assert left[-2] - 10 <= left[-1] < left[-2]
        assert more or not left[-1]
    db.close()
    assert spool.used() == 0


def test_a_note_whose_claim_is_gone_is_forgotten(spool: Any, desk: Any, tmp_path: Path) -> None:
    """An older release ended the claim, and knows no notes: the next claim is not recalled."""
    one = letter("a@x.example")
    [number] = put(spool, one)
    claim(spool, [number])
    desk.recall(HOLD, Filter())
    db = sqlite3.connect(tmp_path / "spool.db")
    db.execute("UPDATE deliveries SET token = NULL, owner = NULL, claimed_at = NULL")
    db.commit()
    db.close()
    [again] = claim(spool, [number])
    assert not spool.halted("host/1", NOW).recalled
    assert settle(spool, again).held == ()
    assert list(states(spool, one.queue_id).values()) == [(State.READY, 0, NOW)]


def test_what_is_held_already_is_not_asked_back_to_be_held(spool: Any, desk: Any) -> None:
    """Its delivery is claimed for another recipient; to be dropped it has to come back all the same."""
    one = letter("a@x.example", "b@x.example")
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    settle(spool, got, held(1))
    [got] = claim(spool, [number])
    assert [each.address for each in got.recipients] == ["a@x.example"]
    assert asked(desk.recall(HOLD, Filter(rcpt="b@x.example"))) == []
    recalled = desk.recall(DROP, Filter(rcpt="b@x.example"))
    assert asked(recalled) == ["b@x.example"]
    settle(spool, got, deferred(0))
    desk.left(recalled.places)
    assert states(spool, one.queue_id) == {"a@x.example": (State.DEFERRED, 1, NOW + 360)}


def test_it_goes_lot_by_lot(spool: Any, desk: Any, clock: Clock) -> None:
    """No transaction notes more than a thousand rows, and each is asked once."""
    got = claim(spool, put(spool, *[letter(f"{n}@x.example") for n in range(900)]))
    first = desk.recall(HOLD, Filter())
    assert 0 < len(first.asked) <= 500
    met = [*first.asked]
    after = first.after
    while after:
        lot = desk.recall(HOLD, Filter(), after)
        met, after = [*met, *lot.asked], lot.after
    assert len({row.queue_id for row in met}) == len(met) == 900
    spool.settle([Settlement(each.delivery, each.token) for each in got]).result(30)
    assert desk.tally(Filter(), Act.RELEASE).recipients == 900


def test_an_order_survives_as_it_was(spool: Any, desk: Any) -> None:
    """Whatever the reason says."""
    reason = 'say "hi"\n\x1b[2J {"x": 1} 理由'
    one = letter("a@x.example")
    [got] = claim(spool, put(spool, one))
    desk.recall(Order(Act.HOLD, "jia", reason), Filter())
    settle(spool, got)
    [line] = [line for line in desk.histories([one.queue_id])[one.queue_id] if line.kind is Kind.HELD]
    assert "理由" in line.text and "\n" not in line.text
    assert json.loads(json.dumps(line.text)) == line.text
