"""Receivers with an MTA-STS policy (RFC 8461): it is fetched before the first letter goes, and kept to; DNS's part of
it is not secure here, as with most who have one."""

import pytest

from ..receivers.ward import Case
from .realm import Has, Realm

RECEIVERS = {
    "enforce": Has(sts="enforce", insecure=True),
    "enforce, by wildcard": Has(sts="enforce", names="*.r11.example", insecure=True),
    "testing": Has(sts="testing", insecure=True),
    "testing, own": Has("own", sts="testing", insecure=True),
    "testing, elsewhere": Has(sts="testing", names="elsewhere.example", insecure=True),
    "testing, clear": Has("", sts="testing", insecure=True),
    "none": Has("own", sts="none", insecure=True),
    "missing": Has("own", sts="missing", insecure=True),
    "admin": Has(sts="enforce", rule={"tls": "mta-sts"}, insecure=True),
    "admin, testing": Has(sts="testing", rule={"tls": "mta-sts"}, insecure=True),
    "switched off": Has("own", sts="enforce", rule={"tls": "none"}, insecure=True),
    "second host": Has("own", sts="enforce", names="*.r21.example", insecure=True, backup=Has()),
    "enforce, elsewhere": Has(sts="enforce", names="elsewhere.example", insecure=True),
    "enforce, own": Has("own", sts="enforce", insecure=True),
    "enforce, other": Has("other", sts="enforce", insecure=True),
    "enforce, expired": Has("expired", sts="enforce", insecure=True),
    "enforce, clear": Has("", sts="enforce", insecure=True),
    "admin, missing": Has(sts="missing", rule={"tls": "mta-sts"}, insecure=True),
    "admin, without": Has(rule={"tls": "mta-sts"}, insecure=True),
    "admin, testing, own": Has("own", sts="testing", rule={"tls": "mta-sts"}, insecure=True),
}
VOUCHED = "(mta-sts: its certificate is for mx1.{domain}, by a trusted authority)"
DELIVERED = {
    "enforce": f"TLSv1.3 {VOUCHED}",
    "enforce, by wildcard": f"TLSv1.3 {VOUCHED}",
    "testing": "TLSv1.3 (mta-sts testing: its certificate is for mx1.{domain}, by a trusted authority)",
    "testing, own": "TLSv1.3 (mta-sts testing: would have failed: self-signed certificate",
    "testing, elsewhere": "TLSv1.3 (mta-sts testing: would have failed: it is none of the hosts that the policy names)",
    "testing, clear": "in the clear (mta-sts testing: would have failed: it offers no TLS)",
    "none": "TLSv1.3 (its certificate isn't checked)",
    "missing": "TLSv1.3 (its certificate isn't checked)",
    "admin": VOUCHED,
    "admin, testing": VOUCHED,
    "switched off": "in the clear (tls: none (`domains: {domain}` in worker.yml))",
}
DEFERRED = {
    "enforce, elsewhere": "mx1.{domain}: it is none of the hosts that the MTA-STS policy of {domain} names",
    "enforce, own": "self-signed certificate (certificate 0 of the path); the MTA-STS policy of {domain} asks for it",
    "enforce, other": "its certificate is for other.example, not for mx1.{domain}; the MTA-STS policy of {domain}",
    "enforce, expired": "certificate has expired",
    "enforce, clear": "it offers no STARTTLS; the MTA-STS policy of {domain} asks for it",
    "admin, missing": "the MTA-STS policy of {domain} can't be had: its web server said 404",
    "admin, without": "{domain} has no MTA-STS policy in force; tls: mta-sts (`domains: {domain}` in worker.yml)",
    "admin, testing, own": "self-signed certificate (certificate 0 of the path); tls: mta-sts",
}


@pytest.mark.parametrize("name", DELIVERED)
def test_it_is_delivered(realm: Realm, name: str) -> None:
    """At the first try; and the history says by which policy, and what it would have had against it."""
    case = realm[name]
    case.delivered_at_once()
    said = DELIVERED[name].format(domain=case.domain)
    assert said in case.history()
    assert case.far.accepted()[0].encrypted is said.startswith(("TLS", "(mta-sts"))


@pytest.mark.parametrize("name", DEFERRED)
def test_it_waits_and_goes_nowhere(realm: Realm, name: str) -> None:
    """And `hedwig queue show` says whose policy wants what."""
    case = realm[name]
    case.deferred(DEFERRED[name].format(domain=case.domain))
    assert not case.far.letters


def test_another_host_that_the_policy_names_gets_it(realm: Realm) -> None:
    case = realm["second host"]
    first, second = realm.fars["second host"]
    Case(realm, second, case.domain, ("user",), b"", case.queue_id).delivered_at_once()
    assert not first.letters


def test_a_policy_is_fetched_once(realm: Realm) -> None:
    """And what is none, or not there, is not asked for again and again."""
    for case in realm.cases.values():
        case.met(*({"deferred"} if realm.name_of(case) in DEFERRED else {"delivered"}))
    assert len(realm.web.asked()) == sum(bool(has.sts) for has in RECEIVERS.values() if has.rule != {"tls": "none"})
