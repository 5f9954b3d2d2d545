"""From hints to claims over a real spool: who is claimed where there is little room, what is said to the feeder, and
what is past its expiry."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from worker_rig import OWNER, Names, Receiver, Rig

from hedwig.mx import MxAnswer
from hedwig.options import Options
from hedwig.queue import Hint
from hedwig.queue.memory import Broker
from hedwig.settings import SiteRule, Worker
from hedwig.spool import Kind, State, receivers
from hedwig.verdict import SiteWord
from hedwig.worker import aside, claims
from hedwig.worker import bag as bags
from hedwig.worker import provider as providers
from hedwig.worker.claims import Claimer
from hedwig.worker.resting import FAMILIES
from hedwig.worker.route import Route
from hedwig.worker.ways import Ways

URGENT, NORMAL, BULK = range(3)


class Scene:
    """A Rig whose claims come by hints."""

    def __init__(self, rig: Rig, receiver: Receiver) -> None:
        self.rig = rig
        self.receiver = receiver
        self.broker = Broker()
        self.queue = self.broker.open()
        self.claimer = Claimer(rig.tools, self.broker.open(), rig.dispatch, OWNER)
        self.running = asyncio.create_task(self.claimer.run(lambda: True))

    async def wait_for_dns(self, monkeypatch: pytest.MonkeyPatch) -> "Slow":
        """From now on DNS is slow, and one letter waits for it."""
        slow = Slow()
        monkeypatch.setattr(self.rig.router, "_resolver", slow)
        await self.rig.register(1)
        self.hint()
        await slow.asked.wait()
        return slow

    def hint(self) -> list[int]:
        """Hint all that is due, as the feeder would without windows; the deliveries."""
        due = self.rig.spool.due("example.com", time.time(), 10_000)
        for waiting in due:
            self.queue.put([Hint(waiting.delivery)], waiting.priority)
        return [waiting.delivery for waiting in due]

    async def until(self, count: int) -> None:
        await self.rig.settled(lambda: len(self.receiver.messages) >= count)

    def pauses(self) -> dict[str, int]:
        """Destination and priority of each pause."""
        return {pause.destination: pause.priority for pause in self.rig.spool.pauses(time.time() - 60)}

    def bodies(self) -> list[bytes]:
        return [content.split(b"\r\n")[0] for content in self.receiver.messages]


class Slow(Names):
    """DNS that keeps everybody waiting for `answer`."""

    def __init__(self) -> None:
        super().__init__({"mx.example.com": "127.0.0.1"})
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def exchangers(self, domain: str) -> MxAnswer:
        self.asked.set()
        await self.answer.wait()
        return await super().exchangers(domain)


def _oldest(folder: Path, value: int) -> int:
    """Set the oldest release that may still write the spool, as an upgrade would; the one before."""
    with contextlib.closing(sqlite3.connect(folder / "spool.db", isolation_level=None)) as db:
        ((before,),) = db.execute("SELECT value FROM meta WHERE name = 'oldest'").fetchall()
        db.execute("UPDATE meta SET value = ? WHERE name = 'oldest'", (value,))
    return int(before)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    receiver = Receiver()
    rig = Rig(tmp_path, {"mx.example.com": "127.0.0.1"}, await receiver.start())
    made = Scene(rig, receiver)
    yield made
    receiver.wait_at_mail.set()
    made.claimer.stop()
    await made.running
    await rig.close()
    assert receiver.server is not None
    await receiver.close()


async def test_urgent_passes_what_waits_for_a_busy_site(scene: Scene) -> None:
    """All connections are busy and all room is taken by bulk: a later urgent letter is the next on any of them, and a
    normal one comes after it."""
    scene.rig.router.ways = Ways(Worker(sites={"default": SiteRule(connections=2)}))
    scene.receiver.wait_at_mail.clear()
    await scene.rig.register(300, priority=BULK, body=b"S: bulk\r\n\r\n")
    scene.hint()
    await scene.rig.settled(lambda: scene.receiver.at_mail == 2 and scene.pauses() == {"example.com": BULK})
    await scene.rig.register(1, priority=NORMAL, body=b"S: normal\r\n\r\n")
    await scene.rig.register(1, priority=URGENT, body=b"S: urgent\r\n\r\n")
    held = scene.rig.tools.bag.messages
    scene.hint()
    await scene.rig.settled(lambda: scene.rig.tools.bag.messages >= held + 2)
    assert not scene.receiver.messages
    scene.receiver.wait_at_mail.set()
    await scene.until(10)
    first = scene.bodies()[:5]
    assert first.index(b"S: urgent") < first.index(b"S: normal")


async def test_the_pause_of_a_site_that_is_down_is_for_all(scene: Scene) -> None:
    """An urgent letter can't get through either."""
    route = await scene.rig.router.route("example.com")
    assert isinstance(route, Route)
    scene.rig.tools.bag.of(route.site).failed(time.time(), "refused")
    await scene.rig.register(3, priority=URGENT)
    scene.hint()
    await scene.rig.settled(lambda: scene.pauses() == {"example.com": 0})
    assert scene.receiver.connections == 0


