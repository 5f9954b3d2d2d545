"""DKIM keys on disk and other records in DNS: each fault is found, and the line that is printed mends it."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from .clinic import Clinic, sender

DOMAINS = ("good", "gone", "revoked", "testing", "swapped", "small", "tiny", "young", "double")
_BITS = {"small": 1024, "tiny": 512}
ZONES = "\n".join(sender(f"{name}.key.example") for name in DOMAINS)
FAULTS = [
    ("gone", "fail", "no record"),
    ("revoked", "fail", "revoked"),
    ("testing", "warn", "t=y"),
    ("swapped", "fail", "another key"),
    ("double", "fail", "2 records"),
]


def made(name: str) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    if name == "young":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, _BITS.get(name, 2048))


def record(domain: str, public: str, algorithm: str = "rsa", more: str = "") -> str:
    pieces = [
        f"v=DKIM1; k={algorithm};{more} p=",
        *(public[start : start + 200] for start in range(0, len(public), 200)),
    ]
    return f"s1._domainkey.{domain}. IN TXT " + " ".join(f'"{piece}"' for piece in pieces)


@pytest.fixture(scope="module")
def keyed(clinic: Clinic) -> Clinic:
    """Keys in CONFIGDIR/dkim, and records that fit, or don't."""
    for name in DOMAINS:
        domain, key = f"{name}.key.example", made(name)
        folder: Path = clinic.host.config / "dkim" / domain
        folder.mkdir(parents=True)
        pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        (folder / "s1.pem").write_bytes(pem)
        (folder / "s1.pem").chmod(0o640)
        shown = made("good") if name == "swapped" else key
        if isinstance(shown, ed25519.Ed25519PrivateKey):
            public = base64.b64encode(
                shown.public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
            ).decode()
            clinic.lines.append(record(domain, public, "ed25519"))
            continue
        octets = shown.public_key().public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
        public = base64.b64encode(octets).decode()
        if name != "gone":
            more = " t=y;" if name == "testing" else ""
            clinic.lines.append(record(domain, "" if name == "revoked" else public, more=more))
        if name == "double":
            clinic.lines.append(record(domain, "", more=" n=old;"))
    clinic.dns.change("\n".join(clinic.lines))
    clinic.passes("dkim", "good.key.example", "--no-connect")
    return clinic


@pytest.mark.parametrize(("name", "grade", "seen"), FAULTS)
def test_a_records_fault_is_found_and_mended(keyed: Clinic, name: str, grade: str, seen: str) -> None:
    found = keyed.finding("dkim", f"{name}.key.example", "--no-connect")
    assert found["grade"] == grade, found
    assert seen in found["seen"], found
    assert found["mend"].startswith(f"s1._domainkey.{name}.key.example. IN TXT ")
    keyed.apply(found["mend"])
    keyed.passes("dkim", f"{name}.key.example", "--no-connect")


@pytest.mark.parametrize(("name", "grade", "seen"), [("small", "warn", "1024 bits"), ("tiny", "fail", "512 bits")])
def test_a_key_that_is_too_short(keyed: Clinic, name: str, grade: str, seen: str) -> None:
    found = keyed.finding("dkim", f"{name}.key.example", "--no-connect")
    assert (found["grade"], seen in found["seen"]) == (grade, True), found
    mend = {
        "small": ("hedwig dkim rotate small.key.example", ""),
        "tiny": ("", "hedwig dkim new tiny.key.example --rsa"),
    }
    assert found["mend"] == mend[name][0] and mend[name][1] in found["where"]


def test_ed25519_alone_is_not_enough(keyed: Clinic) -> None:
    found = keyed.finding("dkim", "young.key.example", "--no-connect")
    assert (found["grade"], found["mend"]) == ("warn", "hedwig dkim new young.key.example --rsa"), found


def test_dmarc_holds_by_dkim_alone(keyed: Clinic) -> None:
    """SPF fails, the key fits: the letters are aligned."""
    keyed.apply('good.key.example. IN TXT "v=spf1 -all"')
    told = {"grade": ""}

    def by_dkim() -> bool:
        told.update(keyed.finding("dmarc", "good.key.example", "--no-connect"))
        return told["seen"].endswith("aligned by DKIM")

    from ..waiting import until

    until("DKIM alone", by_dkim)
    assert told["grade"] == "pass"


def test_the_key_of_the_domain_above_counts(keyed: Clinic) -> None:
    """sub.good.key.example has no key of its own."""
    found = keyed.finding("dkim", "sub.good.key.example", "--no-connect")
    assert (found["grade"], found["subject"]) == ("pass", "s1._domainkey.good.key.example"), found


def test_a_key_that_is_none(keyed: Clinic) -> None:
    file = keyed.host.config / "dkim" / "good.key.example" / "s2.pem"
    file.write_text("-----BEGIN NOTHING-----\n")
    file.chmod(0o640)
    try:
        found = keyed.finding("dkim", "good.key.example", "--no-connect")
    finally:
        file.unlink()
    assert (found["grade"], "no private key" in found["seen"]) == ("fail", True), found
    assert "hedwig dkim new good.key.example" in found["where"]
