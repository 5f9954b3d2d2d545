"""Which certificates a host's TLSA records stand for (RFC 7671, RFC 7672 §3)."""

import hashlib

import pytest
from certificates import CLIENTS_ONLY, Made, ec_key, ed25519_key, make, rsa_key
from cryptography.hazmat.primitives import hashes

from hedwig.dane import TlsaRecord, der, usable
from hedwig.dane.names import is_for, reference_names
from hedwig.dane.verify import verify
from hedwig.mx import Exchanger, MxFound

HOST = "mx.example.com"
ROOT = make("root", authority=True)
MIDDLE = ROOT.sign("middle", authority=True)
LEAF = MIDDLE.sign("whatever", names=[HOST])
CHAIN = (LEAF, MIDDLE, ROOT)
STRANGER = make("root", authority=True)


def tlsa(usage: int, selector: int, matching: int, made: Made) -> TlsaRecord:
    """The record that stands for this certificate, as its owner would publish it."""
    octets = made.spki if selector else made.der
    digest = {0: octets, 1: hashlib.sha256(octets).digest(), 2: hashlib.sha512(octets).digest()}[matching]
    return TlsaRecord(usage, selector, matching, digest)


def result(chain: tuple[Made, ...], *records: TlsaRecord, names: tuple[str, ...] = (HOST,)) -> str:
    failed = verify([made.der for made in chain], usable(records), names)
    assert failed is None or failed.text
    return failed.result if failed else ""


FORMS = [(selector, matching) for selector in (0, 1) for matching in (0, 1, 2)]


@pytest.mark.parametrize(("selector", "matching"), FORMS)
def test_its_own_certificate_or_key(selector: int, matching: int) -> None:
    """DANE-EE in all six forms; the same record fits no other host's certificate."""
    record = tlsa(3, selector, matching, LEAF)
    assert result(CHAIN, record) == ""
    assert result((LEAF,), record) == ""
    assert result((MIDDLE.sign("other", names=[HOST]), MIDDLE, ROOT), record) == "validation-failure"


@pytest.mark.parametrize("key", [ec_key, ed25519_key, rsa_key])
def test_a_key_is_itself_through_all_certificates(key) -> None:
    """3 1 1 is about the key: a renewed certificate for the same key fits; another selector 0 would not."""
    own = key()
    old, new = make("mx", key=own), ROOT.sign("mx", key=own)
    assert result((new,), tlsa(3, 1, 1, old)) == ""
    assert result((new,), tlsa(3, 0, 1, old)) == "validation-failure"
    assert der.spki(old.der) == old.spki


@pytest.mark.parametrize(
    "leaf",
    [
        make("nobody"),
        make("expired", days=(-20, -10)),
        make("future", days=(10, 20)),
        make("other", names=["other.example"]),
        make("clients", usage=CLIENTS_ONLY),
    ],
)
def test_nothing_else_counts_of_its_own_certificate(leaf: Made) -> None:
    """RFC 7672 §3.1.1: neither names nor dates nor who signed it."""
    assert result((leaf,), tlsa(3, 1, 1, leaf), names=()) == ""


def test_its_own_certificate_comes_first() -> None:
    """A record for one of the others that it shows says nothing about who holds the key."""
    assert result((STRANGER, LEAF), tlsa(3, 0, 1, LEAF)) == "validation-failure"


@pytest.mark.parametrize(("selector", "matching"), FORMS)
@pytest.mark.parametrize("authority", [ROOT, MIDDLE], ids=["root", "middle"])
def test_an_authority_above_it(authority: Made, selector: int, matching: int) -> None:
    """DANE-TA in all six forms: any authority of the chain, whoever signed that one."""
    record = tlsa(2, selector, matching, authority)
    assert result(CHAIN, record) == ""
    assert result((LEAF, ROOT, MIDDLE), record) == ""  # RFC 8446 §4.4.2: order is no matter
    assert result((STRANGER.sign("x", names=[HOST]), STRANGER), record) == "validation-failure" or matching == 0


def test_authority_that_is_not_shown() -> None:
    """What is in DNS as a whole need not be shown; of a digest nothing can be made."""
    shown = (LEAF, MIDDLE)
    assert result(shown, tlsa(2, 0, 0, ROOT)) == ""
    assert result(shown, tlsa(2, 1, 0, ROOT)) == ""
    assert result((LEAF,), tlsa(2, 0, 0, MIDDLE)) == ""
    assert result((LEAF,), tlsa(2, 1, 0, MIDDLE)) == ""
    assert result(shown, tlsa(2, 0, 1, ROOT)) == "validation-failure"
    assert result((LEAF,), tlsa(2, 0, 0, ROOT)) == "certificate-not-trusted"


