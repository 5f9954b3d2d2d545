"""The forwarder: what a container hears, whatever the postoffice says or does not say."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from forwarder_rig import ACCEPTED, Rig, forwarder_rig  # noqa: F401

from hedwig.mailman import forwarder, room
from hedwig.mailman.client import NoVerdict, Parcel, Verdict
from hedwig.mailman.outcome import is_stale
from hedwig.options import Options
from hedwig.reply import Reply
from hedwig.spool import SpoolTrouble


async def test_an_accepted_message_is_250_with_its_queue_id_and_is_not_spooled(rig: Rig) -> None:
    queue_id, reply = await rig.submit()
    assert str(reply) == f"250 2.0.0 queued as {queue_id}"
    assert rig.spooled() == []


@pytest.mark.parametrize(
    "refusal", [Reply(550, "5.7.1", "not allowed to send so"), Reply(452, "4.7.1", "quota: 12:30")]
)
async def test_the_container_hears_what_the_postoffice_refuses(rig: Rig, refusal: Reply) -> None:
    rig.there.say = lambda parcels: [Verdict(refusal)]
    assert (await rig.submit())[1] == refusal
    assert rig.spooled() == []


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(NoVerdict("connection refused"), id="unreachable"),
        pytest.param(NoVerdict("401", 401), id="wrong key"),
        pytest.param(NoVerdict("503", 503), id="busy"),
        pytest.param(RuntimeError("a fault of ours"), id="a fault of ours"),
        pytest.param(Verdict(Reply(451, "4.3.1", "disk full")), id="its disk is full"),
    ],
)
async def test_no_verdict_means_250_and_the_own_spool(rig: Rig, say: Exception | Verdict) -> None:
    """I1: the 250 comes after the fsync of mailman's own spool, under the same queue ID (I3)."""

    def answer(parcels: Sequence[Parcel]) -> list[Verdict]:
        if isinstance(say, Exception):
            raise say
        return [say] * len(parcels)

    rig.there.say = answer
    queue_id, reply = await rig.submit()
    assert reply.code == 250
    assert queue_id in reply.text
    assert rig.spooled() == [queue_id]


async def test_what_comes_with_a_message_goes_on_with_it(rig: Rig) -> None:
    """To the postoffice, and into the spool."""
    options = Options(time.time() + 600, "otp")
    await rig.submit(options=options)
    ((sent,),) = rig.there.batches
    assert (sent.options, sent.message_id, sent.submitter) == (options, "<1@b>", '{"peer":"172.17.0.2"}')
    rig.link.no_verdict(NoVerdict("connection refused"))
    await rig.submit(options=options)
    (claim,) = rig.spool.claim([1], "host/0", time.time()).result(10)
    assert (claim.options, claim.submitter) == (options, '{"peer":"172.17.0.2"}')


@pytest.mark.parametrize(
    ("trouble", "in_doubt"),
    [
        (NoVerdict("connection refused"), False),
        (NoVerdict("wrong key", 401), False),
        (NoVerdict("not understood", 400), False),
        (NoVerdict("a fault over there", 500), True),
        (NoVerdict("it broke", reached=True), True),
        (Verdict(Reply(451, "4.3.1", "no commit in time")), True),
    ],
)
async def test_the_spool_knows_what_may_be_over_there(rig: Rig, trouble: NoVerdict | Verdict, in_doubt: bool) -> None:
    """A deadline ends only what is certainly here: see outcome.is_stale."""

    def answer(parcels: Sequence[Parcel]) -> list[Verdict]:
        if isinstance(trouble, NoVerdict):
            raise trouble
        return [trouble] * len(parcels)

    rig.there.say = answer
    deadline = time.time() + 600
    assert (await rig.submit(options=Options(deadline)))[1].code == 250
    (claim,) = rig.spool.claim([1], "host/0", time.time()).result(10)
    assert (claim.expires_at > deadline) is in_doubt
    assert is_stale(claim, deadline) is not in_doubt
    assert [each.doubts for each in claim.recipients] == [int(in_doubt)]
    said = str(trouble.reply) if isinstance(trouble, Verdict) else str(trouble)
    assert claim.recipients[0].last_reply == said
    assert said in rig.spool.history(claim.queue_id)[1].text


async def test_while_the_postoffice_is_down_new_mail_is_spooled_without_asking(rig: Rig) -> None:
    def down(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("connection refused")

    rig.there.say = down
    for _ in range(3):
        assert (await rig.submit())[1].code == 250
    assert len(rig.there.batches) == 1
    assert len(rig.spooled()) == 3


async def test_a_slow_postoffice_costs_ten_seconds_at_the_most(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "VERDICT_TIME", 0.05)
    rig.there.gate.clear()
    queue_id, reply = await rig.submit()
    assert reply.code == 250
    assert rig.spooled() == [queue_id]


async def test_what_comes_while_a_request_is_in_flight_goes_in_the_next_batch_together(rig: Rig) -> None:
    rig.there.gate.clear()
    first = asyncio.create_task(rig.submit())
    while not rig.there.batches:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(rig.submit()) for _ in range(150)]
    await asyncio.sleep(0)
    rig.there.gate.set()
    await asyncio.gather(first, *others)
    sizes = [len(batch) for batch in rig.there.batches]
    assert sizes[0] == 1
    assert max(sizes) == 100
    assert sum(sizes) == 151
    assert len(sizes) <= 4


