"""The spool's contract: acceptance (I1, I3)."""

import threading
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

import pytest
from spool_parts import NOW, Clock, Pieces, child, claim, deliver, done, letter, numbers, put, settle, waiting_ids

from hedwig.spool import POSTOFFICE, Bytes, Outcome, Waiting
from hedwig.spool.intake import rows_of


def test_one_delivery_for_each_destination(spool: Any) -> None:
    """Recipients of one domain share a delivery; the answer says destination and priority for the feeder's hint."""
    one = letter("a@x.example", "b@y.example", "c@x.example", priority=3)
    [answer] = spool.register([one]).result(10)
    assert answer.outcome is Outcome.ACCEPTED
    first, second = answer.deliveries
    assert (first.destination, second.destination) == ("x.example", "y.example")
    assert first == Waiting(first.delivery, "x.example", 3)
    [got] = claim(spool, [first.delivery])
    assert [recipient.address for recipient in got.recipients] == ["a@x.example", "c@x.example"]


def test_very_many_recipients_of_one_domain_have_several_deliveries(spool: Any) -> None:
    """Each has a part that is claimed and ended by itself; together they are all, in order, and the body goes last."""
    addresses = [f"r{number}@x.example" for number in range(1_201)]
    one = letter(*addresses, "b@y.example")
    [answer] = spool.register([one]).result(10)
    assert [waiting.destination for waiting in answer.deliveries] == ["x.example"] * 3 + ["y.example"]
    got = claim(spool, numbers([answer]))
    assert [len(each.recipients) for each in got] == [500, 500, 201, 1]
    assert [recipient.address for each in got[:3] for recipient in each.recipients] == addresses
    assert [recipient.number for recipient in got[2].recipients] == list(range(201))
    assert len(spool.queued(one.queue_id, 2000)[0]) == 1_202
    for each in got:
        assert spool.used() == one.body.size
        assert settle(spool, each, *[done(recipient.number) for recipient in each.recipients]).held_token
    assert spool.used() == 0 and waiting_ids(spool) == []


def test_a_large_letter_to_very_many_is_cut_likewise(spool: Any) -> None:
    """Also where the body is written ahead; and numbers of deliveries are not given twice."""
    many = [f"r{number}@x.example" for number in range(501)]
    large, small = letter(*many, body=Pieces(2 << 20)), letter(*many)
    found = [*put(spool, large), *put(spool, small)]
    assert len(set(found)) == 4
    assert [len(each.recipients) for each in claim(spool, found)] == [500, 1, 500, 1]


def test_what_goes_to_the_postoffice_stays_whole(spool: Any) -> None:
    """mailman hands a message on once, with all its recipients: two under one queue ID would be a conflict (I3)."""
    one = letter()
    object.__setattr__(one, "parts", {POSTOFFICE: tuple(f"r{number}@x.example" for number in range(1_201))})
    [got] = claim(spool, put(spool, one))
    assert len(got.recipients) == 1_201


def test_recipients_count_for_the_size_of_a_transaction(spool: Any) -> None:
    """Letters with many recipients don't share one: whoever writes next waits for the commit of a few at most (I9)."""
    assert rows_of([letter()]) == 6
    assert rows_of([letter("a@x.example", "b@x.example", "c@y.example")]) == 4 + 2 + 3
    assert len(put(spool, letter(*[f"r{number}@x.example" for number in range(3_000)]))) == 6


def test_answers_come_in_order(spool: Any) -> None:
    """Accepted, repeated, conflicting: one answer each, in the order of the call."""
    known = letter(queue_id="01" + "A" * 24)
    put(spool, known)
    other = letter(queue_id=known.queue_id, content=b"other\r\n")
    answers = spool.register([letter(), known, other, letter()]).result(10)
    wanted = [Outcome.ACCEPTED, Outcome.REPEATED, Outcome.CONFLICT, Outcome.ACCEPTED]
    assert [answer.outcome for answer in answers] == wanted
    assert not answers[1].deliveries and not answers[2].deliveries


