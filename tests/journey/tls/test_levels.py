"""What worker.yml says of TLS to a domain: none, may, encrypt, verify."""

import pytest

from .realm import Has, Realm

ENCRYPT = {"tls": "encrypt"}
VERIFY = {"tls": "verify"}
RECEIVERS = {
    "may": Has("own"),
    "may, clear": Has(""),
    "may, noise": Has("noise"),
    "none": Has("own", rule={"tls": "none"}),
    "encrypt": Has("own", rule=ENCRYPT),
    "verify": Has("good", rule=VERIFY),
    "encrypt, clear": Has("", rule=ENCRYPT),
    "encrypt, noise": Has("noise", rule=ENCRYPT),
    "verify, own": Has("own", rule=VERIFY),
    "verify, other": Has("other", rule=VERIFY),
    "verify, expired": Has("expired", rule=VERIFY),
    "verify, clear": Has("", rule=VERIFY),
}
DELIVERED = {
    "may": "TLSv1.3 (its certificate isn't checked)",
    "may, clear": "in the clear (it offers no TLS)",
    "may, noise": "in the clear (its TLS is broken: TLS handshake: [SSL: WRONG_VERSION_NUMBER] wrong version number",
    "none": "in the clear (tls: none (`domains: {domain}` in worker.yml))",
    "encrypt": "TLSv1.3 (encrypt: its certificate isn't checked)",
    "verify": "TLSv1.3 (verify: its certificate is for mx1.{domain}, by a trusted authority)",
}
DEFERRED = {
    "encrypt, clear": "it offers no STARTTLS; tls: encrypt (`domains: {domain}` in worker.yml)",
    "encrypt, noise": "wrong version number",
    "verify, own": "self-signed certificate (certificate 0 of the path); tls: verify (`domains: {domain}`",
    "verify, other": "its certificate is for other.example, not for mx1.{domain}; tls: verify",
    "verify, expired": "certificate has expired (certificate 0 of the path); tls: verify",
    "verify, clear": "it offers no STARTTLS; tls: verify",
}


@pytest.mark.parametrize("name", DELIVERED)
def test_it_is_delivered(realm: Realm, name: str) -> None:
    case = realm[name]
    case.delivered_at_once()
    said = DELIVERED[name].format(domain=case.domain)
    assert said in case.history()
    assert case.far.accepted()[0].encrypted is said.startswith("TLS")
    assert bool(case.far.said("STARTTLS")) is (name not in ("none", "may, clear"))


@pytest.mark.parametrize("name", DEFERRED)
def test_it_waits_and_goes_nowhere(realm: Realm, name: str) -> None:
    case = realm[name]
    case.deferred(DEFERRED[name].format(domain=case.domain))
    assert not case.far.letters
