"""The operator's side: which mail a filter means, page by page, and what is known of a letter."""

from typing import Any

import pytest
from spool_parts import DAY, NOW, Clock, Pieces, claim, deferred, deliver, done, event, held, letter, put, settle

from hedwig.options import OnDoubt, Options, Submitter
from hedwig.spool import Kind, State
from hedwig.spool.operate import Act, Filter, Order


def filled(spool: Any) -> None:
    """Mail of two clients in each state: a and f ready, b deferred, c held, d active, e done (it is in the queue no
    more), g of a paused client."""
    names = {
        name: letter(f"{name}@{name}.example", mailfrom=f"{name}@from-{name}.example", accepted_at=NOW + index)
        for index, name in enumerate("abcde")
    }
    numbers = dict(zip(names, put(spool, *names.values()), strict=True))
    for got in claim(spool, [numbers[name] for name in "bce"]):
        result = {"b.example": deferred(), "c.example": held(), "e.example": done()}[got.destination]
        settle(spool, got, result)
    claim(spool, [numbers["d"]])
    put(spool, letter("f@a.example", "F2@a.example", client="other.example", mailfrom="", accepted_at=NOW + 9))


def found(desk: Any, **wanted: Any) -> list[str]:
    rows, after = desk.listed(Filter(**wanted), 100)
    assert after == ""
    return [row.rcptto for row in rows]


@pytest.mark.parametrize(
    ("wanted", "whom"),
    [
        ({}, "a b c d f F2"),
        ({"site": "A.example"}, "a f F2"),
        ({"client": "OTHER.example"}, "f F2"),
        ({"sender": "B@from-b.Example"}, "b"),
        ({"sender": "@from-b.example"}, "b"),
        ({"sender": "@rom-b.example"}, ""),
        ({"sender": "<>"}, "f F2"),
        ({"rcpt": "f2@A.example"}, "F2"),
        ({"rcpt": "@a.example"}, "a f F2"),
        ({"rcpt": "@%.example"}, ""),
        ({"state": State.READY}, "a f F2"),
        ({"state": State.DEFERRED}, "b"),
        ({"state": State.HELD}, "c"),
        ({"state": State.ACTIVE}, "d"),
        ({"state": State.PAUSED}, ""),
        ({"state": State.DONE}, ""),
        ({"accepted": NOW + 2}, "a b"),
        ({"reply": "GREYLIST"}, "b"),
        ({"reply": "refused_by"}, ""),
        ({"site": "a.example", "client": "host.example"}, "a"),
        ({"client": "other.example", "rcpt": "f@a.example", "state": State.READY, "accepted": NOW + 10}, "f"),
        ({"site": "nowhere.example"}, ""),
    ],
    ids=str,
)
def test_a_filter(spool: Any, desk: Any, wanted: dict[str, Any], whom: str) -> None:
    """Each alone and several together, whatever the case; what they say is no pattern."""
    filled(spool)
    addresses = {"a": "a@a.example", "b": "b@b.example", "c": "c@c.example", "d": "d@d.example"}
    addresses |= {"f": "f@a.example", "F2": "F2@a.example"}
    assert found(desk, **wanted) == [addresses[name] for name in whom.split()]


def test_by_id_in_any_case(spool: Any, desk: Any) -> None:
    """Several at once; with other filters beside them."""
    letters = [letter("x@x.example", "y@y.example") for _ in range(3)]
    put(spool, *letters)
    ids = (letters[2].queue_id.lower(), letters[0].queue_id, letters[0].queue_id, "0" * 26)
    rows, _ = desk.listed(Filter(ids=ids), 100)
    assert [row.queue_id for row in rows] == [letters[0].queue_id] * 2 + [letters[2].queue_id] * 2
    rows, _ = desk.listed(Filter(ids=ids, site="y.example"), 100)
    assert [row.rcptto for row in rows] == ["y@y.example"] * 2


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"client": "host.example"},
        {"site": "x.example"},
        {"rcpt": "@x.example"},
        {"reply": ""},
        {"sender": "@host.example"},
    ],
    ids=str,
)
def test_pages_follow_each_other(spool: Any, desk: Any, wanted: dict[str, Any]) -> None:
    """Each recipient once, the oldest message first, whatever is walked; also when the last one shown ends meanwhile,
    and where large messages have numbers that are older than their deliveries'."""
    large = [letter(f"big{n}@x.example", body=Pieces(3 << 20)) for n in range(2)]
    letters = [letter(*[f"{name}{n}@x.example" for name in "abc"]) for n in range(7)]
    first = put(spool, letters[0], *large[:1])
    put(spool, *letters[1:4])
    put(spool, *large[1:])
    put(spool, *letters[4:])
    seen, after = [], ""
    while True:
        rows, after = desk.listed(Filter(**wanted), 4, after)
        seen += [row.rcptto for row in rows]
        if first:
            deliver(spool, first[:1])
            first = []
        if not after:
            break
    assert sorted(seen) == sorted({row for each in [*letters, *large] for row in each.envelope.rcpttos})
    assert seen[:3] == list(letters[0].envelope.rcpttos)


