"""The last look: what was claimed may be wanted no more by the time that a host would take it, for hosts can be slow.

It is taken when the session is open, before MAIL, and again right before the final dot:

- Past its sender's deadline a message is not sent.
- What a newer message superseded (spool/supersede.py) is not sent. The mark is read from the spool, off the event loop,
  for messages with a key alone; others pay nothing.
- What the operator recalled (spool/recall.py) is not sent: the worker looks for that each second, for all its claims at
  once, and the courier knows it then.

Where it finds something before the dot the connection is closed instead, and so nobody has the message (I5). There
remains the moment between this look and the dot.
"""

import asyncio
import time
from dataclasses import replace

from hedwig.spool import Claim, Work
from hedwig.worker.delivery import is_late


class Withdrawn(Exception):
    """The message is not to be sent, or not to all of these recipients; no dot has gone out."""


async def wanted(spool: Work, claim: Claim) -> Claim:
    """The claim without the recipients that were superseded; perhaps none are left. SpoolTrouble."""
    if not claim.options.supersede:
        return claim
    gone = await asyncio.get_running_loop().run_in_executor(None, spool.marked, claim.delivery)
    return replace(claim, recipients=tuple(each for each in claim.recipients if each.number not in gone))


def check_time(claim: Claim) -> None:
    """Raise Withdrawn past the deadline."""
    if is_late(claim, time.time()):
        raise Withdrawn


async def check(spool: Work, claim: Claim) -> None:
    """Raise Withdrawn where anything was superseded, or past the deadline. SpoolTrouble."""
    left = await wanted(spool, claim)
    if len(left.recipients) < len(claim.recipients):
        raise Withdrawn
    check_time(claim)