def test_an_authority_that_is_only_shown_signed_nothing() -> None:
    """The attack: a stranger's certificate for the host's name, and the true authority beside it."""
    for forged in (STRANGER.sign("mx", names=[HOST]), make("root", names=[HOST])):
        for selector, matching in FORMS:
            record = tlsa(2, selector, matching, ROOT)
            assert result((forged, ROOT), record) in ("certificate-not-trusted", "validation-failure")
            assert result((forged, STRANGER, ROOT), record) in ("certificate-not-trusted", "validation-failure")


def test_forged_signature() -> None:
    """Issuer and subject agree, and the signature is somebody else's."""
    twin = make("root", authority=True, key=ec_key())
    assert result((twin.sign("mx", names=[HOST]), ROOT), tlsa(2, 0, 1, ROOT)) == "certificate-not-trusted"
    assert result((twin.sign("mx", names=[HOST]),), tlsa(2, 1, 0, ROOT)) == "validation-failure"


def test_who_is_no_authority_signs_for_nobody() -> None:
    """A host of the same authority can't make certificates for its neighbours."""
    neighbour = ROOT.sign("neighbour", names=["neighbour.example.com"])
    forged = neighbour.sign("mx", names=[HOST])
    assert result((forged, neighbour, ROOT), tlsa(2, 0, 1, ROOT)) == "certificate-not-trusted"


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"names": ["other.example.com"]}, "certificate-host-mismatch"),
        ({"names": ["*.example.com"]}, ""),
        ({"names": ["*.com"]}, "certificate-host-mismatch"),
        ({"names": [HOST.upper()]}, ""),
        ({}, "certificate-host-mismatch"),  # its common name is "mx"
        ({"names": [HOST], "days": (-20, -10)}, "certificate-expired"),
        ({"names": [HOST], "days": (10, 20)}, "certificate-expired"),
        ({"names": [HOST], "usage": CLIENTS_ONLY}, "certificate-not-trusted"),
    ],
)
def test_under_an_authority_all_counts(wishes: dict[str, object], expected: str) -> None:
    """An authority signs for many: name and dates must be right, and nothing weak on the way."""
    leaf = ROOT.sign("mx", **wishes)
    assert result((leaf, ROOT), tlsa(2, 0, 1, ROOT)) == expected


def test_a_digest_that_is_too_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    """cryptography signs nothing with SHA-1 any more: a digest that it does take is called weak. Nobody relies on the
    signature that the authority itself bears."""
    record = tlsa(2, 0, 1, MIDDLE)
    chain = (MIDDLE.sign("mx", names=[HOST], digest=hashes.SHA384()), MIDDLE)
    monkeypatch.setattr("hedwig.dane.path._WEAK", (hashes.SHA256,))
    assert result(chain, record) == ""
    monkeypatch.setattr("hedwig.dane.path._WEAK", (hashes.SHA384,))
    assert result(chain, record) == "certificate-not-trusted"
    assert result(chain[:1], tlsa(2, 1, 0, MIDDLE)) == "validation-failure"


