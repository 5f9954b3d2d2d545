"""A receiver that has asked for rest: what a worker that was told so puts into the spool, for all of them."""

import time
from contextlib import closing

from hedwig.spool.receivers import Backoff, back_off
from hedwig.spool.sqlite import open_spool

from .host import Host


def rest(host: Host, receiver: str, reason: str, seconds: float = 600.0) -> None:
    """From now on nothing goes there from any address that the system chooses."""
    now = time.time()
    with closing(open_spool(str(host.spool), create=False)) as spool:
        for family in ("ipv4", "ipv6"):
            word = Backoff(receiver, f"/{family}", now, now + seconds, 0, 1, "tiny/rate", reason)
            back_off(spool, word).result(10)