async def test_a_large_message_holds_back_no_small_one(rig: Rig) -> None:
    """I9: it has a connection of its own."""
    large_in_flight = threading.Event()

    def say(parcels: Sequence[Parcel]) -> list[Verdict]:
        if len(parcels[0].body) > 1 << 20:
            large_in_flight.wait(20)
        return [ACCEPTED] * len(parcels)

    rig.there.say = say
    large = asyncio.create_task(rig.submit(b"x" * (2 << 20)))
    assert (await rig.submit())[1].code == 250
    assert not large.done()
    large_in_flight.set()
    assert (await large)[1].code == 250


async def test_a_taken_queue_id_is_replaced_in_the_trace_too(rig: Rig) -> None:
    """I3: 409 for this ID; the message goes on under a new one, and its Received says so."""
    rig.there.say = lambda parcels: [
        Verdict(Reply(450, "4.5.1", "taken"), conflict=True) if len(rig.there.batches) == 1 else ACCEPTED
    ]
    old, reply = await rig.submit()
    sent = rig.there.batches[1][0]
    assert sent.queue_id != old
    assert reply.text == f"queued as {sent.queue_id}"
    assert sent.queue_id.encode() in sent.body
    assert old.encode() not in sent.body


async def test_one_message_that_spoils_a_batch_costs_only_itself(rig: Rig) -> None:
    def say(parcels: Sequence[Parcel]) -> list[Verdict]:
        if any(b"spoilt" in parcel.body for parcel in parcels):
            raise NoVerdict("400: frame 1", 400)
        return [ACCEPTED] * len(parcels)

    rig.there.gate.clear()
    rig.there.say = say
    waiting = [asyncio.create_task(rig.submit(b"spoilt" if number == 3 else b"good")) for number in range(6)]
    await asyncio.sleep(0.05)
    rig.there.gate.set()
    ids = [queue_id for queue_id, reply in await asyncio.gather(*waiting) if reply.code == 250]
    assert len(ids) == 6
    assert rig.spooled() == [ids[3]]
    assert rig.link.is_up, "an answer is no outage"


async def test_a_full_spool_is_452(rig: Rig) -> None:
    def down(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("connection refused")

    rig.there.say = down
    replies = [(await rig.submit(b"x" * 40_000))[1] for _ in range(3)]
    assert [reply.code for reply in replies] == [250, 250, 452]
    assert replies[2].enhanced == "4.3.1"
    assert len(rig.spooled()) == 2


async def test_what_nobody_waits_for_any_more_is_not_kept_in_memory(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The postoffice reads and says nothing: what is spooled by now leaves the lane, but for the request in flight."""
    monkeypatch.setattr(forwarder, "VERDICT_TIME", 0.05)
    rig.there.gate.clear()
    replies = await asyncio.gather(*(rig.submit(b"x" * 5000) for _ in range(10)))
    assert {reply.code for _, reply in replies} == {250}
    assert len(rig.spooled()) == 10
    assert len(rig.forwarder._small._waiting) == 0


async def test_stopping_does_not_wait_for_a_request_that_hangs(rig: Rig) -> None:
    rig.there.gate.clear()
    waiting = asyncio.create_task(rig.submit())
    while not rig.there.batches:
        await asyncio.sleep(0.001)
    started = time.monotonic()
    await asyncio.get_running_loop().run_in_executor(None, rig.forwarder.stop)
    assert time.monotonic() - started < 5
    assert (await waiting)[1].code == 250


async def test_a_lane_that_is_stuck_is_an_outage(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small messages that could not even leave in their time: the next ones don't try."""
    rig.there.gate.clear()
    first = asyncio.create_task(rig.submit())
    while not rig.there.batches:
        await asyncio.sleep(0.001)
    monkeypatch.setattr(forwarder, "VERDICT_TIME", 0.05)
    await rig.submit()
    assert not rig.link.is_up
    assert "no answer within" in rig.link.why
    rig.there.gate.set()
    await first


async def test_a_large_message_that_is_slow_is_no_outage(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "VERDICT_TIME", 0.05)
    rig.forwarder.settings = replace(rig.forwarder.settings, spool_limit=10 << 20)
    rig.there.gate.clear()
    replies = await asyncio.gather(*(rig.submit(b"x" * (2 << 20)) for _ in range(3)))
    assert {reply.code for _, reply in replies} == {250}
    assert rig.link.is_up


async def test_a_spool_that_can_not_be_read_is_451(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """I8, and no traceback."""

    def broken() -> int:
        raise SpoolTrouble("disk I/O error")

    rig.link.no_verdict(NoVerdict("connection refused"))
    monkeypatch.setattr(rig.spool, "used", broken)
    reply = (await rig.submit())[1]
    assert (reply.code, reply.enhanced) == (451, "4.3.0")


async def test_how_full_the_spool_is_is_asked_seldom_and_outside_the_event_loop(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = rig.spool.used, []

    def used() -> int:
        asked.append(threading.get_ident())
        return real()

    monkeypatch.setattr(rig.spool, "used", used)
    monkeypatch.setattr(room, "FRESH", 60.0)
    rig.link.no_verdict(NoVerdict("connection refused"))
    assert {(await rig.submit())[1].code for _ in range(50)} == {250}
    assert len(asked) == 1
    assert threading.get_ident() not in asked
