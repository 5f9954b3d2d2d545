"""hedwig.tls.pkix: whose certificate a chain is, by the authorities of a file or of the system."""

from pathlib import Path

import pytest
from certificates import CLIENTS_ONLY, Made, make
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hedwig.tls.pkix import Trust

HOST = "mx.example.com"


@pytest.fixture(scope="module")
def authority() -> Made:
    return make("Test Authority", authority=True)


@pytest.fixture
def trust(authority: Made, tmp_path: Path) -> Trust:
    return Trust(str(authority.write(tmp_path / "ca.pem")))


def result(trust: Trust, *chain: Made, host: str = HOST) -> str:
    failed = trust.check([each.der for each in chain], host)
    return failed.result if failed else ""


def test_a_certificate_of_the_authority_for_that_name(trust: Trust, authority: Made) -> None:
    between = authority.sign("Between", authority=True)
    assert result(trust, authority.sign("x", names=[HOST])) == ""
    assert result(trust, authority.sign("x", names=["other.example", "*.example.com"])) == ""
    assert result(trust, between.sign("x", names=[HOST]), between) == ""
    assert result(trust, between.sign("x", names=[HOST]), authority, between) == ""


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["other.example"], HOST),
        (["*.com"], HOST),
        (["*.example.com"], "a.mx.example.com"),
        (["mx*.example.com"], HOST),
        (["*"], HOST),
        (["192.0.2.1"], "192.0.2.1"),
        (["*.0.2.1"], "192.0.2.1"),
    ],
)
def test_for_another_name(trust: Trust, authority: Made, names: list[str], host: str) -> None:
    assert result(trust, authority.sign("x", names=names), host=host) == "certificate-host-mismatch"


def test_a_common_name_is_no_name(trust: Trust, authority: Made) -> None:
    """RFC 8461 §4.2."""
    failed = trust.check([authority.sign(HOST).der], HOST)
    assert failed is not None
    assert failed.result == "certificate-host-mismatch"
    assert failed.text == "its certificate is for no name, not for mx.example.com"


def test_what_is_not_to_be_trusted(trust: Trust, authority: Made) -> None:
    other = make("Test Authority", authority=True)
    host = authority.sign("x", names=[HOST])
    assert result(trust, make("x", names=[HOST])) == "certificate-not-trusted"
    assert result(trust, other.sign("x", names=[HOST]), other) == "certificate-not-trusted"
    assert result(trust, host.sign("y", names=[HOST]), host) == "certificate-not-trusted"
    assert result(trust, authority.sign("x", names=[HOST], usage=CLIENTS_ONLY)) == "certificate-not-trusted"
    assert result(trust, authority.sign("x", names=[HOST], days=(-9, -1))) == "certificate-expired"
    assert result(trust, authority.sign("x", names=[HOST], days=(1, 9))) == "certificate-expired"
    assert result(trust) == "validation-failure"
    assert trust.check([b"no certificate"], HOST) is not None


def test_addresses_are_among_the_certificates_addresses(trust: Trust, authority: Made) -> None:
    """A smarthost may be given by its address."""
    made = authority.sign("x", addresses=["192.0.2.1", "2001:db8::25"])
    assert result(trust, made, host="192.0.2.1") == ""
    assert result(trust, made, host="2001:db8::25") == ""
    assert result(trust, made, host="192.0.2.2") == "certificate-host-mismatch"
    assert made.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_the_systems_authorities_are_there_without_a_file(authority: Made) -> None:
    """They don't know ours; and they are read, or a real authority would not be found either."""
    assert result(Trust(), authority.sign("x", names=[HOST])) == "certificate-not-trusted"
    roots = sorted(Path("/etc/ssl/certs").glob("*Root*.pem"))
    assert roots, "ca-certificates is not installed (make deps)"
    certificate = x509.load_pem_x509_certificate(roots[0].read_bytes())
    failed = Trust().check([certificate.public_bytes(Encoding.DER)], HOST)
    assert failed is not None
    assert failed.result == "certificate-host-mismatch"


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ValueError, match=name):
            Trust(str(tmp_path / name))
