"""hedwig.tls.policy: which policy holds for a domain, and what it asks of a host."""

from dataclasses import replace
from typing import Any

import pytest

from hedwig.dane import TlsaRecord
from hedwig.options import TlsWish
from hedwig.routing import Exchanger, MxFound
from hedwig.settings import DomainRule, SiteRule, Tls
from hedwig.tls import Barred, Demand, Mode, Policy, StsPolicy, Tlsa, Unproved
from hedwig.tls.policy import Levels, demand, kind, would_fail
from hedwig.tlsrpt import PolicyType

HOST = "mx1.example.com"
EE = TlsaRecord(3, 1, 1, b"\x5a" * 32)
PKIX_EE = TlsaRecord(1, 1, 1, b"\x5a" * 32)  # usage 1 is unusable for SMTP
SECURE = MxFound((Exchanger(10, HOST),), secure=True)
DANE = Tlsa(HOST, (EE,))
NO_TLSA = Tlsa()
ENFORCE = StsPolicy(Mode.ENFORCE, (HOST,), 86400, ("version: STSv1", "mode: enforce"))
ELSEWHERE = replace(ENFORCE, mx=("mx.example.net",))
TESTING = replace(ENFORCE, mode=Mode.TESTING)


def policy(level: Tls = Tls.MAY, **other: Any) -> Policy:
    return Policy("example.com", level, dane=other.pop("dane", True), **other)


def asked(policy: Policy, tlsa: Tlsa = NO_TLSA, wish: TlsWish = TlsWish.USUAL) -> Demand:
    made = demand(policy, HOST, tlsa, wish)
    assert isinstance(made, Demand), made
    return made


def barred(policy: Policy, tlsa: Tlsa = NO_TLSA, wish: TlsWish = TlsWish.USUAL) -> Barred:
    made = demand(policy, HOST, tlsa, wish)
    assert isinstance(made, Barred), made
    return made


# which word of worker.yml holds

LEVELS = Levels(
    Tls.MAY,
    {
        "example.com": DomainRule(tls=Tls.VERIFY),
        ".example.com": DomainRule(tls=Tls.NONE),
        ".deep.example.com": DomainRule(tls=Tls.DANE),
        "relayed.example.com": DomainRule(smarthost="x"),
    },
)


@pytest.mark.parametrize(
    ("domain", "level"),
    [
        ("example.com", Tls.VERIFY),
        ("a.example.com", Tls.NONE),
        ("a.deep.example.com", Tls.DANE),
        ("deep.example.com", Tls.NONE),
        ("relayed.example.com", Tls.NONE),
        ("example.org", Tls.ENCRYPT),
    ],
)
def test_the_domains_word_goes_before_its_sites(domain: str, level: Tls) -> None:
    """The nearest entry that has one; an entry about something else doesn't hide it."""
    assert LEVELS.policy(domain, "google", SiteRule(tls=Tls.ENCRYPT)).level is level


def test_where_the_word_stands() -> None:
    assert LEVELS.policy("a.example.com", "google", SiteRule()).origin == "`domains: .example.com` in worker.yml"
    assert LEVELS.policy("x.org", "google", SiteRule(tls=Tls.ENCRYPT)).origin == "`sites: google` in worker.yml"
    assert LEVELS.policy("x.org", "", SiteRule(tls=Tls.ENCRYPT)).origin == "`sites: default` in worker.yml"
    assert LEVELS.policy("x.org", "", SiteRule()) == Policy("x.org", Tls.MAY, "`tls` in worker.yml")


# what is asked of a host


def test_may_takes_what_comes() -> None:
    made = asked(policy())
    assert (made.starttls, made.required, made.proved, made.words) == (True, "", False, "may")
    assert made.reported.kind is PolicyType.NONE


def test_none_speaks_no_tls_whatever_the_receiver_says() -> None:
    made = asked(policy(Tls.NONE, dane=False, sts=ENFORCE), DANE)
    assert (made.starttls, made.required, made.proved) == (False, "", False)


@pytest.mark.parametrize(("level", "authority"), [(Tls.ENCRYPT, False), (Tls.VERIFY, True)])
def test_encrypt_and_verify(level: Tls, authority: bool) -> None:
    made = asked(policy(level))
    assert made.required == f"tls: {level} (`tls` in worker.yml)"
    assert (made.words, bool(made.authority)) == (level.value, authority)


@pytest.mark.parametrize("level", [Tls.MAY, Tls.ENCRYPT, Tls.VERIFY, Tls.DANE])
def test_tlsa_records_add_to_each_level(level: Tls) -> None:
    """And of the certificate's names the base domain counts, and those that lead to it securely."""
    made = asked(policy(level, found=SECURE), DANE)
    assert made.records == (EE,)
    assert made.required
    assert bool(made.authority) is (level is Tls.VERIFY)
    assert (made.base, made.names) == (HOST, ("example.com",))
    assert (made.reported.kind, made.reported.domain) == (PolicyType.TLSA, HOST)
    assert "dane" in made.words
    assert asked(policy(), DANE).names == ()


def test_tlsa_records_of_which_none_is_usable_ask_for_any_certificate() -> None:
    """RFC 7672 §2.2. An MTA-STS policy asks for more."""
    made = asked(policy(), Tlsa(HOST, (PKIX_EE,)))
    assert made.required
    assert not made.proved
    assert asked(policy(sts=ENFORCE), Tlsa(HOST, (PKIX_EE,))).authority


def test_where_dns_can_not_tell_the_host_is_not_used() -> None:
    """RFC 7672 §2.1.2: or whoever suppresses answers would switch TLS off."""
    made = barred(policy(), Tlsa(unknown="TLSA of _25._tcp.mx1.example.com: SERVFAIL"))
    assert made.unproved.result == "dnssec-invalid"
    assert not made.final


