"""Mail of mailman's spool that is over a quota: who waits, how long, who does not, and what is told of it."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from backlog_rig import ACCEPTED, Rig, backlog_rig  # noqa: F401

from hedwig import log
from hedwig.mailman import overquota
from hedwig.mailman.client import NoVerdict, Parcel, Verdict
from hedwig.mailman.overquota import PAUSE, TELL, OverQuota
from hedwig.options import Options, Submitter, submitter_of
from hedwig.reply import Reply
from hedwig.spool import POSTOFFICE, Claim, Recipient, State

NOW = 1_700_000_000.0
OVER = Verdict(Reply(452, "4.7.1", "quota: less.example may send again from then (line 3)"), retry_after=86_000)


def letter(delivery: int, container: str = "web", recipients: int = 1, deadline: float = 0.0) -> Claim:
    whom = tuple(Recipient(number, f"b{number}@example.com", 0, 0.0, "") for number in range(recipients))
    by = Submitter("172.17.0.2", container).packed() if container else ""
    return Claim(
        *(delivery, 2, 3, "ID", "c", "a@example.org", POSTOFFICE, whom, 9, False, NOW, NOW + 9e5, False, "", None),
        options=Options(deadline=deadline),
        submitter=by,
    )


def test_one_to_ten_minutes_and_one_asks_for_all() -> None:
    """As long again as the quota has been hit. However many wait, one of them is offered each time."""
    over, now, pauses = OverQuota(), NOW, []
    letters = [letter(number) for number in range(50)]
    for _ in range(8):
        asking = over.asking(letters, now)
        assert len(asking) == (1 if pauses else 0)
        until = over.refused(asking[0] if asking else letters[0], OVER, now)
        assert all(over.verdict(each, now) is OVER for each in letters)
        assert {over.refused(each, OVER, now) for each in letters} == {until}
        assert over.asking(letters, until - 0.001) == []
        pauses.append(until - now)
        now = until
    assert pauses == [60, 60, 120, 240, 480, 600, 600, 600]
    over.taken(over.asking(letters, now)[0])
    assert over.asking(letters, now) == []
    assert all(over.verdict(each, now) is None for each in letters)


def test_never_longer_than_was_said_nor_than_its_own_deadline() -> None:
    over = OverQuota()
    assert over.refused(letter(1), replace(OVER, retry_after=7), NOW) == NOW + 7
    assert over.refused(letter(2, deadline=NOW + 3), replace(OVER, retry_after=7), NOW) == NOW + 3
    assert over.refused(letter(3, "db"), replace(OVER, retry_after=0), NOW) == NOW + PAUSE[0]


def test_others_do_not_wait_with_it() -> None:
    """Another container's letters, and those to fewer recipients; nor what nobody is known to have handed in."""
    over = OverQuota()
    over.refused(letter(1, recipients=5), OVER, NOW)
    assert over.verdict(letter(2, recipients=5), NOW)
    assert over.verdict(letter(2, recipients=4), NOW) is None
    assert over.verdict(letter(2, "db", recipients=9), NOW) is None
    over.refused(letter(3, recipients=2), OVER, NOW)
    assert over.verdict(letter(2, recipients=4), NOW)
    over.taken(letter(4, recipients=1))  # that there is room for one says nothing of two
    assert over.verdict(letter(2, recipients=4), NOW)
    asking = over.asking([letter(5, recipients=9), letter(6, recipients=3)], NOW + PAUSE[0])
    assert [claim.delivery for claim in asking] == [6]
    assert over.refused(letter(7, ""), OVER, NOW) == NOW + PAUSE[0]
    assert over.verdict(letter(8, ""), NOW) is None


def test_what_somebody_wants_offered_asks() -> None:
    over = OverQuota()
    over.refused(letter(1), OVER, NOW)
    over.refused(letter(2), OVER, NOW)
    assert [claim.delivery for claim in over.asking([letter(2), letter(9)], NOW + 20)] == [2]
    over.taken(letter(2))
    assert over.verdict(letter(1), NOW + 20) is None


def test_a_clock_that_was_set_back_holds_nothing() -> None:
    over = OverQuota()
    over.refused(letter(1), OVER, NOW)
    assert over.verdict(letter(2), NOW - 7200) is None
    assert over.refused(letter(1), OVER, NOW - 7200) == NOW - 7200 + PAUSE[0]