def test_a_repeat_changes_nothing(spool: Any) -> None:
    """The same (client, ID, digest) again is REPEATED, also in one call and after delivery; nothing is queued (I3)."""
    one = letter()
    answers = spool.register([one, one]).result(10)
    assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED, Outcome.REPEATED]
    assert waiting_ids(spool) == [one.queue_id] and spool.used() == one.body.size
    deliver(spool, numbers(answers))
    [answer] = spool.register([one]).result(10)
    assert answer.outcome is Outcome.REPEATED
    assert waiting_ids(spool) == [] and spool.used() == 0


def test_the_same_id_of_another_client_is_another_message(spool: Any) -> None:
    """Repeats are known by (client, queue ID)."""
    one = letter(queue_id="01" + "B" * 24)
    two = letter(queue_id=one.queue_id, client="other.example")
    assert len(put(spool, one, two)) == 2


def test_acceptances_are_remembered_after_opening_again(opened: Callable[[], Any]) -> None:
    """`seen` is on disk with the message."""
    one = letter()
    first = opened()
    put(first, one)
    first.close()
    assert opened().register([one]).result(10)[0].outcome is Outcome.REPEATED


def test_acceptances_are_forgotten_after_thirty_days(opened: Callable[[], Any], clock: Clock) -> None:
    """Older than 30 days: forgotten; 29 days: not."""
    old, young = letter(), letter()
    first = opened()
    put(first, old)
    clock.now = NOW + 2 * 86400
    put(first, young)
    first.close()
    clock.now = NOW + 31 * 86400
    again = opened()
    put(again, letter())  # the first write after opening does the chores before it or with it
    outcomes = [answer.outcome for answer in again.register([old, young]).result(10)]
    assert outcomes == [Outcome.ACCEPTED, Outcome.REPEATED]


def test_a_message_to_nobody_is_refused(spool: Any) -> None:
    """It would wait for ever."""
    one = letter()
    object.__setattr__(one, "parts", {})
    with pytest.raises(ValueError, match="without recipients"):
        spool.register([one]).result(10)
    assert waiting_ids(spool) == []


class Liar(Bytes):
    """A body with a false size."""

    @property
    def size(self) -> int:
        return 5


def test_one_bad_message_harms_no_other_call(spool: Any) -> None:
    """Calls that wait together share a transaction; one that can't be written fails alone, with its own error."""
    good = [letter() for _ in range(20)]
    futures = []
    for one in good:
        futures.append(spool.register([one]))
        futures.append(spool.register([letter(), letter(body=Liar(b"0123456789"))]))
    wait(futures, 20)
    assert all(future.exception() is None for future in futures[::2])
    assert all(isinstance(future.exception(), ValueError) for future in futures[1::2])
    assert waiting_ids(spool) == [one.queue_id for one in good]
    assert spool.used() == sum(one.body.size for one in good)


def test_a_call_is_kept_whole_or_not_at_all(spool: Any) -> None:
    """Also where its bodies need several transactions."""
    letters = [letter(body=Pieces(900_000)) for _ in range(4)]
    bad = letter(body=Liar(b"0123456789"))
    with pytest.raises(ValueError, match="octets"):
        spool.register([*letters, bad]).result(20)
    assert waiting_ids(spool) == []
    assert len(put(spool, *letters)) == 4
    for one, number in zip(letters, waiting_ids(spool), strict=True):
        assert one.queue_id == number


def test_threads_and_processes_at_once(opened: Callable[[], Any], tmp_path: Any) -> None:
    """Three processes and four threads write at once: all is kept, numbers are never doubled."""
    spool = opened()
    children = [child("register_some", tmp_path / "spool.db", 40) for _ in range(3)]
    got: list[int] = []
    letters = [[letter() for _ in range(40)] for _ in range(4)]

    def run(mine: list[Any]) -> None:
        for one in mine:
            got.extend(put(spool, one))

    threads = [threading.Thread(target=run, args=(mine,)) for mine in letters]
    for thread in threads:
        thread.start()
    theirs = [line for process in children for line in process.communicate(timeout=60)[0].split()]
    for thread in threads:
        thread.join(60)
    mine = [one.queue_id for group in letters for one in group]
    assert len(set(got)) == 160 and len(theirs) == 120
    assert sorted(waiting_ids(spool)) == sorted(mine + theirs)


