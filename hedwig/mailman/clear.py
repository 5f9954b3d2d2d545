"""Whether the key would go over a network in the clear: said at mailman's start, at each reload, and in its status.

The rule: https never does. With http:// the postoffice must be this very host: a loopback address, an address of one of
its interfaces, or one in the network of its container bridges (docker0, br-*, podman*), which no packet leaves. A name
counts as local when all its addresses do; one that can't be looked up counts as elsewhere. Any other network is named
as what it is, private ones too: this program can't see who else is on it. It is a warning, and stops no letter.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from hedwig import log
from hedwig.interfaces import InterfaceAddress, addresses
from hedwig.settings import Mailman

Resolve = Callable[[str], Sequence[str]]


def resolved(host: str) -> list[str]:
    """The addresses of `host`, none where it can't be looked up. Blocks for as long as DNS takes."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(place[0]) for *_, place in found]


def in_the_clear(url: str, interfaces: Sequence[InterfaceAddress], resolve: Resolve = resolved) -> bool:
    """Whether a request to `url` would carry its key over a network, readable for who listens in there."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        return False
    found = resolve(parts.hostname)
    return not found or not all(_is_local(address, interfaces) for address in found)


def _is_local(text: str, interfaces: Sequence[InterfaceAddress]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    own = any(address == ipaddress.ip_address(one.address) for one in interfaces)
    return own or address.is_loopback or any(one.is_docker and address in one.network for one in interfaces)


class Caution:
    """`why`: what is to be said in the status, or ""."""

    def __init__(self, look_around: Callable[[], Sequence[InterfaceAddress]] = addresses) -> None:
        self._look_around = look_around
        self._looking: asyncio.Task[None] | None = None
        self.why = ""

    def look(self, settings: Mailman) -> None:
        """Look at new settings, in a thread, as DNS may be slow. In the event loop."""
        if self._looking:
            self._looking.cancel()  # a slow look at older settings has nothing more to say
        self._looking = asyncio.create_task(self._look(settings.postoffice))

    async def _look(self, url: str) -> None:
        clear = await asyncio.get_running_loop().run_in_executor(None, self._is_clear, url)
        self.why = f"the key goes to {url} in the clear, without TLS" if clear else ""
        if self.why:
            mend = "`hedwig open` on the postoffice host makes an https URL"
            text = f"{self.why}: who can listen in on the way can send mail as this host; {mend}"
            log.event(log.Matter.KEY_IN_CLEAR, text, log.Level.WARNING, reason=self.why)

    def _is_clear(self, url: str) -> bool:
        try:
            interfaces = self._look_around()
        except OSError:  # no socket left for the ioctls: then only loopback is known to be local
            interfaces = []
        return in_the_clear(url, interfaces)
