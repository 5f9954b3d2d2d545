"""Receivers whose certificates stand in signed DNS (DANE, RFC 7672): what fits is delivered to, and nothing else; never
in the clear."""

import pytest

from ..receivers.ward import Case
from .realm import Has, Realm

DANE = {"tls": "dane"}
RECEIVERS = {
    "fits": Has("own", "fits"),
    "above": Has("good", "above"),
    "expired": Has("expired", "fits"),
    "unusable": Has("own", "unusable"),
    "insecure": Has("own", "other", insecure=True),
    "beats mta-sts": Has("own", "fits", sts="enforce", names="elsewhere.example"),
    "dane alone": Has("own", "fits", rule=DANE),
    "verify too": Has("good", "fits", rule={"tls": "verify"}),
    "second host": Has("own", "other", backup=Has("own", "fits")),
    "other": Has("good", "other"),
    "above, another's": Has("other", "above"),
    "above, self-signed": Has("own", "above"),
    "not offered": Has("", "fits"),
    "noise": Has("noise", "fits"),
    "unusable, not offered": Has("", "unusable"),
    "bogus": Has("own", "bogus"),
    "no records": Has("good", rule=DANE),
    "unusable alone": Has("good", "unusable", rule=DANE),
    "insecure alone": Has("good", "fits", rule=DANE, insecure=True),
    "not the admin's": Has("own", "fits", rule={"tls": "verify"}),
}
DELIVERED = {
    "fits": "TLSv1.3 (dane: its certificate fits its TLSA records)",
    "above": "TLSv1.3 (dane: its certificate fits its TLSA records)",
    "expired": "(dane: its certificate fits its TLSA records)",  # RFC 7672 §3.1.1: its dates don't count
    "unusable": "(encrypt (DANE without usable records): its certificate isn't checked)",
    "insecure": "TLSv1.3 (its certificate isn't checked)",
    "beats mta-sts": "(dane: its certificate fits its TLSA records)",
    "dane alone": "(encrypt, dane: its certificate fits its TLSA records)",
    "verify too": "(verify, dane: its certificate fits its TLSA records)",
}
DEFERRED = {
    "other": "its certificate fits none of its TLSA records (3 1 1 5a5a",
    "above, another's": "its certificate is for other.example, not for",
    "above, self-signed": "self-signed certificate (certificate 0 of the path); its TLSA records ask for it",
    "not offered": "it offers no STARTTLS; its TLSA records ask for it (DANE, _tcp.mx1.",
    "noise": "; its TLSA records ask for it (DANE, _tcp.mx1.",
    "unusable, not offered": "it offers no STARTTLS; it has TLSA records, if none that can be used",
    "bogus": "SERVFAIL",
    "no records": "it has no TLSA records that can be used; tls: dane (`domains: ",
    "unusable alone": "it has no TLSA records that can be used",
    "insecure alone": "are not secured by DNSSEC; tls: dane",
    "not the admin's": "tls: verify (`domains: ",
}


@pytest.mark.parametrize("name", DELIVERED)
def test_it_is_delivered(realm: Realm, name: str) -> None:
    """At the first try, encrypted; and the history says by which policy."""
    case = realm[name]
    case.delivered_at_once()
    assert case.far.accepted()[0].encrypted
    assert DELIVERED[name] in case.history()


@pytest.mark.parametrize("name", DEFERRED)
def test_it_waits_and_goes_nowhere(realm: Realm, name: str) -> None:
    """And `hedwig queue show` says which policy wants what."""
    case = realm[name]
    case.deferred(DEFERRED[name])
    assert not case.far.letters
    assert "delivered" not in case.history()


def test_another_host_of_the_domain_that_fits_gets_it(realm: Realm) -> None:
    first, second = realm.fars["second host"]
    case = Case(realm, second, realm["second host"].domain, ("user",), b"", realm["second host"].queue_id)
    case.delivered_at_once()
    assert first.connections
    assert not first.letters