def test_a_line_an_hour_says_how_many_and_until_when() -> None:
    over, lines, now = OverQuota(), [], NOW
    letters = [letter(number) for number in range(30)]
    while now < NOW + 3 * TELL - 60:
        until = max(over.refused(each, OVER, now) for each in letters)
        lines.append(over.tell(now))
        assert over.waiting == 30
        now = until
    said = [line for line in lines if line]
    assert len(said) == 3
    assert said[0] == (
        "letters over a quota wait in this host's spool, 30 of web until 2023-11-15 22:06:40 UTC: 452 4.7.1 quota: "
        "less.example may send again from then (line 3)"
    )
    for number in range(7):
        over.refused(letter(100 + number, f"c{number}"), OVER, now)
    others = over.tell(now)
    assert others.count(" until ") == overquota.NAMED  # web, of which an hour has passed, and four more
    assert "3 of others" in others
    for each in letters:
        over.ended(each.delivery)
    over.tell(now)
    assert over.waiting == 7
    assert over.tell(now + 3 * PAUSE[1]) == ""  # they were taken out of the spool by somebody
    assert over.waiting == 0


@pytest.fixture
def said() -> Iterator[list[tuple[str, dict[str, str]]]]:
    lines: list[tuple[str, dict[str, str]]] = []
    log.capture(lambda _level, message, fields: lines.append((message, fields)))
    yield lines
    log.start("hedwig")


class Quota:
    """A postoffice that takes so many of web's letters; all of others', and all once `room` is large."""

    def __init__(self, room: int) -> None:
        self.room = room

    def say(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        return [self._one(parcel) for parcel in parcels]

    def _one(self, parcel: Parcel) -> Verdict:
        if submitter_of(parcel.submitter).container != "web":
            return ACCEPTED
        self.room -= 1
        return ACCEPTED if self.room >= 0 else OVER


def test_a_thousand_over_a_quota_cost_one_batch_and_hold_up_nobody(
    rig: Rig, said: list[tuple[str, dict[str, str]]]
) -> None:
    """What web has too much of is offered as far as the first batch goes, and then not; db's letters, which came last,
    all go. The journal has one line of it, the history of each letter why it waits."""
    rig.there.say = Quota(3).say
    web = [rig.put(container="web", age=10) for _ in range(500)]
    db = {rig.put(container="db") for _ in range(20)}
    rig.backlog.start()
    rig.until(lambda: rig.backlog.over_quota == 497)
    offers = Counter(rig.ids_sent())
    assert db <= offers.keys()
    assert len(offers) <= 100 + len(db)
    assert set(offers.values()) == {1}
    waiting = rig.spool.queued()[0]
    assert {(each.state, each.last_reply) for each in waiting} == {(State.DEFERRED, str(OVER.reply))}
    assert all(PAUSE[0] - 30 < each.due - time.time() <= PAUSE[0] for each in waiting)
    assert [len(rig.spool.history(queue_id)) for queue_id in (web[-1], web[50])] == [2, 2]
    told = [line for line, fields in said if fields.get("HEDWIG_EVENT") == "quota_hit"]
    assert len(told) == 1
    assert "497 of web until " in told[0]
    assert not [line for line, fields in said if "not taken by the postoffice" in line]


def test_when_there_is_room_all_go_after_one_has_asked(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overquota, "PAUSE", (0.5, 1.0))
    there = Quota(0)
    rig.there.say = there.say
    ids = {rig.put(container="web", age=10) for _ in range(150)}
    rig.backlog.start()
    rig.until(lambda: rig.backlog.over_quota == 150)
    first = len(rig.there.sent)
    rig.until(lambda: len(rig.there.sent) >= first + 2)
    assert {len(batch) for batch in rig.there.sent[first:]} == {1}
    there.room = 1000
    rig.until(lambda: not rig.waiting())
    assert Counter(rig.ids_sent()).keys() == ids
    rig.until(lambda: rig.backlog.over_quota == 0)


def test_what_waits_for_a_quota_is_a_probe_all_the_same(rig: Rig) -> None:
    """Else nobody would ask whether the postoffice is back, where nothing else waits."""
    rig.there.say = lambda parcels: [OVER] * len(parcels)
    rig.put(container="web", age=10)
    rig.backlog.start()
    rig.until(lambda: rig.backlog.over_quota == 1)
    rig.link.no_verdict(NoVerdict("it is down"))
    rig.put(container="web")
    rig.until(lambda: rig.link.is_up)
    rig.until(lambda: rig.backlog.over_quota == 2)


def test_letters_to_fewer_go_past_one_to_many(rig: Rig) -> None:
    rig.there.say = lambda parcels: [OVER if len(each.envelope.rcpttos) > 4 else ACCEPTED for each in parcels]
    many = {rig.put(container="web", recipients=5, age=10) for _ in range(2)}
    for _ in range(3):
        rig.put(container="web")
    rig.backlog.start()
    rig.until(lambda: rig.backlog.over_quota == 2)
    rig.until(lambda: set(rig.waiting()) == many)
