"""Upkeep: what a worker does beside delivering.

Every few seconds: claims of workers that died are freed, digests whose hour is over are sent, what was learnt of
receivers is kept, and what others have learnt of their TLS is taken over. Every second: what the operator has paused,
or wants back, goes back, and what other workers have heard of receivers that want rest is in force here too. A spool in
trouble stops none of it: who writes there says so, and the next round looks again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from hedwig.settings import Worker
from hedwig.spool import SpoolTrouble, receivers
from hedwig.worker import floods
from hedwig.worker.dispatch import Dispatch
from hedwig.worker.heirs import free_dead_owners
from hedwig.worker.hinter import Hinter
from hedwig.worker.provider import Provider
from hedwig.worker.tools import Tools

ROUND = 5.0  # seconds
DEAD_EVERY = 3  # rounds between looks for dead workers
LOOK_EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Heirs:
    """Whose claims may be freed: not those of `owner`, which is us."""

    owner: str
    settings: Callable[[], Worker]


class Upkeep:
    """Of one worker: `run` and `heed` as tasks. `open_again` is told of receivers whose rest has ended."""

    def __init__(
        self,
        tools: Tools,
        dispatch: Dispatch,
        heirs: Heirs,
        hinter: Hinter,
        open_again: Callable[[Provider], Awaitable[None]],
    ) -> None:
        self._tools = tools
        self._open_again = open_again
        self._dispatch = dispatch
        self._heirs = heirs
        self._hinter = hinter
        self._lifted: dict[str, float] | None = None  # what was heeded; None before the first look

    async def run(self, tell: Callable[[], None]) -> None:
        """Rounds without end; `tell` tells systemd how we are."""
        rounds = 0
        while True:
            tell()
            self._tools.bag.forget_idle(time.monotonic())
            await self._divide()
            if rounds % DEAD_EVERY == 0:
                await self._free_dead_owners()
                await floods.send_digests(self._tools.spool, self._tools.rules, self._hinter.hint)
                await self._keep_paces()
                await self._look_at_tls()
            rounds += 1
            await asyncio.sleep(ROUND)

    async def heed(self) -> None:
        """Looks without end at what others say."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            with suppress(SpoolTrouble):
                await self._tools.allowances.give_back()
                await self._look()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        seen = await loop.run_in_executor(None, self._tools.resting.look)
        self._tools.resting.take(seen)
        self._heed_lifts(seen.lifted)
        for provider in self._tools.bag.providers():
            if self._tools.resting.apply(provider):
                self._dispatch.rest(provider)
            elif provider.eased:
                self._tools.bag.ease(provider)
                await self._open_again(provider)
        if not self._tools.bag.messages:
            return
        owner = self._heirs.owner
        if halted := await loop.run_in_executor(None, self._tools.spool.halted, owner, time.time()):
            self._dispatch.call_back(halted)

    def _heed_lifts(self, lifted: dict[str, float]) -> None:
        """What has come since the last look; before the first one nothing cooled."""
        before = lifted if self._lifted is None else self._lifted
        if fresh := {site for site, at in lifted.items() if before.get(site) != at}:
            self._tools.bag.resume(fresh)
        self._lifted = lifted

    async def _divide(self) -> None:
        """Who runs, and so how many connections to a receiver are this worker's."""
        await asyncio.get_running_loop().run_in_executor(None, self._tools.slots.count_workers)
        self._tools.bag.divide()

    async def _keep_paces(self) -> None:
        if windows := self._tools.bag.paces():
            with suppress(SpoolTrouble):
                await asyncio.wrap_future(receivers.save_paces(self._tools.spool, windows, time.time()))

    async def _look_at_tls(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(SpoolTrouble):
            await loop.run_in_executor(None, self._tools.broken.look)
            await loop.run_in_executor(None, self._tools.router.policies.look)

    async def _free_dead_owners(self) -> None:
        loop = asyncio.get_running_loop()
        owner, settings = self._heirs.owner, self._heirs.settings()
        ready = await loop.run_in_executor(None, free_dead_owners, self._tools.spool, owner, settings)
        if ready:
            self._hinter.hint(ready)
