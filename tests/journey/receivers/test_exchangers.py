"""Which of a domain's exchangers gets the letter: many of them, equal ones, dead ones, such with IPv6 alone."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.query
import pytest

from ..dns import RESOLVER
from ..farside import FarSide, Rule
from ..waiting import until
from ..world import mx
from .ward import LETTER, Ward

DEADLINES = {"connect": 2, "banner": 2}
FIRST, SECOND, THIRD = "192.0.2.130", "192.0.2.131", "192.0.2.132"
DEAD = "192.0.2.140"  # nobody listens
SILENT = "192.0.2.141"  # connections are neither taken nor refused
# Whoever is refused a session goes on to the next one: a 5yz greeting is about us, never about the recipient.
SURLY = {
    "greets with 421": Rule("banner", "421 4.3.2 too busy"),
    "greets with 554": Rule("banner", "554 5.7.1 not from there"),
    "hangs up": Rule("banner", hang_up=True),
    "resets": Rule("banner", hang_up=True, reset=True),
    "hangs up at EHLO": Rule("ehlo", hang_up=True),
    "refuses EHLO": Rule("ehlo", "550 5.7.1 not you"),
    "says nothing": Rule("banner", hold=threading.Event(), hang_up=True),
}
SURLY_ADDRESSES = {name: f"192.0.2.{number}" for number, name in enumerate(SURLY, 180)}
IPV6 = "2001:db8::25"
NO_ROUTE = "2001:db9::25"
HUNDRED = range(100)


def hundred(domain: str, preference: Callable[[int], int], address: Callable[[int], str]) -> str:
    """A hundred exchangers: more than an answer by UDP holds."""
    lines = []
    for number in HUNDRED:
        host = f"exchanger-number-{number:03}.of.the.mail.service.of.{domain}"
        lines += [f"{domain}. MX {preference(number)} {host}.", f"{host}. A {address(number)}"]
    return "\n".join(lines) + "\n"


def equal(domain: str, *addresses: str) -> str:
    """Exchangers of the same preference."""
    return "".join(
        f"{domain}. MX 10 mx{number}.{domain}.\nmx{number}.{domain}. A {address}\n"
        for number, address in enumerate(addresses)
    )


def addresses(domain: str, *found: str) -> str:
    """One exchanger with all these addresses."""
    kinds = ("AAAA" if ":" in address else "A" for address in found)
    lines = [f"mx.{domain}. {kind} {address}" for kind, address in zip(kinds, found, strict=True)]
    return "\n".join([f"{domain}. MX 10 mx.{domain}.", *lines]) + "\n"


# Where the letter must arrive, at the first try.
AT_ONCE = {
    "the first is preferred": (mx("d1.example", FIRST, SECOND), FIRST),
    "nobody listens at the first": (mx("d2.example", DEAD, SECOND), SECOND),
    "the first is silent": (mx("d3.example", SILENT, SECOND), SECOND),
    "the first has no route": (mx("d4.example", NO_ROUTE, SECOND), SECOND),
    "the first does not exist": ("d5.example. MX 10 gone.d5.example.\n" + "d5.example. MX 20 mx1.d1.example.", FIRST),
    **{
        f"the first {name}": (mx(f"surly{number}.example", SURLY_ADDRESSES[name], SECOND), SECOND)
        for number, name in enumerate(SURLY)
    },
    "the first is no host name": ('d7.example. MX 10 "192.0.2.1."\n' + "d7.example. MX 20 mx1.d1.example.", FIRST),
    "IPv6 alone": (mx("d8.example", IPV6), IPV6),
    "IPv6 after a dead IPv4": (addresses("d9.example", DEAD, IPV6), IPV6),
    "IPv4 beside IPv6 without a route": (addresses("d10.example", FIRST, NO_ROUTE), FIRST),
    "no MX record": (f"d11.example. A {FIRST}", FIRST),
    "no MX record, IPv6": (f"d12.example. AAAA {IPV6}", IPV6),
    "a CNAME": ("d13.example. CNAME d1.example.", FIRST),
    "an exchanger that is a CNAME": ("d14.example. MX 10 c.d14.example.\nc.d14.example. CNAME mx1.d1.example.", FIRST),
    "a second address of the exchanger": (addresses("d15.example", DEAD, SECOND), SECOND),
    "one of two equal ones is dead": (equal("d16.example", DEAD, SECOND), SECOND),
    "a hundred, nine dead before one": (
        hundred("d17.example", lambda n: n, lambda n: DEAD if n < 9 else SECOND),
        SECOND,
    ),
    "a hundred equal ones": (hundred("d18.example", lambda n: 10, lambda n: THIRD), THIRD),
    "a preference of 0, and 65535": (
        "d19.example. MX 65535 mx2.d2.example.\nd19.example. MX 0 mx1.d1.example.",
        FIRST,
    ),
}
SPREAD, HALF, ALL_DEAD = "spread.example", "half.example", "dead.example"
MORE = [
    *(records for records, _ in AT_ONCE.values()),
    equal(SPREAD, "192.0.2.150", "192.0.2.151"),
    hundred(HALF, lambda n: 10, lambda n: DEAD if n % 2 else f"192.0.2.{160 + n % 20}"),
    hundred(ALL_DEAD, lambda n: n % 3, lambda n: DEAD),
]


def domain_of(name: str) -> str:
    return AT_ONCE[name][0].split(". ")[0]


@dataclass
class Fars:
    """Who listens, and the letters to the domains of AT_ONCE by name."""

    by_address: dict[str, FarSide]
    ids: dict[str, str]


@pytest.fixture(scope="module")
def fars(ward: Ward) -> Fars:
    ward.deaf(SILENT)
    made = {address: ward.world.far(address) for address in (FIRST, SECOND, THIRD, IPV6)}
    made |= {SURLY_ADDRESSES[name]: ward.world.far(SURLY_ADDRESSES[name], rule) for name, rule in SURLY.items()}
    ids = {name: ward.send(LETTER, f"user@{domain_of(name)}") for name in AT_ONCE}
    return Fars(made, ids)


@pytest.mark.parametrize("name", AT_ONCE)
def test_in_the_same_try(ward: Ward, fars: Fars, name: str) -> None:
    """Whoever is preferred and well gets it, once; who is not costs no try."""
    rcptto, where = f"user@{domain_of(name)}", AT_ONCE[name][1]
    until("the letter", lambda: any(far.has(rcptto) for far in fars.by_address.values()))
    until("its outcome", lambda: rcptto not in ward.waiting())
    assert {address: far.copies()[rcptto] for address, far in fars.by_address.items() if far.has(rcptto)} == {where: 1}
    assert ward.kinds(fars.ids[name], rcptto) == ["delivered"]


def test_equal_preferences_share_the_load(ward: Ward) -> None:
    """Each connection goes to one of them by chance: of 40 both get some (RFC 5321 §5.1)."""
    farewell = b"250 2.0.0 taken\r\n421 4.3.2 one a connection\r\n"
    both = [ward.world.far(f"192.0.2.{number}", Rule("dot", raw=farewell)) for number in (150, 151)]
    names = [f"user{number}@{SPREAD}" for number in range(40)]
    for name in names:
        ward.send(LETTER, name)
    until("all letters", lambda: sum(len(far.copies()) for far in both) == len(names))
    until("all outcomes", lambda: not ward.waiting() & set(names))
    assert all(far.copies() for far in both)
    assert set((both[0].copies() + both[1].copies()).values()) == {1}


def test_half_of_a_hundred_are_dead(ward: Ward) -> None:
    """By chance another one is the first: it arrives, if not at the first try."""
    living = [ward.world.far(f"192.0.2.{160 + number}") for number in range(0, 20, 2)]
    ward.send(LETTER, f"user@{HALF}")
    until("the letter", lambda: any(far.accepted() for far in living))
    until("its outcome", lambda: f"user@{HALF}" not in ward.waiting())
    assert sum(len(far.accepted()) for far in living) == 1


def test_a_hundred_dead_ones_are_not_all_tried(ward: Ward) -> None:
    """The letter waits with the reason; and a site that is dead in a hundred places takes no longer than another. (Its
    exchangers come by TCP, since the answer by UDP is cut off.)"""
    answer = dns.query.udp(dns.message.make_query(ALL_DEAD, "MX", payload=1232), RESOLVER, timeout=5)
    assert answer.flags & dns.flags.TC
    queue_id = ward.send(LETTER, f"user@{ALL_DEAD}")
    until("the first try", lambda: "deferred" in ward.kinds(queue_id, f"user@{ALL_DEAD}"), seconds=10)
    assert f"[{DEAD}] at connect; connection refused" in ward.history(queue_id)
    assert f"user@{ALL_DEAD}" in ward.waiting()


def test_all_are_dead_until_one_lives(ward: Ward) -> None:
    """The operator reads why it waits; it arrives when one of them is back."""
    domain, address = ward.place()
    queue_id = ward.send(LETTER, f"user@{domain}")
    until("the reason in the list", lambda: "connection refused" in ward.host.listed())
    far = ward.world.far(address)
    until("the letter", far.accepted)
    until("its outcome", lambda: f"user@{domain}" not in ward.waiting())
    assert far.copies() == {f"user@{domain}": 1}
    assert set(ward.kinds(queue_id, f"user@{domain}")) == {"deferred", "delivered"}
