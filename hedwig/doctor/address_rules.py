"""An address that mail leaves from: the name that it has (PTR, and back again: FCrDNS), and the one it gives (EHLO).

Gmail, Outlook, QQ and NetEase refuse or distrust an address without a PTR whose name leads back to it (RFC 1912 §2.1;
their own demands); with IPv6 Gmail does so always. EHLO gives a name that resolves (RFC 5321 §4.1.1.1), best the same.
Pure.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hedwig.doctor.finding import PROVIDER, Check, Finding, Text, Texts, Unknown, in_file, listed, zone

# Not the outside's to see: RFC 1918, 6598, 4193, loopback and link-local.
_INSIDE = [
    ipaddress.ip_network(each)
    for each in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
        *("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10", "fc00::/7"),
    )
]
_GENERIC = re.compile(r"(?:^|[.-])(?:dyn|dynamic|dhcp|dsl|adsl|vdsl|cable|pool|ppp|dial(?:up|in)?|client|broadband)")


@dataclass(frozen=True, slots=True)
class Origin:
    """What was found of one address. `source`: its name in worker.yml, "" for the system's choice. `ptr`: its PTR
    names; `forward`: the addresses of each of them, and of `ehlo`."""

    address: str
    ehlo: str
    source: str = ""
    ptr: Texts = ()
    forward: Mapping[str, Texts] = field(default_factory=dict)


def hidden(address: str) -> bool:
    """Whether it can't be seen from outside, so that mail leaves by another one (NAT)."""
    one = ipaddress.ip_address(address)
    return any(one in network for network in _INSIDE if network.version == one.version)


def reverse(address: str) -> str:
    """The name under which its PTR record lies."""
    return ipaddress.ip_address(address).reverse_pointer


def addresses_record(name: str, address: str) -> str:
    """`name`'s record for that address."""
    return f"{name}. IN {'AAAA' if ':' in address else 'A'} {address}"


def judge(origin: Origin) -> list[Finding]:
    """PTR, then EHLO."""
    if hidden(origin.address):
        return [_behind_nat(origin)]
    return [_ptr(origin), _ehlo(origin)]


def _behind_nat(origin: Origin) -> Finding:
    seen = Text(
        f"{origin.address} is an inner address: receivers see another one, which is not known here",
        f"{origin.address} 是内网地址，收件方看到的是另一个地址，本机无法得知",
    )
    return Check("ptr", origin.address).warn(seen, "doctor: {addresses: [PUBLIC-ADDRESS]}", in_file("worker.yml"))


def confirmed(origin: Origin) -> tuple[str, ...]:
    """The PTR names that lead back to the address."""
    if isinstance(origin.ptr, Unknown):
        return ()
    return tuple(name for name in origin.ptr if _leads_to(origin.forward.get(name, ()), origin.address))


def _leads_to(found: Texts, address: str) -> bool:
    return not isinstance(found, Unknown) and ipaddress.ip_address(address) in map(ipaddress.ip_address, found)


def _ptr(origin: Origin) -> Finding:
    check, address = Check("ptr", origin.address), origin.address
    if isinstance(origin.ptr, Unknown):
        return check.unknown(origin.ptr)
    wanted = origin.ehlo if "." in origin.ehlo and not origin.ehlo.startswith("[") else "mail.example.com"
    record = f"{reverse(address)}. IN PTR {wanted}."
    if not origin.ptr:
        if ":" in address:
            return check.fail(
                Text(
                    f"{address} has no PTR record: over IPv6 that is worse than no IPv6, Gmail refuses it",
                    f"{address} 没有 PTR 记录：IPv6 下这比没有 IPv6 更糟，Gmail 会拒收",
                ),
                record,
                Text(
                    f"{PROVIDER.en}; or send by IPv4 alone: in worker.yml, name the host's IPv4 address under "
                    "`sources`, without ipv6",
                    f"{PROVIDER.zh}；或只用 IPv4 发信：在 worker.yml 的 sources 里只写 ipv4，不写 ipv6",
                ),
            )
        return check.fail(
            Text(f"{address} has no PTR record", f"{address} 没有 PTR 记录（反向解析）"), record, PROVIDER
        )
    names = listed(origin.ptr)
    good = confirmed(origin)
    if not good:
        lost = [each for each in map(origin.forward.get, origin.ptr) if isinstance(each, Unknown)]
        if lost:
            return check.unknown(lost[0])
        name = origin.ptr[0]
        return check.fail(
            Text(
                f"its PTR is {names}, but that name does not lead back to {address}",
                f"PTR 是 {names}，但该名字没有解析回 {address}",
            ),
            addresses_record(name, address),
            zone(name),
        )
    if _is_generic(good[0], address) and good[0] != origin.ehlo:
        return check.warn(
            Text(f"its PTR {good[0]} looks like a provider's pool name", f"PTR {good[0]} 看上去是运营商的通用名字"),
            record,
            PROVIDER,
        )
    return check.passed(Text(f"{address} is {listed(good)}, and back again", f"{address} 与 {listed(good)} 正反向一致"))


def _is_generic(name: str, address: str) -> bool:
    """Whether the name was made from the address, or says that it is one of many."""
    if _GENERIC.search(name):
        return True
    if ":" in address:
        digits = ipaddress.ip_address(address).exploded.replace(":", "")
        return digits[-12:] in re.sub(r"[^0-9a-f]", "", name)
    octets = address.split(".")
    numbers = re.findall(r"\d+", name)
    return (
        any(numbers[start : start + 4] in (octets, octets[::-1]) for start in range(len(numbers) - 3))
        or "".join(f"{int(octet):03d}" for octet in octets) in name
    )


def _ehlo(origin: Origin) -> Finding:
    check, name, address = Check("ehlo", f"{origin.ehlo} ({origin.address})"), origin.ehlo, origin.address
    good = confirmed(origin)
    line, where = _ehlo_line(origin, good[0] if good else "mail.example.com")
    if name.startswith("[") or "." not in name:
        said = Text(
            f"EHLO gives {name}, which is no full name: many receivers refuse that",
            f"EHLO 报的是 {name}，不是完整域名，许多收件方会拒收",
        )
        return check.fail(said, line, where)
    found = origin.forward.get(name, ())
    if isinstance(found, Unknown):
        return check.unknown(found)
    if not found:
        seen = Text(f"EHLO gives {name}, which has no address in DNS", f"EHLO 报的 {name} 在 DNS 里没有地址")
        return check.fail(seen, addresses_record(name, address), zone(name))
    if not _leads_to(found, address):
        seen = Text(
            f"EHLO gives {name}, which is {listed(found)} and not {address}",
            f"EHLO 报的 {name} 解析为 {listed(found)}，不是 {address}",
        )
        if good:
            return check.fail(seen, line, where)
        return check.fail(seen, addresses_record(name, address), zone(name))
    if good and name.lower() not in good:
        seen = Text(
            f"EHLO gives {name}, while the PTR of {address} is {good[0]}",
            f"EHLO 报的是 {name}，而 {address} 的 PTR 是 {good[0]}",
        )
        return check.warn(seen, line, where)
    return check.passed(Text(f"{name} is {address}", f"{name} 解析为 {address}"))


def _ehlo_line(origin: Origin, name: str) -> tuple[str, Text]:
    if origin.source:
        under = f"worker.yml: sources: {origin.source}:"
        return f"ehlo: {name}", in_file(under)
    return f"ehlo: {name}", in_file("worker.yml")
