"""The control question: is it one domain that DNS can't tell, or are our nameservers gone (I8)?

SERVFAIL or silence looks the same in both. But a domain whose servers are broken has itself to blame, and its mail is
put off by the schedule; while nameservers are gone that fault is ours, and mail must wait for them untouched, and go
soon after they are back. So after a question that failed some are asked that were answered lately (before there are
such, for the root). One answer shows that the servers work; and so does another question that was answered meanwhile.

At most one control is under way, and its outcome holds for FRESH seconds. Of one event loop. The journal is told when
the servers are found gone, and when they are back.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import dns.name
import dns.rdatatype

from hedwig import log

FRESH = 1.0  # seconds
KEPT = 3  # questions

Question = tuple[dns.name.Name, dns.rdatatype.RdataType]


class Control:
    """`ask` puts one question once and says whether there was an answer; `clock` is monotonic."""

    def __init__(self, ask: Callable[[Question], Awaitable[bool]], clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._known: OrderedDict[Question, None] = OrderedDict()
        self._answered_at = float("-inf")
        self._since: float | None = None
        self._trying: asyncio.Task[bool] | None = None
        self._tried_at = float("-inf")

    def answered(self, question: Question, found: bool) -> None:
        """A server has answered; `found`: with records, so that it can be asked again for a control."""
        self._answered_at = self._clock()
        if self._since is not None:
            self._since = None
            log.event(log.Matter.DNS_BACK, "the nameservers answer again", log.Level.NOTICE)
        if found:
            self._known[question] = None
            self._known.move_to_end(question)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)

    async def gone(self, asked_at: float, why: str) -> float:
        """A question that was put at `asked_at` has failed: for how many seconds the servers have been gone; 0 if they
        work, and only that question can't be answered."""
        if self._answered_at >= asked_at or await self._try():
            return 0.0
        if self._since is None:
            self._since = asked_at
            text = f"the nameservers answer no question ({why}): mail to domains that are not known waits for them"
            log.event(log.Matter.DNS_DOWN, text, log.Level.ALERT, reason=why)
        return max(self._clock() - self._since, 1.0)

    async def _try(self) -> bool:
        if self._trying is None or (self._trying.done() and self._clock() - self._tried_at > FRESH):
            self._trying = asyncio.create_task(self._try_all())
        return await asyncio.shield(self._trying)

    async def _try_all(self) -> bool:
        questions = list(self._known) or [(dns.name.root, dns.rdatatype.NS)]
        answered = await asyncio.gather(*(self._ask(question) for question in questions))
        self._tried_at = self._clock()
        return any(answered)

    async def close(self) -> None:
        """End what is under way."""
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.gather(self._trying, return_exceptions=True)
