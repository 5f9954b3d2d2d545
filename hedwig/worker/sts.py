"""MTA-STS: whether a domain has a policy in force, found as mail for it comes (RFC 8461 §3, §5.1).

A TXT record says that there is a policy, and which one by an ID. It is fetched once for all workers of the host, and
kept in the spool until its max_age is over, whatever becomes of record and web server meanwhile. It is looked for anew
when its ID changes, and once a day. The first mail to a domain, and the first after a new ID, waits for it up to WAIT
seconds, while other domains' mail goes on; then it goes without (or by the old policy), as the RFC has it, and the
fetch goes on too. Where nothing can be fetched that is tried again after AGAIN seconds, or when the ID changes.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hedwig import log
from hedwig.mx import Resolver
from hedwig.mx.cache import Cache
from hedwig.spool import SpoolTrouble
from hedwig.spool.receivers import Sharing
from hedwig.spool.tls_memory import KeptPolicy, domains_with_policies, keep_policy, policy_of
from hedwig.tls.sts import HOST, RECORD, BadPolicy, Mode, StsPolicy, read, record_id
from hedwig.tlsrpt import Policy, PolicyType, Result, Session
from hedwig.worker.sts_fetch import FetchFailed
from hedwig.worker.sts_locks import Locks

WAIT = 10.0  # seconds that mail waits for a policy
AGAIN = 600.0  # seconds after a failure (RFC 8461 §3.3: five minutes at least)
GOOD = 60.0  # seconds for which an answer is given again
SOON = 2.0  # seconds, while a fetch is under way
DAY = 86_400.0
MOST_FAILURES = 10_000  # that are remembered


class Fetching(Protocol):
    """Who fetches policies (sts_fetch.Fetcher)."""

    async def get(self, host: str) -> bytes:
        """The policy of the web server `host`, not read yet. Raises FetchFailed."""

    def close(self) -> None:
        """Fetch no more."""


@dataclass(frozen=True, slots=True)
class Found:
    """A domain's policy, where one is in force that asks for anything. `trouble`: why there is none though its record
    says that there is."""

    policy: StsPolicy | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """A policy that was read, and the row that it came from."""

    kept: KeptPolicy
    policy: StsPolicy

    def is_fresh(self, record: str, now: float) -> bool:
        """Whether there is no reason to look for another one."""
        age = min(DAY, self.policy.max_age / 2)
        return self.kept.policy_id == record and now - self.kept.fetched_at < age


class Sts:
    """Of one worker; belongs to the event loop. `count` hears of failures to fetch."""

    def __init__(
        self,
        spool: Sharing,
        resolver: Resolver,
        fetcher: Fetching,
        locks: Locks,
        count: Callable[[Session], None] = lambda _session: None,
    ) -> None:
        self._spool = spool
        self._resolver = resolver
        self._fetcher = fetcher
        self._locks = locks
        self._count = count
        self._answers: Cache[str, Found] = Cache(time.monotonic)
        self._domains: set[str] = set()  # of which a policy is kept
        self._fetches: dict[str, asyncio.Task[_Known | str]] = {}
        self._failed: dict[str, tuple[str, float, str]] = {}  # by domain: the record's ID, until when, why

    def look(self) -> None:
        """See of which domains policies are kept: at the start, and now and then, for other workers fetch too. Blocks.
        SpoolTrouble."""
        self._domains |= domains_with_policies(self._spool, time.time())

    async def of(self, domain: str) -> Found:
        """What is in force for this domain (A-labels). SpoolTrouble."""
        return self._answers.get(domain) or await self._answers.ask(domain, lambda: self._discover(domain))

    async def close(self) -> None:
        """End what is under way."""
        await self._answers.close()
        tasks = list(self._fetches.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._fetcher.close()
        self._locks.close()

    async def _discover(self, domain: str) -> tuple[Found, float]:
        texts = await self._resolver.texts(RECORD + domain)
        record = record_id(texts) if isinstance(texts, tuple) else ""
        known = await self._known(domain) if record or domain in self._domains else None
        if not record or (known and known.is_fresh(record, time.time())):
            return _found(known), GOOD
        failed = self._failed.get(domain)
        if failed and failed[0] == record and time.monotonic() < failed[1]:
            return _found(known, failed[2]), GOOD
        task = self._fetching(domain, record)
        if known is None or known.kept.policy_id != record:
            await asyncio.wait({task}, timeout=WAIT)
        if not task.done():
            return _found(known, f"the MTA-STS policy of {domain} is being fetched"), SOON
        got = task.result()
        return (_found(known, got) if isinstance(got, str) else _found(got)), GOOD

    async def _known(self, domain: str) -> _Known | None:
        loop = asyncio.get_running_loop()
        kept = await loop.run_in_executor(None, policy_of, self._spool, domain, time.time())
        if kept is None:
            self._domains.discard(domain)
            return None
        try:
            return _Known(kept, read(kept.content.encode("ascii", "replace")))
        except BadPolicy:  # of a release that read it otherwise
            return None

    def _fetching(self, domain: str, record: str) -> "asyncio.Task[_Known | str]":
        task = self._fetches.get(domain)
        if task is None:
            task = self._fetches[domain] = asyncio.create_task(self._renew(domain, record))
            task.add_done_callback(lambda _: self._fetches.pop(domain, None))
        return task

    async def _renew(self, domain: str, record: str) -> _Known | str:
        """Have it fetched, by this worker or another one; why it can't be."""
        await self._locks.take(domain)
        try:
            return await self._have(domain, record)
        except SpoolTrouble as trouble:  # who writes there says so; nobody may be waiting here any more
            return f"the MTA-STS policy of {domain} can't be kept: {trouble}"
        finally:
            self._locks.give(domain)

    async def _have(self, domain: str, record: str) -> _Known | str:
        known = await self._known(domain)
        if known and known.is_fresh(record, time.time()):
            return known  # somebody else's doing
        got = await self._fetched(domain, record)
        if isinstance(got, FetchFailed):
            return self._note(domain, record, known, got)
        self._failed.pop(domain, None)
        await asyncio.wrap_future(keep_policy(self._spool, got.kept))
        self._domains.add(domain)
        return got

    async def _fetched(self, domain: str, record: str) -> _Known | FetchFailed:
        try:
            content = await self._fetcher.get(HOST + domain)
            policy = read(content)
        except FetchFailed as failure:
            return failure
        except BadPolicy as error:
            return FetchFailed(Result.STS_INVALID, f"its policy is none: {error}")
        now = time.time()
        return _Known(KeptPolicy(domain, record, content.decode("ascii"), now, now + policy.max_age), policy)

    def _note(self, domain: str, record: str, known: _Known | None, failure: FetchFailed) -> str:
        """RFC 8461 §10.2: administrators are to hear of it, unless the policy that is kept asks for nothing."""
        why = f"the MTA-STS policy of {domain} can't be had: {failure}"
        if len(self._failed) >= MOST_FAILURES:
            self._failed.clear()
        self._failed[domain] = (record, time.monotonic() + AGAIN, why)
        self._count(Session(domain, Policy(PolicyType.STS, domain), failure.result, HOST + domain, reason=str(failure)))
        if known is None:
            log.say(log.Level.INFO, f"{why}; its mail goes as if it had none")
        elif known.policy.mode is not Mode.NONE:
            log.say(log.Level.WARNING, f"{why}; the one of before holds for {known.kept.until - time.time():.0f} s yet")
        return why


def _found(known: _Known | None, trouble: str = "") -> Found:
    if known is None:
        return Found(None, trouble)
    return Found(known.policy if known.policy.mode is not Mode.NONE else None)
