"""From DNS's answer to hosts in the order in which they are tried (RFC 5321 §5.1): pure rules, no look-ups.

Who resolves (hedwig.mx) gives Exchangers; this module says which of them count, in what order, and which *site* they
make: domains with the same set of exchangers are one site, and share connections. (sites.py: several may be one
receiver's, and share its limits.)

Two guards against mail that comes back to us, both ending in 5.4.6 (see `loop`):
- by name and preference: where this host is itself an exchanger, only hosts preferred to it are tried (`before_us`);
- by address: the setting `refuse` (`Networks`), which no name in DNS can talk us out of.
"""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hedwig.reply import Reply, one_line

THIS_HOST = "this-host"

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Networks = tuple[IpNetwork, ...]
LOOPBACK: Networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))


@dataclass(frozen=True, slots=True)
class Exchanger:
    """One MX record: `host` in lower case without the final dot."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class MxFound:
    """Exchangers as DNS gave them. `implicit`: there is no MX record and the domain itself is the host (§5.1).
    `secure`: DNSSEC vouches for that (hedwig.mx). `name`: the domain that this one is an alias of, or ""."""

    exchangers: tuple[Exchanger, ...]
    implicit: bool = False
    secure: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """Where mail for one or more domains goes: one set of hosts. `key`: the exchangers' names, sorted, with commas
    between; for a literal destination the literal itself. `provider`: the receiver's name in the settings (`sites`),
    whose limits all its sites share; "" where it has none. `source`: that of ours which mail leaves from, "" for what
    the system chooses. `tls`: the kind of TLS policy (hedwig/tls): who shares a connection shares that. Printable, the
    same in every process, and no path."""

    key: str
    provider: str = ""
    source: str = ""
    tls: str = ""

    @property
    def name(self) -> str:
        """The receiver, whose limits hold: the provider's name, or what tells this site from others."""
        return self.provider or self.key


def key_of(domain: str, exchangers: Iterable[Exchanger]) -> str:
    """A site's key. Preferences don't matter: the same hosts are the same site."""
    return ",".join(sorted({exchanger.host for exchanger in exchangers})) or domain


def order(exchangers: Iterable[Exchanger], shuffle: Callable[[list[str]], None]) -> list[str]:
    """Host names, lowest preference number first; equal ones in the order that `shuffle` (random.shuffle) makes, so
    that load is spread (RFC 5321 §5.1). A host that is named twice counts where it is preferred."""
    tiers: dict[int, list[str]] = {}
    for exchanger in sorted(set(exchangers), key=lambda exchanger: (exchanger.preference, exchanger.host)):
        tiers.setdefault(exchanger.preference, []).append(exchanger.host)
    hosts: dict[str, None] = {}
    for tier in tiers.values():
        shuffle(tier)
        hosts.update(dict.fromkeys(tier))
    return list(hosts)


def before_us(exchangers: Sequence[Exchanger], is_us: Callable[[str], bool]) -> tuple[Exchanger, ...]:
    """The exchangers that may be tried where this host may be one of them.

    RFC 5321 §5.1: if we are on the list, all hosts of our own preference or a worse one are dropped, or mail would go
    round. `is_us` says of a host name whether it is this host, by its EHLO name or one of its addresses. Nothing left
    means `loop`.
    """
    ours = min((exchanger.preference for exchanger in exchangers if is_us(exchanger.host)), default=None)
    if ours is None:
        return tuple(exchangers)
    return tuple(exchanger for exchanger in exchangers if exchanger.preference < ours)


def loop(destination: str, where: str = "") -> Reply:
    """What is said of recipients whose mail would come back to this host (stage LOCAL; RFC 3463 §3.5: 5.4.6)."""
    reason = f"mail for {destination} would loop back to this host"
    return Reply(554, "5.4.6", one_line(f"{reason}: {where}" if where else reason))


def not_to(destination: str, where: str) -> Reply:
    """What is said of recipients whose MX is at an address to which the admin lets no mail go (stage LOCAL): policy, as
    RFC 3463 §3.8 has it (5.7.1)."""
    return Reply(554, "5.7.1", one_line(f"mail for {destination} may not go there: {where}"))


def no_address(destination: str) -> Reply:
    """What is said where exchangers exist and none has an address (stage DNS; 5.4.4). RFC 5321 §5.1: that is an error
    to be reported, and the domain's own address must not be used instead."""
    return Reply(550, "5.4.4", one_line(f"none of the MX hosts of {destination} has an address"))


def literal_target(destination: str) -> str | None:
    """The IP address in "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 §4.1.3); None where it is a domain.

    `destination` is as hedwig.address makes it, so that a malformed literal can't occur; it counts as a domain.
    """
    if not (destination.startswith("[") and destination.endswith("]")):
        return None
    inner = destination[1:-1]
    is_v6 = inner[:5].lower() == "ipv6:"
    try:
        address = ipaddress.ip_address(inner[5:] if is_v6 else inner)
    except ValueError:
        return None
    return str(address) if address.version == (6 if is_v6 else 4) else None


def is_address(host: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parse_refuse(entries: Iterable[str], own: Iterable[str]) -> Networks:
    """The setting `refuse` as networks. `own`: this machine's addresses, for the entry `this-host`.

    0.0.0.0/8 and :: reach this host too (Linux connects them to loopback), so that `this-host` includes them. Raises
    ValueError with a sentence that names the entry.
    """
    networks: list[IpNetwork] = []
    for entry in entries:
        if entry == THIS_HOST:
            networks += [ipaddress.ip_network("0.0.0.0/8"), ipaddress.ip_network("::/128")]
            networks += [ipaddress.ip_network(_plain(ipaddress.ip_address(address))) for address in own]
            continue
        try:
            networks.append(_plain_network(ipaddress.ip_network(entry, strict=False)))
        except ValueError:
            raise ValueError(f"refuse: {entry!r} is neither `{THIS_HOST}` nor an address or network") from None
    return tuple(networks)


def refused(address: str, networks: Networks) -> bool:
    """Whether no mail may go to `address`. An IPv6 address that carries an IPv4 one is judged by what it reaches.

    Text that is no address at all is refused: we would not know where it leads (I11).
    """
    try:
        parsed, plain = _read(address)
    except ValueError:
        return True
    return any(plain in network or parsed in network for network in networks)


@lru_cache(maxsize=1000)
def _read(address: str) -> tuple[IpAddress, IpAddress]:
    """The address, and what it reaches. One host is asked about again and again."""
    parsed = ipaddress.ip_address(address)
    return parsed, _plain(parsed)


def _plain(address: IpAddress) -> IpAddress:
    """IPv4-mapped IPv6 (::ffff:127.0.0.1) is the IPv4 address to the kernel, and a scope (fe80::1%eth0) is no part of
    the address."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address


def _plain_network(network: IpNetwork) -> IpNetwork:
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.IPv4Network((int(mapped), network.prefixlen - 96))


def lane_of(destination: str) -> str:
    """The queue's lane for a destination. One for all until providers have their own."""
    del destination
    return "default"
