"""The webhook: a notice as a signed POST. 2yz is success; whatever else comes, or comes too late, is tried again.

The ID is the notice's own with each try, the timestamp the try's (signing.py). `wait_after` says how long to wait.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from hedwig.alerts.hook import Answer
from hedwig.alerts.signing import signed
from hedwig.https_post import post

_WAITS = (10, 30, 60, 120, 300, 600, 1200, 1800)


def wait_after(tries: int) -> float:
    """Seconds to wait after so many tries that failed, from 1 on."""
    return float(_WAITS[min(tries, len(_WAITS)) - 1])


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where notices go. `secrets`: each signs; none: nothing is signed. `seconds`: for one try as a whole."""

    url: str
    secrets: Sequence[str] = ()
    seconds: float = 10.0
    tls: ssl.SSLContext | None = None

    async def tell(self, notice: str, content: bytes, now: float) -> Answer:
        """One try. Never raises for what the far side does."""
        try:
            fields = {"Content-Type": "application/json", **signed(notice, int(now), content, self.secrets)}
        except ValueError as error:
            return Answer(False, str(error))
        host = urlsplit(self.url).hostname or ""
        try:
            async with asyncio.timeout(self.seconds):
                refusal = await post(self.url, host, content, fields, self.tls)
        except TimeoutError:
            return Answer(False, f"no answer within {self.seconds:g} s")
        return Answer(not refusal, refusal or "taken")
