"""A bounded cache by TTL, with at most one look-up in flight for each key.

`get` gives what is known and fresh. `ask` gives that, or waits for the look-up that is under way, or starts one. The
look-up runs in a task of its own: who waits may be cancelled without harm to the others who wait, and its result is
kept even if nobody waits any more. A look-up that raises (a defect, for look-ups return values) raises for
all who wait and leaves nothing behind.

The clock is monotonic and the caller's. Of one event loop, not thread-safe.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """At most `limit` entries; past it the one that was used longest ago goes."""

    def __init__(self, clock: Callable[[], float], limit: int = 10_000) -> None:
        self._clock = clock
        self._limit = limit
        self._known: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._asked: dict[Key, asyncio.Task[Value]] = {}

    def __len__(self) -> int:
        """Entries that are kept, stale ones that nobody asked for since among them."""
        return len(self._known)

    def get(self, key: Key) -> Value | None:
        """The value that is known for `key` and fresh, else None."""
        entry = self._known.get(key)
        if entry is None:
            return None
        if entry[0] <= self._clock():
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return entry[1]

    async def ask(self, key: Key, look_up: Callable[[], Awaitable[tuple[Value, float]]]) -> Value:
        """The value for `key`; `look_up` gives it with the seconds for which it is good (0: not kept)."""
        known = self.get(key)
        if known is not None:
            return known
        task = self._asked.get(key)
        if task is None:
            task = asyncio.create_task(self._look_up(key, look_up))
            self._asked[key] = task
        return await asyncio.shield(task)

    async def _look_up(self, key: Key, look_up: Callable[[], Awaitable[tuple[Value, float]]]) -> Value:
        try:
            value, ttl = await look_up()
        finally:
            del self._asked[key]
        if ttl > 0:
            self._known[key] = (self._clock() + ttl, value)
            self._known.move_to_end(key)
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        return value

    async def close(self) -> None:
        """Cancel the look-ups under way and forget everything."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._known.clear()
