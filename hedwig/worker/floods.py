"""Floods: sends each sender the digest of an hour in which there were too many reports (spool/digests.py).

Every worker asks for it in its upkeep; one transaction makes and registers a digest, so whoever comes first sends it.
"""

import asyncio
import time
from collections.abc import Callable

from hedwig import log
from hedwig.spool import NewMessage, SpoolTrouble, Waiting
from hedwig.spool.bounces import in_a_digest
from hedwig.spool.digests import Flood, Putting
from hedwig.spool.digests import send_digests as ask
from hedwig.worker import journal
from hedwig.worker.delivery import Rules


async def send_digests(spool: Putting, rules: Rules, hint: Callable[[list[Waiting]], None]) -> None:
    """Send all that are due. While the spool is in trouble they wait; the settler says so."""

    def compose(flood: Flood, now: float) -> NewMessage | None:
        try:
            return in_a_digest(flood, rules.reporting, rules.retry.expire, now)
        except Exception as error:  # noqa: BLE001  what one digest trips over must not hold up all others
            text = f"<{flood.sender}> can't be told in a digest: {error!r}"
            log.event(log.Matter.FAULT, text, log.Level.ALERT, client=flood.client, reason=repr(error))
            return None

    more = True
    while more:
        try:
            sent = await asyncio.wrap_future(ask(spool, compose, time.time()))
        except SpoolTrouble:
            return
        for queue_id, sender in sent.digests:
            journal.tell_digest(queue_id, sender)
        if sent.deliveries:
            hint(list(sent.deliveries))
        more = sent.more