@pytest.mark.parametrize("content", [b"", b"a", b"x" * ((1 << 20) - 1), bytes(range(256)) * 4096])
def test_bytes_come_back_as_they_went(spool: Any, content: bytes) -> None:
    """Every octet, whatever it is, up to 1 MiB in the claim itself (I6)."""
    [got] = claim(spool, put(spool, letter(content=content)))
    assert got.content == content and got.size == len(content)
    assert b"".join(spool.body(got.message)) == content


def test_thirty_mebibytes(spool: Any) -> None:
    """A large body comes back whole, in pieces of at most 1 MiB; small messages are accepted while it is written."""
    body = Pieces((30 << 20) + 17)
    large = spool.register([letter(body=body)])
    small = letter()
    put(spool, small)
    assert not large.done(), "the small one had to wait for the large one (I9)"
    [got] = claim(spool, numbers(large.result(60)))
    assert got.content is None and got.size == body.size
    pieces = list(spool.body(got.message))
    assert max(map(len, pieces)) <= 1 << 20
    assert b"".join(pieces) == b"".join(body.pieces())
    assert spool.used() == body.size + small.body.size


def test_repeats_of_a_large_message(spool: Any) -> None:
    """I3 holds for what is written in several transactions too, and its octets are not counted twice in the end."""
    one = letter(body=Pieces(3 << 20))
    assert len(put(spool, one)) == 1
    two = letter(body=Pieces(3 << 20, seed=2), queue_id=one.queue_id)
    assert [spool.register([again]).result(20)[0].outcome for again in (one, two)] == [
        Outcome.REPEATED,
        Outcome.CONFLICT,
    ]
    assert spool.used() == 3 << 20


def test_used_counts_bodies_once_and_to_the_end(spool: Any) -> None:
    """A body to several destinations is there once, and goes with the last of them."""
    first, second = put(spool, letter("a@x.example", "b@y.example", content=b"x" * 1000))
    assert spool.used() == 1000
    deliver(spool, [first])
    assert spool.used() == 1000
    deliver(spool, [second])
    assert spool.used() == 0


def test_a_clock_ahead_does_not_hold_mail_back(spool: Any) -> None:
    """A message accepted "in an hour" by its sender's clock is due now."""
    assert len(claim(spool, put(spool, letter(accepted_at=NOW + 3600)))) == 1


def test_a_clock_that_is_set_back_holds_no_fresh_mail(spool: Any, clock: Clock) -> None:
    """Accepted while our clock was an hour ahead, put right since: seen, claimed and settled at once all the same."""
    clock.now = NOW + 3600
    one = letter("a@x.example", "b@x.example", accepted_at=NOW + 3600)
    [number] = put(spool, one)
    clock.now = NOW
    assert spool.streams(NOW, None) == {("x.example", 1)}
    assert [waiting.delivery for waiting in spool.due("x.example", NOW, 10)] == [number]
    assert spool.still_waiting([number], NOW) == {number}
    assert [preview.delivery for preview in spool.preview([number], NOW)] == [number]
    [got] = claim(spool, [number])
    assert len(got.recipients) == 2
    settle(spool, got)
    claim(spool, [number], "host/2", now=NOW - 3600)
    [freed] = spool.free("host/2", lambda *_: False, NOW - 7200, 300.0).result(10)
    assert freed.waiting.due <= NOW - 7200
    assert waiting_ids(spool) == [one.queue_id] * 2


def test_nothing_is_taken_after_close(opened: Callable[[], Any]) -> None:
    """A closed spool says so through the Future, and never leaves anyone waiting."""
    spool = opened()
    put(spool, letter())
    spool.close()
    assert "closed" in str(spool.register([letter()]).exception(5))
