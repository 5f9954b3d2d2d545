"""Names of containers, with an engine that the test plays; the real one is in tests/journey/test_containers.py."""

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hedwig import log
from hedwig.mailman import containers
from hedwig.mailman.containers import Containers
from hedwig.mailman.engine import _submitters
from hedwig.options import Submitter

WEB = Submitter("172.17.0.2", "web-1", "nginx:1.27", "shop")


class Play:
    """An engine: `table` is what it answers, `events` what its stream says (None: it breaks off)."""

    def __init__(self) -> None:
        self.table: dict[str, Submitter] | None = {}
        self.events: queue.Queue[bool | None] = queue.Queue()
        self.asked = 0

    def containers(self) -> dict[str, Submitter]:
        self.asked += 1
        if self.table is None:
            raise ConnectionRefusedError(111, "Connection refused")
        return self.table

    def changes(self) -> Iterator[None]:
        yield
        while (event := self.events.get()) is not None:
            if event:
                yield

    def close(self) -> None:
        self.events.put(None)


@asynccontextmanager
async def watched(play: Any) -> AsyncIterator[Containers]:
    made = Containers("/run/docker.sock", lambda _: play)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    log.capture(lambda _level, message, _fields: lines.append(message))
    yield lines
    log.start("test")


async def until(what: Any) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.005)


async def test_without_an_engine() -> None:
    """The default: the address, and no thread."""
    made = Containers("")
    made.start()
    assert await made.of("172.17.0.2") == Submitter("172.17.0.2")
    made.stop()


async def test_a_container_that_has_just_started(play: Play) -> None:
    """Its address is asked for at once, once, though no event has come."""
    async with watched(play) as made:
        await until(lambda: play.asked)
        play.table = {WEB.peer: WEB}
        assert await asyncio.gather(*(made.of(WEB.peer) for _ in range(20))) == [WEB] * 20
        asked = play.asked
        assert await made.of(WEB.peer) == WEB
        assert play.asked == asked


async def test_an_address_that_is_no_containers(play: Play) -> None:
    """The host's own: asked for once, then not until something changes."""
    async with watched(play) as made:
        assert await made.of("172.17.0.1") == Submitter("172.17.0.1")
        asked = play.asked
        for _ in range(50):
            assert await made.of("172.17.0.1") == Submitter("172.17.0.1")
        assert play.asked == asked


async def test_an_address_that_passes_on(play: Play) -> None:
    """After an event the name is the new owner's."""
    play.table = {WEB.peer: WEB}
    async with watched(play) as made:
        assert await made.of(WEB.peer) == WEB
        play.table = {WEB.peer: Submitter(WEB.peer, "db-1", "postgres:17", "shop")}
        play.events.put(True)
        await until(lambda: made._known[WEB.peer].container == "db-1")
        assert (await made.of(WEB.peer)).container == "db-1"


async def test_an_engine_that_is_away(play: Play, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for it, the log says so once, and when it is back the names are."""
    monkeypatch.setattr(containers, "RETRY", 0.02)
    play.table = None
    async with watched(play) as made:
        await until(lambda: play.asked > 3)
        assert await made.of(WEB.peer) == Submitter(WEB.peer)
        assert "Connection refused" in made.trouble
        play.table = {WEB.peer: WEB}
        await until(lambda: not made.trouble)
        assert await made.of(WEB.peer) == WEB
    assert [line.partition(":")[0] for line in said] == [
        "containers have no names in log and history",
        "containers have names again",
    ]


async def test_an_engine_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message waits PATIENCE for it, and is not taken for a stranger's for good."""
    monkeypatch.setattr(containers, "PATIENCE", 0.05)
    hangs: queue.Queue[None] = queue.Queue()

    class Hanging(Play):
        def containers(self) -> dict[str, Submitter]:
            hangs.get()
            return {WEB.peer: WEB}

    async with watched(Hanging()) as made:
        assert await made.of(WEB.peer) == Submitter(WEB.peer)
        hangs.put(None)
        hangs.put(None)
        await until(lambda: WEB.peer in made._known)
        assert await made.of(WEB.peer) == WEB


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        [None, 5, {}, {"Names": []}, {"Names": ["/x"], "Image": "y", "NetworkSettings": {"Networks": None}}],
        [{"Names": ["/x"], "Image": "y", "NetworkSettings": {"Networks": {"bridge": None, "n": {"IPAddress": ""}}}}],
    ],
)
def test_answers_of_another_shape(answer: Any) -> None:
    """No name comes of them, and no harm."""
    assert list(_submitters(answer)) == []


def test_labels_are_anybodys_text() -> None:
    """No line end gets through, and no name is long (I11)."""
    container = {
        "Names": ["/web"],
        "Image": "x" * 9000,
        "Labels": {"com.docker.compose.project": "a\r\nHEDWIG_EVENT=delivered"},
        "NetworkSettings": {"Networks": {"b": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": "fd00::2"}}},
    }
    found = dict(_submitters([container]))
    assert set(found) == {"172.17.0.2", "fd00::2"}
    assert found["172.17.0.2"] == Submitter("172.17.0.2", "web", "x" * 255, "a??HEDWIG_EVENT=delivered")


async def test_a_stream_that_a_proxy_ends(play: Play, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """After a long while: another is begun at once, nobody's name is gone for a moment, the log says nothing."""
    monkeypatch.setattr(containers, "RETRY", 0.02)
    play.table = {WEB.peer: WEB}
    async with watched(play) as made:
        await until(lambda: WEB.peer in made._known)
        for _ in range(3):
            await asyncio.sleep(0.05)
            asked = play.asked
            play.events.put(None)
            await until(lambda asked=asked: play.asked > asked)
            assert made._known[WEB.peer] == WEB
    assert said == []
