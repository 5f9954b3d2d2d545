"""Acceptance: nothing is answered before the commit (I1), repeats are repeats (I3), trouble is ours (I8)."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

import pytest

from hedwig import log, queueid
from hedwig.dsn.letterhead import sender
from hedwig.envelope import Envelope, digest
from hedwig.options import Options, Priority, Submitter
from hedwig.postoffice.accept import SLOW, Acceptance, Gate
from hedwig.postoffice.refusal import Refusal
from hedwig.postoffice.submission import Submission
from hedwig.settings import Client, Postoffice, Quota
from hedwig.spool import Bytes, NewMessage, Outcome, Registered, SpoolTrouble, Superseded, Waiting

NOW = 1_000_000_000.0
HOST = Client("host.example")


class Intake:
    """A spool that commits when the test says so."""

    def __init__(self) -> None:
        self.calls: list[list[NewMessage]] = []
        self.future: Future[list[Registered]] = Future()
        self.called = threading.Event()
        self.known: dict[str, bytes] = {}
        self.looks = 0

    def register(self, messages: Sequence[NewMessage], *, here: bool = False) -> "Future[list[Registered]]":
        self.calls.append(list(messages))
        self.called.set()
        return self.future

    def used(self) -> int:
        return 0

    def seen(self, client: str, queue_ids: Sequence[str]) -> dict[str, bytes]:
        self.looks += 1
        return {queue_id: self.known[queue_id] for queue_id in queue_ids if queue_id in self.known}

    def sent(self, now: float) -> list[tuple[int, str, str, int, int]]:
        return []


@pytest.fixture
def said() -> Iterator[list[tuple[str, dict[str, str]]]]:
    lines: list[tuple[str, dict[str, str]]] = []
    log.capture(lambda _level, message, fields: lines.append((message, fields)))
    yield lines
    log.start("hedwig")


class Desk:
    def __init__(self) -> None:
        self.intake = Intake()
        self.noticed: list[Waiting] = []
        self.now = NOW
        self.acceptance = Acceptance(
            self.intake, self.noticed.extend, lambda: Postoffice(expire=1000), Gate(2), lambda: self.now
        )


@pytest.fixture
def desk(said: list[tuple[str, dict[str, str]]]) -> Desk:
    return Desk()


def submission(rcpttos: tuple[str, ...] = ("b@x.example",), **fields: float) -> Submission:
    envelope = Envelope("a@y.example", rcpttos)
    return Submission(queueid.new(), envelope, Bytes(b"x\r\n"), digest(envelope, [b"x\r\n"]), **fields)


def test_no_answer_and_no_hint_before_the_commit(desk: Desk, said: list[tuple[str, dict[str, str]]]) -> None:
    """The whole batch is one call; the answer comes after the future, then hints, journal and verdicts (I1)."""
    sent = [submission(), submission(("c@z.example", "C@Z.example", "d@x.example"))]
    verdicts: list[object] = []
    thread = threading.Thread(target=lambda: verdicts.extend(desk.acceptance.register(HOST, sent)))
    thread.start()
    assert desk.intake.called.wait(5)
    assert not verdicts
    assert not desk.noticed
    assert not said
    waiting = [Waiting(1, "x.example"), Waiting(2, "z.example"), Waiting(3, "x.example")]
    desk.intake.future.set_result(
        [Registered(Outcome.ACCEPTED, (waiting[0],)), Registered(Outcome.ACCEPTED, tuple(waiting[1:]))]
    )
    thread.join(5)
    assert [str(verdict.reply) for verdict in verdicts] == [f"250 2.0.0 queued as {one.queue_id}" for one in sent]
    assert desk.noticed == waiting
    (call,) = desk.intake.calls
    assert call[1].parts == {"z.example": ("c@z.example", "C@Z.example"), "x.example": ("d@x.example",)}
    assert [fields["HEDWIG_QUEUE_ID"] for _, fields in said] == [one.queue_id for one in sent]


def test_repeat_and_conflict(desk: Desk, said: list[tuple[str, dict[str, str]]]) -> None:
    """A repeat is answered like the first time, without a second journal entry or hint; a conflict is told (I3)."""
    desk.intake.future.set_result([Registered(Outcome.REPEATED), Registered(Outcome.CONFLICT)])
    repeated, conflict = desk.acceptance.register(HOST, [submission(), submission()])
    assert (repeated.reply.code, repeated.conflict) == (250, False)
    assert (conflict.reply.code, conflict.reply.enhanced, conflict.conflict) == (450, "4.5.1", True)
    assert not said
    assert not desk.noticed


def test_what_is_superseded_is_in_the_journal(desk: Desk, said: list[tuple[str, dict[str, str]]]) -> None:
    """Under the ID of the message that ended, with the one that took its place."""
    sent = submission()
    gone = (Superseded("01OLD", "b@x.example", sent.queue_id), Superseded(sent.queue_id, "c@x.example", "01NEW"))
    desk.intake.future.set_result([Registered(Outcome.ACCEPTED, (), gone)])
    (verdict,) = desk.acceptance.register(HOST, [sent])
    assert verdict.reply.code == 250
    _, first, second = said
    assert first[0] == f"01OLD: superseded: to=<b@x.example> by={sent.queue_id}"
    assert (first[1]["HEDWIG_QUEUE_ID"], first[1]["HEDWIG_SUCCESSOR"]) == ("01OLD", sent.queue_id)
    assert (second[1]["HEDWIG_QUEUE_ID"], second[1]["HEDWIG_EVENT"]) == (sent.queue_id, "superseded")
    assert not desk.noticed


def test_a_spool_in_trouble_is_4yz_for_all(desk: Desk) -> None:
    desk.intake.future.set_exception(SpoolTrouble("disk full"))
    verdicts = desk.acceptance.register(HOST, [submission(), submission()])
    assert {(verdict.reply.code, verdict.reply.enhanced) for verdict in verdicts} == {(451, "4.3.1")}
    assert "disk full" in verdicts[0].reply.text
    assert desk.acceptance.trouble() == "disk full"
    desk.now += 61
    assert desk.acceptance.trouble() == ""


def test_nothing_to_register_is_no_call(desk: Desk) -> None:
    assert desk.acceptance.register(HOST, []) == []
    assert not desk.intake.calls


def test_the_journal_names_who_handed_it_in_and_what_it_asks(
    desk: Desk, said: list[tuple[str, dict[str, str]]]
) -> None:
    desk.intake.future.set_result([Registered(Outcome.ACCEPTED), Registered(Outcome.ACCEPTED)])
    asked = Options(deadline=NOW + 600, supersede="otp-42", priority=Priority.URGENT)
    by = Submitter("172.17.0.4", "web", "nginx", "shop").packed()
    desk.acceptance.register(HOST, [replace(submission(), options=asked, submitter=by), submission()])
    (first, fields), (second, others) = said
    assert first.endswith(
        "3 octets, by web (nginx, project shop) 172.17.0.4, until 2001-09-09 01:56:40 UTC, urgent, key otp-42"
    )
    assert second.endswith(" to b@x.example, 3 octets")
    names = ("DEADLINE", "PRIORITY", "SUPERSEDE", "PEER", "CONTAINER", "IMAGE", "PROJECT")
    assert [fields[f"HEDWIG_{name}"] for name in names] == [
        "2001-09-09 01:56:40 UTC", "urgent", "otp-42", "172.17.0.4", "web", "nginx", "shop",
    ]  # fmt: skip
    assert not {f"HEDWIG_{name}" for name in names} & others.keys()


def test_the_gate_closes_only_when_all_places_wait_for_long() -> None:
    """A burst passes; behind a stuck spool the next one is told 503 at once, until a place is free again."""
    now = [0.0]
    gate = Gate(2, lambda: now[0])
    with gate.waiting():
        with gate.waiting():
            with gate.waiting():
                now[0] += SLOW + 1
            with pytest.raises(Refusal) as caught, gate.waiting():
                pass
            assert (caught.value.code, caught.value.retry_after > 0) == (503, True)
        with gate.waiting():
            pass


def test_a_priority_that_is_lowered_is_said(desk: Desk, said: list[tuple[str, dict[str, str]]]) -> None:
    sent = [replace(submission(), options=Options(priority=each)) for each in (Priority.URGENT, Priority.BULK)]
    desk.intake.future.set_result([Registered(Outcome.ACCEPTED)] * 2)
    desk.acceptance.register(replace(HOST, most_priority=Priority.NORMAL), sent)
    lowered = [message for message, _ in said if "lowered" in message]
    assert lowered == [f"{sent[0].queue_id}: priority lowered: host.example may ask for normal at the most, not urgent"]
    assert [message.options.priority for message in desk.intake.calls[0]] == [Priority.NORMAL, Priority.BULK]


def test_what_was_accepted_before_stays_so_when_a_rule_is_new(
    desk: Desk, said: list[tuple[str, dict[str, str]]]
) -> None:
    """The repeat hears 250, another letter of the same batch its refusal, a third is registered; in their order."""
    strict = replace(HOST, senders=("robot@y.example",), lines={"senders": 2})
    report = Bytes(f"From: {sender('host.example')}\r\n\r\n".encode())  # mailman's own
    sent = [submission(), submission(), replace(submission(), envelope=Envelope("", ("b@x.example",)), body=report)]
    desk.intake.known[sent[0].queue_id] = sent[0].digest
    desk.intake.future.set_result([Registered(Outcome.ACCEPTED)])
    verdicts = desk.acceptance.register(strict, sent)
    assert [verdict.reply.code for verdict in verdicts] == [250, 550, 250]
    assert [verdict.queue_id for verdict in verdicts] == [one.queue_id for one in sent]
    assert [message.queue_id for message in desk.intake.calls[0]] == [sent[2].queue_id]
    assert "From is missing (clients.d/host.example.yml line 2: senders)" in said[0][0]


def test_a_quota_counts_what_was_accepted_alone(desk: Desk, said: list[tuple[str, dict[str, str]]]) -> None:
    """A spool in trouble, and a repeat, use nothing up; over it the verdict has the time, and the log is short."""
    host = replace(HOST, quota=Quota(messages_per_hour=1))
    desk.intake.future.set_exception(SpoolTrouble("disk full"))
    assert desk.acceptance.register(host, [submission()])[0].reply.code == 451
    for outcome in (Outcome.REPEATED, Outcome.CONFLICT, Outcome.ACCEPTED):
        desk.intake.future = Future()
        desk.intake.future.set_result([Registered(outcome)])
        assert desk.acceptance.register(host, [submission()])[0].reply.code != 452
    said.clear()
    for _ in range(20):
        (verdict,) = desk.acceptance.register(host, [submission()])
        assert (verdict.reply.code, verdict.reply.enhanced) == (452, "4.7.1")
        assert 3300 < verdict.retry_after <= 3901
    assert {fields["HEDWIG_EVENT"] for _, fields in said} == {"quota_hit"}
    assert len(said) == 5


def test_a_repeat_takes_no_place_of_a_quota_from_another(desk: Desk) -> None:
    """Room for one: behind a repeat, an ID that is another message's, and its own twin, a new letter has it. All of
    them are looked for at once, and nothing is where there is no quota."""
    host = replace(HOST, quota=Quota(messages_per_hour=1))
    repeat, other, new = submission(), submission(), submission()
    desk.intake.known = {repeat.queue_id: repeat.digest, other.queue_id: b"another message"}
    desk.intake.future.set_result([Registered(Outcome.ACCEPTED), Registered(Outcome.REPEATED)])
    verdicts = desk.acceptance.register(host, [repeat, other, new, new])
    assert [(verdict.reply.code, verdict.conflict) for verdict in verdicts] == [
        *((250, False), (450, True), (250, False), (250, False))
    ]
    assert [(message.queue_id, message.charges) for message in desk.intake.calls[0]] == [
        (new.queue_id, ("",)),
        (new.queue_id, ()),
    ]
    assert desk.intake.looks == 1
    (verdict,) = desk.acceptance.register(host, [submission()])
    assert verdict.reply.code == 452
    (verdict,) = desk.acceptance.register(host, [repeat])
    assert verdict.reply.code == 250
    looks = desk.intake.looks
    desk.intake.future = Future()
    desk.intake.future.set_result([Registered(Outcome.ACCEPTED)])
    assert desk.acceptance.register(HOST, [submission()])[0].reply.code == 250
    assert desk.intake.looks == looks


def test_a_deadline_is_the_clients_where_the_letter_has_none_or_a_later_one(desk: Desk) -> None:
    limited = replace(HOST, deadline=600, most_deadline=700)
    sent = [submission(), *(replace(submission(), options=Options(deadline=NOW + late)) for late in (650, 5000))]
    desk.intake.future.set_result([Registered(Outcome.ACCEPTED)] * 3)
    desk.acceptance.register(limited, sent)
    assert [message.options.deadline - NOW for message in desk.intake.calls[0]] == [600, 650, 700]
    assert [message.expires_at - NOW for message in desk.intake.calls[0]] == [600, 650, 700]
