"""The spool's contract: what workers know together of TLS lasts over restarts, and no longer than it is good."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spool_parts import DAY, NOW, Clock

from hedwig.spool.tls_memory import (
    BrokenTls,
    KeptPolicy,
    broken_addresses,
    domains_with_policies,
    keep_policy,
    policy_of,
    remember_broken,
)

POLICY = KeptPolicy("dest.example", "1", "version: STSv1\nmode: none\nmax_age: 86400\n", NOW, NOW + DAY)
BROKEN = BrokenTls("192.0.2.1", NOW + 3600, "TLS handshake: no protocols available")


def test_a_policy_is_there_for_all_until_it_is_over(spool: Any, opened: Callable[[], Any]) -> None:
    keep_policy(spool, POLICY).result(10)
    keep_policy(spool, replace(POLICY, domain="other.example", until=NOW + 60)).result(10)
    another = opened()
    assert policy_of(another, "dest.example", NOW) == POLICY
    assert policy_of(another, "none.example", NOW) is None
    assert domains_with_policies(another, NOW) == {"dest.example", "other.example"}
    assert domains_with_policies(another, NOW + 60) == {"dest.example"}
    assert policy_of(another, "dest.example", NOW + DAY) is None


def test_a_newer_policy_takes_the_place_of_the_old_one(spool: Any) -> None:
    keep_policy(spool, POLICY).result(10)
    newer = replace(POLICY, policy_id="2", fetched_at=NOW + 9, until=NOW + 2 * DAY)
    keep_policy(spool, newer).result(10)
    assert policy_of(spool, "dest.example", NOW + DAY) == newer


def test_broken_tls_is_known_to_all_until_then(spool: Any, opened: Callable[[], Any]) -> None:
    remember_broken(spool, BROKEN).result(10)
    remember_broken(spool, BrokenTls("2001:db8::1", NOW + 60, "x")).result(10)
    remember_broken(spool, BrokenTls("2001:db8::1", NOW + 600, "y")).result(10)
    another = opened()
    assert broken_addresses(another, NOW) == {
        "192.0.2.1": BROKEN,
        "2001:db8::1": BrokenTls("2001:db8::1", NOW + 600, "y"),
    }
    assert set(broken_addresses(another, NOW + 600)) == {"192.0.2.1"}


def test_what_is_over_is_forgotten(spool: Any, opened: Callable[[], Any], clock: Clock) -> None:
    """By the chores of whoever writes next."""
    keep_policy(spool, POLICY).result(10)
    keep_policy(spool, replace(POLICY, domain="other.example", until=NOW + 60)).result(10)
    remember_broken(spool, replace(BROKEN, until=NOW + 60)).result(10)
    clock.now = NOW + 61
    later = opened()  # its writer begins with a step of chores
    remember_broken(later, replace(BROKEN, address="192.0.2.2")).result(10)
    assert domains_with_policies(later, NOW) == {"dest.example"}
    assert set(broken_addresses(later, NOW)) == {"192.0.2.2"}
