"""Who may send: `allow`, and the networks of this host's containers as they come and go."""

import ipaddress

import pytest

from hedwig.interfaces import InterfaceAddress
from hedwig.mailman import access
from hedwig.mailman.access import Access


def interface(name: str, address: str) -> InterfaceAddress:
    found = ipaddress.ip_interface(address)
    return InterfaceAddress(name, str(found.ip), found.network)


@pytest.mark.parametrize(
    ("allow", "peer", "permitted"),
    [
        (("loopback",), "127.0.0.1", True),
        (("loopback",), "127.9.9.9", True),
        (("loopback",), "::1", True),
        (("loopback",), "172.17.0.2", False),
        (("loopback",), "192.0.2.1", True),  # its own: Docker masquerades what it says to itself
        (("loopback",), "fd00:10::1", True),
        (("loopback",), "192.0.2.2", False),
        (("docker",), "192.0.2.1", False),
        (("docker",), "127.0.0.1", False),
        (("docker",), "172.17.0.2", True),
        (("docker",), "172.18.255.254", True),
        (("docker",), "10.88.0.3", True),
        (("docker",), "fd00:10::7", True),
        (("docker",), "192.0.2.9", False),
        (("192.0.2.0/24",), "192.0.2.9", True),
        (("192.0.2.7/24",), "192.0.2.9", True),
        (("192.0.2.7",), "192.0.2.9", False),
        (("2001:db8::/32",), "2001:db8::1", True),
        ((), "127.0.0.1", False),
    ],
)
def test_allow(allow, peer, permitted):
    found = [
        interface("docker0", "172.17.0.1/16"),
        interface("br-0123", "172.18.0.1/16"),
        interface("podman0", "10.88.0.1/16"),
        interface("podman0", "fd00:10::1/64"),
        interface("eth0", "192.0.2.1/24"),
    ]
    assert Access(allow, found).permits(peer) is permitted


def test_allow_follows_dockers_networks():
    who = Access(("docker",), [])
    assert not who.permits("172.18.0.2")
    who.refresh([interface("br-0123", "172.18.0.1/16")])
    assert who.permits("172.18.0.2")
    who.refresh([])
    assert not who.permits("172.18.0.2")


def test_a_network_that_was_made_a_moment_ago_is_no_strangers():
    """Docker makes a bridge and starts a container on it: its first letter comes before the next look around."""
    found = []
    who = Access(("docker",), [], lambda: found)
    assert not who.permits("172.18.0.2")
    found.append(interface("br-0123", "172.18.0.1/16"))
    assert who.permits("172.18.0.2")


def test_a_look_that_fails_refuses_nobody_who_was_known():
    def fails():
        raise OSError("no socket is left")

    who = Access(("docker",), [interface("docker0", "172.17.0.1/16")], fails)
    assert who.permits("172.17.0.2")
    assert not who.permits("172.18.0.2")


def test_a_word_that_is_no_network_is_an_error():
    with pytest.raises(ValueError, match="dokcer"):
        Access(("dokcer",), [])


def test_an_ipv4_peer_looks_the_same_on_an_ipv6_socket():
    assert access.plain("::ffff:172.17.0.5") == "172.17.0.5"
    assert access.plain("fe80::1%eth0") == "fe80::1"
