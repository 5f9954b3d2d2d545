"""A receiver with several sites, as `sites.partner` of the settings has it; all its hosts are one Receiver."""

import asyncio
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from worker_rig import OWNER, Names, Receiver, Rig

from hedwig.mx import AddressAnswer, AddressesFound, Exchanger, MxAnswer, MxFound
from hedwig.settings import SiteRule, Worker
from hedwig.worker.route import Route


def partner(**rule: Any) -> Worker:
    """Settings with that site."""
    return Worker(sites={"default": SiteRule(), "partner": SiteRule(mx=(".partner.example",), **rule)})


class PartnersNames(Names):
    """Each domain has a host of its own at the partner's, but those of `same` share one."""

    def __init__(self, same: Collection[str] = ()) -> None:
        super().__init__({})
        self.same = same

    async def exchangers(self, domain: str) -> MxAnswer:
        host = "all" if domain in self.same else domain.replace(".", "-")
        return MxFound((Exchanger(10, f"{host}.partner.example"),))

    async def addresses(self, host: str) -> AddressAnswer:
        return AddressesFound(("127.0.0.1",))


class Scene(Rig):
    """`send_all` claims for all destinations at a time, as the claimer does."""

    async def send_all(self, *destinations: str) -> None:
        now = time.time()
        due = [waiting.delivery for each in destinations for waiting in self.spool.due(each, now, 1000)]
        claims = await asyncio.wrap_future(self.spool.claim(due, OWNER, now))
        self.router.ways.next_round()
        for claim in claims:
            route = await self.router.route(claim.destination)
            assert isinstance(route, Route)
            self.tools.bag.of(route.site, time.monotonic(), route.rule)
            self.dispatch.carry(claim, route)


class Partners:
    """`make` gives a rig with the partner's rule, or other settings."""

    def __init__(self, tmp_path: Path, receiver: Receiver) -> None:
        self._tmp_path = tmp_path
        self._receiver = receiver
        self._rigs: list[Scene] = []

    def make(self, same: Collection[str] = (), settings: Worker | None = None, **rule: Any) -> Scene:
        assert self._receiver.server is not None
        port = self._receiver.server.sockets[0].getsockname()[1]
        rig = Scene(self._tmp_path, PartnersNames(same), port, settings or partner(**rule))
        self._rigs.append(rig)
        return rig

    async def close(self) -> None:
        self._receiver.wait_at_mail.set()
        for rig in self._rigs:
            await rig.close()
