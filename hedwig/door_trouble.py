"""What is wrong with a place to listen on, in a sentence that says what to do.

Pure, but for the question who holds a port. A trouble has the place as its key, so that it is said once, and again only
when it has changed.
"""

import errno
import ipaddress
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hedwig.bind import Address, shown
from hedwig.holder import OURSELVES
from hedwig.interfaces import InterfaceAddress
from hedwig.log import Level, Matter
from hedwig.settings import Listen


class Trouble(NamedTuple):
    """Its kind in the journal, how bad it is, and the sentence."""

    matter: Matter
    level: Level
    text: str


Troubles = dict[str, Trouble]
"""By place."""

DOCKER = "docker0"


def absent(
    setting: Listen, listen: Sequence[Listen], interfaces: Sequence[InterfaceAddress], troubles: Troubles
) -> None:
    """A literal address that no interface has: it is bound, but nobody reaches it. docker0 has moved, or is not up."""
    try:
        address = ipaddress.ip_address(setting.host)
    except ValueError:
        return
    here = {one.address for one in interfaces}
    if address.is_unspecified or address.is_loopback or address.is_link_local or str(address) in here:
        return
    place = str(setting)
    if place in troubles:
        return
    docker = [one.address for one in interfaces if one.name == DOCKER and "." in one.address]
    served = {one.host for one in listen}
    if docker and not served & {*docker, DOCKER, "0.0.0.0", "::"}:  # noqa: S104 (compared, not bound)
        moved = (
            f"{setting.host} is on no interface of this host, and docker0 has {docker[0]}: containers can't reach us"
        )
        mend = "`hedwig detect-docker0` corrects `listen`"
        troubles[place] = Trouble(Matter.DOCKER0_MOVED, Level.WARNING, f"{moved}; {mend}")
    else:
        waits = f"{setting.host} is on no interface of this host yet"
        troubles[place] = Trouble(Matter.ADDRESS_ABSENT, Level.NOTICE, f"{waits}; it serves as soon as it is")


def unbindable(error: OSError, address: Address, setting: Listen, holder: Callable[[str, int], str]) -> Trouble:
    """Why a place can't be listened on."""
    place = shown(address)
    asked = "" if place == str(setting) else f" (listen: {setting})"
    matter = Matter.PORT_TAKEN if error.errno == errno.EADDRINUSE and address[1] else Matter.CANNOT_LISTEN
    return Trouble(matter, Level.ERROR, f"can't listen on {place}{asked}: {_why(error, address, holder)}")


def _why(error: OSError, address: Address, holder: Callable[[str, int], str]) -> str:
    host, port = address
    reason = error.strerror or str(error)
    if not port:
        return f"{reason}; remove what is there, or choose another path in `listen`"
    if error.errno == errno.EADDRINUSE:
        who = holder(host, port)
        if who == OURSELVES:
            return f"{who} has this port, by another line of `listen`; take one of the two away"
        return (
            f"{who} has this port (`ss -ltnp 'sport = :{port}'` shows it); "
            "stop it, have it listen elsewhere, or choose another address or port in `listen`"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{reason}: port {port} is for root or CAP_NET_BIND_SERVICE only; start it by systemd, "
            "or choose a port above 1023"
        )
    return f"{reason}; check `listen`"