async def test_a_full_bag_takes_urgent_mail(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other sites hold back keeps bulk away from this one, and nothing that is urgent."""
    monkeypatch.setattr(bags, "MOST_MESSAGES", 0)
    await scene.rig.register(60, priority=BULK, body=b"S: bulk\r\n\r\n")
    await scene.rig.register(2, priority=URGENT, body=b"S: urgent\r\n\r\n")
    scene.hint()
    await scene.until(2)
    assert scene.bodies() == [b"S: urgent"] * 2
    await scene.rig.settled(lambda: scene.pauses() == {"example.com": BULK})


async def test_what_is_past_its_deadline_needs_neither_dns_nor_room(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails at once, with a report, though its destination can't be looked up and the bag is full."""
    slow = await scene.wait_for_dns(monkeypatch)
    now = time.time()
    await scene.rig.register(30, options=Options(deadline=now - 1), expires_at=now - 1)
    scene.hint()
    await scene.rig.settled(lambda: scene.rig.settler.counts[Kind.EXPIRED] == 30)
    assert scene.receiver.connections == 0
    assert scene.rig.settler.counts[Kind.BOUNCED] == 30
    slow.answer.set()
    await scene.until(1)


async def test_what_waited_for_dns_is_claimed_once_the_spool_can_be(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hint is gone, so nobody else would soon try it. Rounds without hints go well meanwhile, and don't hide that
    nothing can be taken; a claim that works says that all is well again."""
    monkeypatch.setattr(claims, "RESERVE_TIME", 0.01)
    monkeypatch.setattr(aside, "TROUBLE_PAUSE", 0.1)
    slow = await scene.wait_for_dns(monkeypatch)
    await scene.rig.settled(lambda: "example.com" in scene.claimer._aside)
    oldest = _oldest(tmp_path, 99)
    slow.answer.set()
    await scene.rig.settled(lambda: "newer hedwig" in scene.claimer.trouble)
    beats = {scene.claimer.beat}
    async with asyncio.timeout(30):
        while len(beats) < 20:
            await asyncio.sleep(0.005)
            beats.add(scene.claimer.beat)
            assert "newer hedwig" in scene.claimer.trouble
    _oldest(tmp_path, oldest)
    await scene.until(1)
    await scene.rig.settled(lambda: not scene.claimer.trouble)


async def test_what_waits_for_the_spool_is_left_there_at_the_end(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is stopped doesn't wait for the end of the trouble."""
    slow = await scene.wait_for_dns(monkeypatch)
    _oldest(tmp_path, 99)
    slow.answer.set()
    await scene.rig.settled(lambda: "newer hedwig" in scene.claimer.trouble)
    scene.claimer.stop()
    await asyncio.wait_for(scene.running, 10)
    assert scene.receiver.connections == 0 and scene.rig.states() == [State.READY]


async def test_a_receiver_that_had_enough_gets_more_when_half_is_carried(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not when that was expected. What is over stays to be seen, for hints were dropped."""
    monkeypatch.setattr(providers, "AHEAD_NEW", 20)
    monkeypatch.setattr(providers, "BUSY_MOST", 600.0)
    scene.rig.router.ways = Ways(Worker(sites={"default": SiteRule(connections=1)}))
    scene.receiver.wait_at_mail.clear()
    await scene.rig.register(60)
    scene.hint()
    await scene.rig.settled(lambda: scene.pauses() == {"example.com": NORMAL})
    [pause] = scene.rig.spool.pauses(time.time())
    assert pause.until - time.time() > 500
    scene.receiver.wait_at_mail.set()
    await scene.until(12)
    await scene.rig.settled(lambda: not scene.rig.spool.pauses(time.time()))
    [over] = scene.rig.spool.pauses(time.time() - 60)
    assert over.since == pause.since


async def test_a_rest_outlives_the_pause_that_it_follows(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What had gone out before it is answered, and more than half of it: that is no word on the rest."""
    monkeypatch.setattr(providers, "AHEAD_NEW", 20)
    scene.rig.router.ways = Ways(Worker(sites={"default": SiteRule(connections=1)}))
    scene.receiver.wait_at_mail.clear()
    await scene.rig.register(60, priority=BULK)
    scene.hint()
    await scene.rig.settled(lambda: scene.pauses() == {"example.com": BULK})
    await scene.rig.settled(lambda: scene.receiver.at_mail > 0)
    for family in FAMILIES:
        scene.rig.tools.resting.heed("mx.example.com", "", family, SiteWord(3600.0, 0, "421 4.7.0 slow down"))
    [state] = scene.rig.tools.bag.sites()
    assert scene.rig.tools.resting.apply(state.provider)
    scene.rig.dispatch.rest(state.provider)
    assert state.provider.low >= len(state.waiting) == 0
    await scene.rig.register(1, priority=URGENT)
    scene.hint()
    await scene.rig.settled(lambda: any("slow down" in pause.reason for pause in scene.rig.spool.pauses(time.time())))
    carried = len(scene.receiver.messages)
    scene.receiver.wait_at_mail.set()
    await scene.until(carried + 1)
    await scene.rig.settled(lambda: state.provider.low == -1 and not scene.claimer._opening)
    [pause] = scene.rig.spool.pauses(time.time())
    assert "slow down" in pause.reason


async def test_a_rest_that_ends_before_its_time_ends_the_pause(scene: Scene) -> None:
    """The operator's word is heard at once, and not when the pause would have been over by itself."""
    rig = scene.rig
    await rig.register(3)
    for family in FAMILIES:
        rig.tools.resting.heed("mx.example.com", "", family, SiteWord(600.0, 0, "421 4.7.0 slow down"))
    scene.hint()
    await rig.settled(lambda: scene.pauses() == {"example.com": 0})
    [pause] = rig.spool.pauses(time.time())
    assert "slow down" in pause.reason and 55 < pause.until - time.time() <= 60
    receivers.lift(rig.spool, ["mx.example.com"], time.time()).result()
    await rig.settled(lambda: len(rig.tools.resting._tasks) == 0)
    rig.tools.resting.take(rig.tools.resting.look())
    [provider] = rig.tools.bag.providers()
    assert not rig.tools.resting.apply(provider) and provider.eased
    await scene.claimer.open_again(provider)
    assert rig.spool.pauses(time.time()) == []
    scene.hint()
    await scene.until(3)
