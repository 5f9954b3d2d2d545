"""The spool's contract: what dead owners leave, and what workers publish for the feeder (I5, I9, I12)."""

from typing import Any

from spool_parts import NOW, claim, deferred, done, held, letter, put, settle, states

from hedwig.spool import Kind, Pause, State


def test_a_dead_owner_is_freed(spool: Any) -> None:
    """Its claims alone; marked ones are in doubt, the others handed back, and the tokens are void (I5, I12)."""
    letters = [letter("a@x.example", "b@x.example") for _ in range(3)]
    numbers = put(spool, *letters)
    marked, plain = claim(spool, numbers[:2], "host/1")
    [alive] = claim(spool, numbers[2:], "host/2")
    assert spool.owners() == ["host/1", "host/2"]
    asked = []

    def doubtful(delivery: int, token: int) -> bool:
        asked.append((delivery, token))
        return delivery == marked.delivery

    assert len(spool.free("host/1", doubtful, NOW + 5, 300.0).result(10)) == 2
    assert sorted(asked) == [(marked.delivery, marked.token), (plain.delivery, plain.token)]
    assert spool.owners() == ["host/2"]
    in_doubt = (State.DEFERRED, 1, NOW + 305)
    assert states(spool, letters[0].queue_id) == {"a@x.example": in_doubt, "b@x.example": in_doubt}
    assert states(spool, letters[1].queue_id)["a@x.example"] == (State.READY, 0, NOW)
    assert [line.kind for line in spool.history(letters[0].queue_id)] == [Kind.ACCEPTED, Kind.IN_DOUBT, Kind.IN_DOUBT]
    assert [line.kind for line in spool.history(letters[1].queue_id)] == [Kind.ACCEPTED, Kind.RETURNED]
    assert not settle(spool, marked, done(0), done(1)).held_token
    assert settle(spool, alive, done(0), done(1)).held_token
    assert [one.delivery for one in claim(spool, numbers, now=NOW + 304)] == [plain.delivery]
    assert [one.delivery for one in claim(spool, numbers, now=NOW + 305)] == [marked.delivery]


def test_doubt_is_about_what_was_claimed(spool: Any) -> None:
    """Recipients that were not in the claim (not due, held, done) stay as they were."""
    one = letter(*[f"{name}@x.example" for name in "abcd"])
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    settle(spool, got, done(0), deferred(1, NOW + 1000), held(2))
    claim(spool, [number], "host/9")
    assert len(spool.free("host/9", lambda *_: True, NOW + 1, 300.0).result(10)) == 1
    assert states(spool, one.queue_id) == {
        "b@x.example": (State.DEFERRED, 1, NOW + 1000),
        "c@x.example": (State.HELD, 1, 0.0),
        "d@x.example": (State.DEFERRED, 1, NOW + 301),
    }
    [again] = claim(spool, [number], now=NOW + 301)
    assert [recipient.address for recipient in again.recipients] == ["d@x.example"]


def test_freeing_nobody(spool: Any) -> None:
    """No claims, no harm."""
    assert spool.owners() == [] and spool.free("host/1", lambda *_: True, NOW, 300.0).result(10) == []


def test_the_pauses_of_an_owner_end_with_it(spool: Any) -> None:
    """They say what a process could take that is no more; its successor may take all of it."""
    for owner in ("host/1", "host/2"):
        spool.claim([], owner, NOW, [Pause("x.example", NOW, NOW + 900, f"said by {owner}")]).result(30)
    spool.free("host/1", lambda _delivery, _token: False, NOW, 60.0).result(30)
    assert [pause.reason for pause in spool.pauses(NOW)] == ["said by host/2"]


def test_pauses_are_published_with_a_claim(spool: Any) -> None:
    """Each owner has one a destination; a new one replaces it, an end in the past lifts it, and they run out."""
    first = Pause("x.example", NOW - 5, NOW + 60, "421 too many connections")
    claim(spool, [], "host/1", pauses=[first])
    claim(spool, [], "host/2", pauses=[Pause("x.example", NOW, NOW + 90, "full"), Pause("y.example", NOW, NOW + 9, "")])
    assert spool.pauses(NOW) == [
        first,
        Pause("x.example", NOW, NOW + 90, "full"),
        Pause("y.example", NOW, NOW + 9, ""),
    ]
    longer = Pause("x.example", NOW, NOW + 600, "still")
    claim(spool, [], "host/1", pauses=[longer])
    assert spool.pauses(NOW + 60) == [Pause("x.example", NOW, NOW + 90, "full"), longer]
    bulk = Pause("z.example", NOW, NOW + 60, "busy", priority=2)
    claim(spool, [], "host/3", pauses=[bulk])
    assert spool.pauses(NOW)[-1] == bulk
    claim(spool, [], "host/1", pauses=[Pause("x.example", NOW, NOW - 1, "")])
    assert spool.pauses(NOW + 60) == [Pause("x.example", NOW, NOW + 90, "full")]
    assert spool.pauses(NOW + 90) == []
