"""From exchangers to hosts in order, and the guards against mail that comes back to us."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig import routing
from hedwig.routing import Exchanger, Site

A, B, C = Exchanger(10, "a.example"), Exchanger(20, "b.example"), Exchanger(10, "c.example")
EXCHANGERS = st.lists(st.builds(Exchanger, st.integers(0, 3), st.sampled_from("abcdefgh")), max_size=12)


def keep(hosts: list[str]) -> None:
    del hosts


# --- sites


def test_site_is_the_set_of_exchangers() -> None:
    """Order and preference make no other site, another host does; one host's site bears its name."""
    key = routing.key_of("one.example", (A, B))
    assert key == routing.key_of("two.example", (B, A, Exchanger(5, "a.example"))) == "a.example,b.example"
    assert key != routing.key_of("one.example", (A, B, C))
    assert routing.key_of("one.example", (A,)) == "a.example"
    assert routing.key_of("[192.0.2.1]", ()) == "[192.0.2.1]"
    assert Site(key).name == key
    assert Site(key, "google").name == "google"


# --- order


def test_order_by_preference() -> None:
    """The lowest number first."""
    assert routing.order((B, C, A), keep) == ["a.example", "c.example", "b.example"]
    assert routing.order((), keep) == []


def test_equal_preferences_are_shuffled_within_their_tier() -> None:
    """RFC 5321 §5.1: the load is spread over equals, and over equals alone."""
    exchangers = [*(Exchanger(10, name) for name in "abc"), *(Exchanger(20, name) for name in "xyz")]
    seen = {tuple(routing.order(exchangers, random.Random(seed).shuffle)) for seed in range(200)}
    assert len(seen) == 36
    assert {frozenset(hosts[:3]) for hosts in seen} == {frozenset("abc")}


@given(EXCHANGERS, st.randoms())
def test_order_loses_and_doubles_no_host(exchangers: list[Exchanger], dice: random.Random) -> None:
    """Each host once, at its best preference, none before a preferred one."""
    hosts = routing.order(exchangers, dice.shuffle)
    best = {host: min(e.preference for e in exchangers if e.host == host) for host in hosts}
    assert sorted(hosts) == sorted({exchanger.host for exchanger in exchangers})
    assert [best[host] for host in hosts] == sorted(best.values())


# --- ourselves among the exchangers


@given(EXCHANGERS, st.sets(st.sampled_from("abcdefgh")))
def test_only_hosts_preferred_to_us_are_tried(exchangers: list[Exchanger], us: set[str]) -> None:
    """RFC 5321 §5.1: of our own preference or worse none, and without us all."""
    left = routing.before_us(exchangers, us.__contains__)
    ours = [exchanger.preference for exchanger in exchangers if exchanger.host in us]
    assert list(left) == [e for e in exchangers if not ours or e.preference < min(ours)]


def test_we_are_the_best_exchanger() -> None:
    """Nothing is left: a loop, 5.4.6."""
    assert routing.before_us((A, B), lambda host: host == "a.example") == ()
    reply = routing.loop("evil\r\n250 ok")
    assert (reply.code, reply.enhanced) == (554, "5.4.6")
    assert "\r" not in reply.text
    assert "\n" not in reply.text
    assert (routing.no_address("x.example").code, routing.no_address("x.example").enhanced) == (550, "5.4.4")


# --- literals


@pytest.mark.parametrize(
    ("destination", "target"),
    [
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("[ipv6:2001:DB8::1]", "2001:db8::1"),
        ("[2001:db8::1]", None),
        ("[IPv6:192.0.2.1]", None),
        ("[]", None),
        ("[x]", None),
        ("[192.0.2.1", None),
        ("192.0.2.1", None),
        ("example.org", None),
    ],
)
def test_literal(destination: str, target: str | None) -> None:
    """RFC 5321 §4.1.3."""
    assert routing.literal_target(destination) == target


# --- refuse

DEFAULT = routing.parse_refuse(
    ("this-host", "127.0.0.0/8", "::1", "169.254.0.0/16"), ("198.51.100.7", "2001:db8::7", "fe80::7%eth0")
)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.3",
        "::1",
        "169.254.169.254",
        "198.51.100.7",
        "2001:db8::7",
        "fe80::7",
        "fe80::7%eth0",
        "fe80::7%eth1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:198.51.100.7",
        "::ffff:a9fe:a9fe",
        "",
        "localhost",
        "127.1",
        "0x7f000001",
        "127.0.0.1\r\n",
    ],
)
def test_refused(address: str) -> None:
    """Every way to write this host, loopback and link-local, and what is no address at all."""
    assert routing.refused(address, DEFAULT)


@pytest.mark.parametrize("address", ["198.51.100.8", "2001:db8::8", "128.0.0.1", "::2", "::ffff:198.51.100.8"])
def test_not_refused(address: str) -> None:
    """Others pass."""
    assert not routing.refused(address, DEFAULT)


def test_nothing_is_refused_with_an_empty_setting() -> None:
    """`refuse: []`, as tests and demonstrations set it."""
    assert not routing.refused("127.0.0.1", routing.parse_refuse((), ("127.0.0.1",)))


def test_mapped_network_in_the_setting() -> None:
    """A network may be written as IPv4-mapped; host bits may be set."""
    networks = routing.parse_refuse(("::ffff:192.0.2.0/120", "10.1.2.3/8"), ())
    assert routing.refused("::ffff:192.0.2.9", networks)
    assert routing.refused("192.0.2.9", networks)
    assert routing.refused("10.9.9.9", networks)
    assert not routing.refused("192.0.3.9", networks)


@pytest.mark.parametrize("entry", ["this_host", "10.0.0.0/33", "", "example.org"])
def test_unreadable_entry_is_named(entry: str) -> None:
    """The operator sees which entry is wrong."""
    with pytest.raises(ValueError, match=f"refuse: '{entry}'"):
        routing.parse_refuse((entry,), ())


def test_one_lane() -> None:
    """Until providers have their own."""
    assert routing.lane_of("gmail.com") == routing.lane_of("[192.0.2.1]") == "default"