def test_dane_can_be_switched_off() -> None:
    assert not asked(policy(dane=False), DANE).required


def test_dane_alone() -> None:
    """tls: dane: no records, none usable, or MX records that anybody could have made: not there."""
    for tlsa, found in ((NO_TLSA, SECURE), (Tlsa(HOST, (PKIX_EE,)), SECURE), (DANE, MxFound(()))):
        made = barred(policy(Tls.DANE, found=found), tlsa)
        assert made.unproved.result == "dane-required"
        assert "tls: dane (`tls` in worker.yml)" in made.unproved.text


@pytest.mark.parametrize("level", [Tls.MAY, Tls.ENCRYPT, Tls.VERIFY, Tls.MTA_STS])
def test_mta_sts_that_is_enforced(level: Tls) -> None:
    made = asked(policy(level, sts=ENFORCE))
    assert made.authority
    assert made.required
    assert (made.reported.kind, made.reported.mx) == (PolicyType.STS, (HOST,))
    assert barred(policy(level, sts=ELSEWHERE)).unproved.text == (
        "it is none of the hosts that the MTA-STS policy of example.com names"
    )


def test_dane_goes_before_mta_sts() -> None:
    """RFC 8461 §2. Where it is the admin who wants MTA-STS, both must hold."""
    made = asked(policy(sts=ELSEWHERE), DANE)
    assert (made.records, made.authority) == ((EE,), "")
    barred(policy(Tls.MTA_STS, sts=ELSEWHERE), DANE)
    made = asked(policy(Tls.MTA_STS, sts=ENFORCE), DANE)
    assert (made.records, bool(made.authority)) == ((EE,), True)


def test_mta_sts_in_testing_is_only_told() -> None:
    made = asked(policy(sts=TESTING))
    assert (made.required, made.proved, made.testing) == ("", False, TESTING)
    assert made.words == "mta-sts testing"
    assert asked(policy(sts=replace(ELSEWHERE, mode=Mode.TESTING))).testing
    assert asked(policy(Tls.VERIFY, sts=TESTING)).authority


def test_mta_sts_alone() -> None:
    """tls: mta-sts: without a policy nothing goes there; one in testing is taken at its word."""
    assert "no MTA-STS policy in force" in barred(policy(Tls.MTA_STS)).unproved.text
    assert "its web server" in barred(policy(Tls.MTA_STS, sts_trouble="its web server is down")).unproved.text
    assert asked(policy(Tls.MTA_STS, sts=TESTING)).authority
    barred(policy(Tls.MTA_STS, sts=replace(ELSEWHERE, mode=Mode.TESTING)))


def test_what_testing_has_to_tell() -> None:
    unproved = Unproved("certificate-expired", "x")
    assert would_fail(TESTING, HOST, None) is None
    assert would_fail(TESTING, HOST, unproved) is unproved
    found = would_fail(TESTING, "mx.example.net", None)
    assert found is not None
    assert found.result == "validation-failure"


# what the message says


@pytest.mark.parametrize("level", [Tls.MAY, Tls.ENCRYPT])
def test_tls_required_no_goes_without_the_receivers_policies(level: Tls) -> None:
    """RFC 8689 §4.2.2; what the admin wants is kept."""
    made = asked(policy(level, sts=ELSEWHERE), DANE, TlsWish.OPTIONAL)
    assert not made.proved
    assert bool(made.required) is (level is Tls.ENCRYPT)
    assert not asked(policy(level), Tlsa(unknown="SERVFAIL"), TlsWish.OPTIONAL).proved
    barred(policy(Tls.MTA_STS, sts=ELSEWHERE), NO_TLSA, TlsWish.OPTIONAL)
    barred(policy(Tls.DANE, found=SECURE), NO_TLSA, TlsWish.OPTIONAL)


def test_requiretls_wants_a_host_that_is_the_domains_and_proves_it() -> None:
    """RFC 8689 §2: by DNSSEC or MTA-STS; and by a trusted authority or DANE."""
    required = TlsWish.REQUIRED
    made = barred(policy(), DANE, required)
    assert made.final
    assert "REQUIRETLS" in made.unproved.text
    by_sts = asked(policy(sts=ENFORCE), NO_TLSA, required)
    assert by_sts.authority
    assert by_sts.words == "mta-sts, requiretls"
    by_dnssec = asked(policy(found=SECURE), NO_TLSA, required)
    assert by_dnssec.authority
    by_dane = asked(policy(found=SECURE), DANE, required)
    assert (by_dane.records, by_dane.authority) == ((EE,), "")
    assert asked(policy(sts=TESTING), NO_TLSA, required).authority
    assert asked(policy(Tls.NONE, dane=False, found=SECURE), NO_TLSA, required).starttls


# which domains share a connection


def test_domains_of_one_policy_share_connections() -> None:
    hosts = (HOST, "mx2.example.com")
    partly = replace(ENFORCE, mx=(HOST,))
    kinds = [
        kind(made, hosts)
        for made in (
            policy(),
            policy(Tls.ENCRYPT),
            policy(Tls.DANE, found=SECURE),
            policy(Tls.DANE),
            policy(Tls.MTA_STS),
            policy(sts=replace(ENFORCE, mx=("*.example.com",))),
            policy(sts=partly),
            policy(sts=ELSEWHERE),
            policy(sts=replace(partly, mode=Mode.TESTING)),
            policy(Tls.NONE, sts=ENFORCE),
        )
    ]
    assert kinds[0] == ""
    assert len(set(kinds)) == len(kinds), kinds
    assert kind(replace(policy(sts=partly), domain="example.org"), hosts[::-1]) == kind(policy(sts=partly), hosts)
