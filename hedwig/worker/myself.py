"""What this host is to the outside: the name it gives in EHLO, and the addresses that are its own.

RFC 5321 §2.3.5 and §4.1.4: EHLO gives a name that resolves, or an address literal. The setting comes first; then
`hostname -f` where it has a dot; then the PTR name of the address that mail leaves from, if that name leads back to it;
at last the address in brackets, which receivers don't like.
"""

import socket

from hedwig import interfaces, log, routing
from hedwig.settings import Worker
from hedwig.worker.route import Myself

_SOMEWHERE = ("192.0.2.1", 9)  # TEST-NET-1: connecting a datagram socket sends nothing, and shows the route


def find(settings: Worker) -> Myself:
    """Name and refused networks as the settings and this machine have them. May ask DNS once (a PTR)."""
    own = own_addresses()
    refused, ours = (routing.parse_refuse(entries, own) for entries in (settings.refuse, (routing.THIS_HOST,)))
    return Myself(settings.ehlo or ehlo_name(), refused, ours)


def ehlo_name() -> str:
    """The name for EHLO where none is set."""
    name = socket.getfqdn()
    if "." in name and not name.startswith("localhost"):
        return name
    address = source_address()
    name = _confirmed_ptr(address)
    if name:
        return name
    reason = f"this host has no full name: EHLO gives [{address}]"
    text = f"{reason}, which many receivers refuse; set `ehlo:` in worker.yml"
    log.event(log.Matter.NO_NAME, text, log.Level.WARNING, reason=reason)
    return f"[{address}]"


def source_address() -> str:
    """The IPv4 address that connections to the outside leave from; 127.0.0.1 where there is no route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _confirmed_ptr(address: str) -> str:
    try:
        name = socket.gethostbyaddr(address)[0]
        leads_back = address in socket.gethostbyname_ex(name)[2]
    except OSError:
        return ""
    return name if leads_back and "." in name and not name.startswith("localhost") else ""


def own_addresses() -> list[str]:
    """The addresses by which a host is reached from itself: those of its interfaces, and loopback's."""
    return [found.address for found in interfaces.addresses()] + ["::1"]