def test_a_place_that_is_none(desk: Any) -> None:
    """ValueError, not an empty list."""
    for after in ("x", "1", "1.2", "1.2.3.4", "1.2.x"):
        with pytest.raises(ValueError, match=r".*"):
            desk.listed(Filter(), 10, after)


def test_what_a_tally_says_is_what_an_act_touches(spool: Any, desk: Any) -> None:
    """For each act, with what is busy beside it."""
    filled(spool)
    eligible = {Act.RETRY: 1, Act.HOLD: 4, Act.RELEASE: 1, Act.DROP: 5}
    for act, count in eligible.items():
        tally = desk.tally(Filter(), act, few=2)
        assert (tally.recipients, tally.busy) == (count, 1)
        assert [row.rcptto for row in tally.busy_first] == ["d@d.example"]
        assert len(tally.first) == min(count, 2)
    assert desk.tally(Filter(), Act.HOLD).messages == 3
    lot = desk.act(Order(Act.RETRY, "jia"), Filter())
    assert [row.rcptto for row in lot.touched] == ["b@b.example"]


def test_a_whole_letter(spool: Any, desk: Any) -> None:
    """Envelope, options, who handed it in; recipients that are done already are there as long as others wait."""
    options = Options(supersede="otp", on_doubt=OnDoubt.HOLD, envid="e1")
    submitter = Submitter("172.17.0.4", "web").packed()
    one = letter("a@x.example", "b@x.example", "c@y.example", options=options, submitter=submitter)
    two = letter(queue_id=one.queue_id, client="other.example")
    deliveries = put(spool, one)
    put(spool, two)
    [got] = claim(spool, deliveries[:1])
    settle(spool, got, done(0), deferred(1))
    first, second = desk.letters(one.queue_id)
    assert (first.client, first.mailfrom, first.size) == ("host.example", "a@host.example", one.body.size)
    assert (first.options, first.submitter, first.expires_at) == (options, submitter, NOW + 5 * DAY)
    states = {row.rcptto: row.state for row in first.recipients}
    assert states == {"a@x.example": State.DONE, "b@x.example": State.DEFERRED, "c@y.example": State.READY}
    assert second.client == "other.example"
    assert desk.letters("0" * 26) == []
    assert b"".join(desk.body(first.message)) == one.body.content


def test_a_large_body_in_pieces(spool: Any, desk: Any) -> None:
    """None of them is larger than 1 MiB."""
    body = Pieces(5 << 20)
    one = letter(body=body)
    put(spool, one)
    [known] = desk.letters(one.queue_id)
    pieces = list(desk.body(known.message))
    assert max(map(len, pieces)) <= 1 << 20
    assert b"".join(pieces) == b"".join(body.pieces())


def test_letters_are_found_by_their_names(spool: Any, desk: Any, clock: Clock) -> None:
    """Sender, recipient and Message-ID, in any case; newest first, to the limit; also what is done."""
    letters = []
    for hour in range(5):
        clock.now = NOW + 3600 * hour
        named = {"message_id": f"<{hour}@h.example>", "queue_id": f"01M{hour}" + "A" * 22}
        letters.append(letter("b@x.example", "c@y.example", **named))
        numbers = put(spool, letters[-1])
    deliver(spool, numbers, clock.now)
    newest_first = [each.queue_id for each in reversed(letters)]
    for name in ("A@host.example", "b@x.example", "C@Y.example", "<b@x.example>"):
        assert desk.named(name, 10) == newest_first
        assert desk.named(name, 2) == newest_first[:2]
    assert desk.named("<3@H.example>", 10) == desk.named("3@h.example", 10) == [letters[3].queue_id]
    assert desk.named("nobody@x.example", 10) == []


def test_histories_of_several_letters(spool: Any, desk: Any) -> None:
    """Each has its own story, oldest event first; one that is unknown has none."""
    letters = [letter(), letter()]
    for got in claim(spool, put(spool, *letters)):
        settle(spool, got, deferred(), events=(event(Kind.DEFERRED, NOW + 5),))
    told = desk.histories([letters[0].queue_id, "0" * 26, letters[1].queue_id])
    assert told["0" * 26] == []
    for one in letters:
        assert [line.kind for line in told[one.queue_id]] == [Kind.ACCEPTED, Kind.DEFERRED]
        assert {line.queue_id for line in told[one.queue_id]} == {one.queue_id}