def test_a_key_that_is_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it make keys of less than 1024 bits: the bound is put above one that it makes."""
    record, chain = tlsa(2, 0, 1, ROOT), (ROOT.sign("mx", names=[HOST], key=rsa_key(2048)), ROOT)
    assert result(chain, record) == ""
    monkeypatch.setattr("hedwig.dane.path._LEAST_RSA", 2049)
    assert result(chain, record) == "certificate-not-trusted"


def test_expired_authority() -> None:
    """Its dates count as well."""
    root = make("root", authority=True, days=(-20, -10))
    assert result((root.sign("mx", names=[HOST]), root), tlsa(2, 0, 1, root)) == "certificate-expired"


def test_common_name_counts_where_there_are_no_dns_names() -> None:
    """RFC 7672 §3.2.3."""
    assert result((ROOT.sign(HOST), ROOT), tlsa(2, 0, 1, ROOT)) == ""
    assert result((ROOT.sign(HOST, names=["other.example"]), ROOT), tlsa(2, 0, 1, ROOT)) == "certificate-host-mismatch"


def test_certificate_that_is_its_own_authority() -> None:
    """Usage 2 is about what is above: a host with one self-signed certificate has to say 3."""
    own = make(HOST, names=[HOST], authority=True)
    for selector, matching in FORMS[:3]:
        assert result((own, own), tlsa(2, selector, matching, own)) == "validation-failure"


def test_one_record_that_fits_is_enough() -> None:
    """As while a key is being changed: the old one's record and the new one's, or one of each usage."""
    assert result(CHAIN, tlsa(3, 1, 1, STRANGER), tlsa(3, 1, 1, LEAF)) == ""
    assert result(CHAIN, tlsa(3, 1, 1, STRANGER), tlsa(2, 0, 1, ROOT)) == ""
    assert result(CHAIN, tlsa(2, 0, 1, STRANGER), tlsa(3, 1, 1, LEAF)) == ""
    assert result(CHAIN, tlsa(2, 0, 0, STRANGER), tlsa(2, 0, 1, ROOT)) == ""


def test_no_certificate_at_all() -> None:
    assert result((), tlsa(3, 1, 1, LEAF)) == "validation-failure"
    with pytest.raises(ValueError, match="nothing to verify"):
        verify([LEAF.der], [], [HOST])


def test_octets_that_are_no_certificate() -> None:
    """Whatever a peer shows, it is an answer and no exception (I11)."""
    records = [tlsa(3, 1, 1, LEAF), tlsa(2, 0, 1, ROOT), tlsa(2, 0, 0, ROOT)]
    for octets in (b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80", LEAF.der[:-1], LEAF.der[:40], b"x" * 1000):
        assert verify([octets, octets], records, [HOST]) is not None
        assert verify([LEAF.der, octets, MIDDLE.der], [tlsa(2, 0, 0, STRANGER)], [HOST]) is not None


@pytest.mark.parametrize(
    "record",
    [
        tlsa(0, 0, 1, ROOT),
        tlsa(1, 1, 1, LEAF),
        TlsaRecord(4, 1, 1, bytes(32)),
        TlsaRecord(255, 255, 255, bytes(32)),
        TlsaRecord(3, 2, 1, bytes(32)),
        TlsaRecord(3, 1, 3, bytes(32)),
        TlsaRecord(3, 1, 1, bytes(31)),
        TlsaRecord(3, 1, 2, bytes(32)),
        TlsaRecord(3, 1, 1, b""),
        TlsaRecord(3, 0, 0, b""),
        TlsaRecord(2, 0, 0, b"no certificate"),
        TlsaRecord(2, 0, 0, LEAF.der[:-1]),
        TlsaRecord(3, 1, 0, LEAF.spki + b"\0"),
    ],
    ids=[f"record{number}" for number in range(13)],
)
def test_unusable_records(record: TlsaRecord) -> None:
    """Where there are no others TLS is a must and no certificate is checked; beside others they are nothing."""
    assert usable([record]) == ()
    assert usable([record, tlsa(3, 1, 1, LEAF)]) == (tlsa(3, 1, 1, LEAF),)


def test_the_stronger_digest_counts() -> None:
    """RFC 7671 §9: for each usage and selector, or a weak digest would be what a strong one is worth."""
    weak, strong = tlsa(3, 1, 1, LEAF), tlsa(3, 1, 2, STRANGER)
    assert usable([weak, strong]) == (strong,)
    assert result(CHAIN, weak, strong) == "validation-failure"
    others = (tlsa(3, 0, 1, LEAF), tlsa(2, 1, 1, LEAF), tlsa(3, 1, 0, LEAF))
    assert set(usable([weak, strong, *others])) == {strong, *others}
    assert usable([weak, weak]) == (weak,)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (MxFound((Exchanger(10, HOST),), secure=True), (HOST, "example.com")),
        (MxFound((Exchanger(10, HOST),), secure=True, name="real.example"), (HOST, "example.com", "real.example")),
        (MxFound((Exchanger(10, HOST),)), (HOST,)),
        (MxFound((Exchanger(10, HOST),), name="real.example"), (HOST,)),
    ],
)
def test_names_that_a_host_may_have(found: MxFound, expected: tuple[str, ...]) -> None:
    """RFC 7672 §3.2.2: the domain's own name counts only where DNSSEC vouches for the way to the host."""
    assert reference_names("example.com", found, HOST) == expected


def test_names_of_a_domain_without_mx() -> None:
    found = MxFound((Exchanger(0, "example.com"),), implicit=True, secure=True, name="host.example")
    assert reference_names("example.com", found, "host.example") == ("host.example", "example.com")
    assert reference_names("example.com", found, "example.com") == ("example.com", "host.example")


@pytest.mark.parametrize(
    ("presented", "fits"),
    [
        (HOST, True),
        ("MX.Example.COM.", True),
        ("*.example.com", True),
        ("example.com", False),
        ("*.com", False),
        ("*", False),
        ("m*.example.com", False),
        ("*x.example.com", False),
        ("mx.*.com", False),
        ("*.mx.example.com", False),
        ("*.*.com", False),
        ("", False),
    ],
)
def test_wildcards_are_a_whole_first_label(presented: str, fits: bool) -> None:
    """RFC 7672 §3.2.3."""
    assert is_for([presented], [HOST]) is fits
    assert is_for(["nothing.example", presented], ["nowhere.example", HOST]) is fits
