"""The cache by TTL: bounded, one look-up in flight, no harm from whoever goes away."""

import asyncio

import pytest

from hedwig.mx.cache import Cache


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Source:
    """A look-up that waits until it is let go, and counts."""

    def __init__(self, ttl: float = 60.0) -> None:
        self.calls = 0
        self.go = asyncio.Event()
        self._ttl = ttl

    async def __call__(self) -> tuple[str, float]:
        self.calls += 1
        await self.go.wait()
        return f"answer {self.calls}", self._ttl


async def test_kept_until_its_ttl_is_over() -> None:
    """Fresh to the last moment, then looked up again."""
    clock, source = Clock(), Source()
    source.go.set()
    cache: Cache[str, str] = Cache(clock)
    assert await cache.ask("k", source) == "answer 1"
    clock.now = 59.9
    assert cache.get("k") == await cache.ask("k", source) == "answer 1"
    clock.now = 60.0
    assert cache.get("k") is None
    assert await cache.ask("k", source) == "answer 2"


async def test_one_look_up_for_all_who_wait() -> None:
    """And another key has its own."""
    source, other = Source(), Source()
    cache: Cache[str, str] = Cache(Clock())
    other.go.set()
    waiting = [asyncio.create_task(cache.ask("k", source)) for _ in range(100)]
    assert await cache.ask("o", other) == "answer 1"
    source.go.set()
    assert set(await asyncio.gather(*waiting)) == {"answer 1"}
    assert source.calls == 1


@pytest.mark.parametrize("ttl", [60.0, 0.0])
async def test_cancelled_waiters_harm_nobody(ttl: float) -> None:
    """Even where all of them go: the look-up ends by itself, its answer is kept for who comes later."""
    source = Source(ttl)
    cache: Cache[str, str] = Cache(Clock())
    first, second = (asyncio.create_task(cache.ask("k", source)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    third = asyncio.create_task(cache.ask("k", source))
    source.go.set()
    assert await second == await third == "answer 1"
    assert (cache.get("k") == "answer 1") is (ttl > 0)


async def test_defect_in_a_look_up_leaves_nothing_behind() -> None:
    """All who wait see it, and the next one asks anew."""
    cache: Cache[str, str] = Cache(Clock())

    async def broken() -> tuple[str, float]:
        await asyncio.sleep(0)
        raise LookupError("a defect")

    ends = await asyncio.gather(*(cache.ask("k", broken) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [LookupError] * 3
    source = Source()
    source.go.set()
    assert await cache.ask("k", source) == "answer 1"


async def test_bounded_and_what_is_used_stays() -> None:
    """Past the limit the entry that was used longest ago goes."""
    cache: Cache[int, int] = Cache(Clock(), limit=100)

    async def of(number: int) -> tuple[int, float]:
        return number, 60.0

    for number in range(1000):
        assert await cache.ask(number, lambda number=number: of(number)) == number
        assert cache.get(0) == 0
    assert len(cache) == 100
    assert cache.get(1) is None
    assert cache.get(999) == 999


async def test_close_ends_what_is_under_way() -> None:
    """Nobody waits for ever on a closed cache."""
    cache: Cache[str, str] = Cache(Clock())
    waiting = asyncio.create_task(cache.ask("k", Source()))
    await asyncio.sleep(0)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(cache) == 0
