"""Allowances: how many messages and connections a receiver takes in a time, from a source of ours (rates.py).

The tokens lie in the spool, for all workers together. They are taken in lots, within the transactions that are written
anyway, and a lot is good for LOT_TIME seconds; what is left of it then goes back. A receiver without rates costs
nothing here.
"""

import asyncio
import datetime
import time
from dataclasses import dataclass
from functools import lru_cache

from hedwig.rates import Rate
from hedwig.routing import Site
from hedwig.settings import DAY, HOUR, MINUTE, SiteRule, Source
from hedwig.spool import SpoolTrouble
from hedwig.spool.receivers import Asking, Grant, Sharing, ask_tokens

LOT = 10
LOT_TIME = 2.0
NO_SPOOL = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Wait:
    """There is no token for so many seconds. `why`: for the operator."""

    seconds: float
    why: str


class NoTokenError(Exception):
    """There is no token, and it can't be done without."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait.why)
        self.wait = wait


@dataclass(slots=True)
class _Lot:
    tokens: int
    good_until: float  # monotonic
    rates: tuple[Rate, ...]


@lru_cache(maxsize=256)
def plain_rates(rule: SiteRule) -> tuple[Rate, ...]:
    """The rates of messages that a receiver's rule has."""
    figures = (("minute", rule.per_minute, MINUTE), ("hour", rule.per_hour, HOUR), ("day", rule.per_day, DAY))
    return tuple(Rate(kind, limit, seconds) for kind, limit, seconds in figures if limit)


def message_rates(rule: SiteRule, source: Source, warm_up: tuple[int, ...], today: datetime.date) -> tuple[Rate, ...]:
    """The rates that bound messages to a receiver from a source that may be new."""
    day = (today - datetime.date.fromisoformat(source.warm_up)).days if source.warm_up else len(warm_up)
    if day >= len(warm_up):
        return plain_rates(rule)
    return (*plain_rates(rule), Rate("warm-up", warm_up[max(day, 0)], DAY))


def rates_now(rule: SiteRule, source: Source | None, warm_up: tuple[int, ...]) -> tuple[Rate, ...]:
    """The same today; `source` is None where the system chooses."""
    if source is None or not source.warm_up:
        return plain_rates(rule)
    return message_rates(rule, source, warm_up, datetime.datetime.now(datetime.UTC).date())


@lru_cache(maxsize=256)
def connection_rates(rule: SiteRule) -> tuple[Rate, ...]:
    """The rates that connections to a receiver are bound by."""
    most = rule.connections_per_minute
    return (Rate("connections a minute", most, MINUTE),) if most else ()


class Allowances:
    """Of one worker. Belongs to the event loop."""

    def __init__(self, spool: Sharing) -> None:
        self._spool = spool
        self._lots: dict[tuple[str, str, str], _Lot] = {}
        self._asking: dict[tuple[str, str, str], asyncio.Lock] = {}

    async def take(self, receiver: str, source: str, rates: tuple[Rate, ...], soon: int = 1) -> Wait | None:
        """Take a token of each of `rates`: None, or why there is none. `soon`: how many may be wanted within a second.
        SpoolTrouble."""
        if not rates:
            return None
        key = (receiver, source, rates[0].kind)
        if self._from_lot(key, rates):
            return None
        async with self._asking.setdefault(key, asyncio.Lock()):
            if self._from_lot(key, rates):
                return None
            await self._return(key)  # a lot that is no longer good
            grant = await self._ask(receiver, source, rates, max(1, min(soon, LOT)))
            if not grant.tokens:
                return Wait(grant.wait, used_up(grant.rate))
            await self._return(key)  # what was put back meanwhile
            self._lots[key] = _Lot(grant.tokens - 1, time.monotonic() + LOT_TIME, rates)
        return None

    async def get(self, site: Site, rates: tuple[Rate, ...], soon: int, patience: float) -> Wait | None:
        """The same for a site, waiting up to `patience` seconds for it. Never raises."""
        give_up = time.monotonic() + patience
        while True:
            try:
                wait = await self.take(site.name, site.source, rates, soon)
            except SpoolTrouble as trouble:  # without the spool nobody knows what others have sent: not one more
                return Wait(NO_SPOOL, str(trouble))
            if wait is None or time.monotonic() + wait.seconds > give_up:
                return wait
            await asyncio.sleep(wait.seconds)

    def put_back(self, site: Site, rates: tuple[Rate, ...]) -> None:
        """A token that was taken is not used."""
        key = (site.name, site.source, rates[0].kind)
        lot = self._lots.get(key)
        if lot is not None and lot.rates == rates:
            lot.tokens += 1
        elif lot is None:
            self._lots[key] = _Lot(1, 0.0, rates)

    def _from_lot(self, key: tuple[str, str, str], rates: tuple[Rate, ...]) -> bool:
        lot = self._lots.get(key)
        if lot is None or not lot.tokens or time.monotonic() >= lot.good_until or lot.rates != rates:
            return False
        lot.tokens -= 1
        return True

    async def _ask(self, receiver: str, source: str, rates: tuple[Rate, ...], wanted: int) -> Grant:
        asking = Asking(receiver, source, rates, wanted, time.time())
        return await asyncio.wrap_future(ask_tokens(self._spool, asking))

    async def _return(self, key: tuple[str, str, str]) -> None:
        lot = self._lots.pop(key, None)
        if lot is not None and lot.tokens:
            await self._ask(key[0], key[1], lot.rates, -lot.tokens)

    async def give_back(self, *, everything: bool = False) -> None:
        """What is left of lots that are no longer good, or of all, goes back. SpoolTrouble."""
        now = time.monotonic()
        for key in [key for key, lot in self._lots.items() if everything or now >= lot.good_until]:
            await self._return(key)
            if key in self._asking and not self._asking[key].locked():
                del self._asking[key]


def used_up(rate: Rate | None) -> str:
    """That there is no token of this rate, for the operator."""
    if rate is None:
        return "its rate is used up"
    per = {"minute": "a minute", "hour": "an hour", "day": "a day", "warm-up": "a day while its source is warmed up"}
    return f"no more than {rate.limit} {per.get(rate.kind, rate.kind)} may go there"
