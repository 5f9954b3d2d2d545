"""Certificates for tests, made by cryptography: authorities, what they sign, and what is wrong with some of them."""

import datetime
import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
CLIENTS_ONLY = ExtendedKeyUsageOID.CLIENT_AUTH
DAY = 86_400.0


def ec_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def ed25519_key() -> Key:
    return ed25519.Ed25519PrivateKey.generate()


@functools.cache
def rsa_key(bits: int = 2048) -> Key:
    """Always the same one, for making them takes long."""
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def spki(self) -> bytes:
        return self.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, name: str, **wishes: Any) -> "Made":
        """A certificate that this one has signed; `wishes` as in `make`."""
        return make(name, self, **wishes)

    def write(self, path: Path, *above: "Made") -> Path:
        """One PEM file of key, certificate and those above, as servers want it."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in (self, *above))
        path.write_bytes(key + chain)
        return path


def make(
    name: str,
    issuer: Made | None = None,
    *,
    authority: bool = False,
    names: Sequence[str] = (),
    addresses: Sequence[str] = (),
    days: tuple[float, float] = (-1.0, 30.0),
    digest: hashes.HashAlgorithm | None = None,
    key: Key | None = None,
    usage: x509.ObjectIdentifier | None = None,
) -> Made:
    """A certificate with the common name `name`, signed by `issuer` or by itself. `names`: DNS names; `addresses`: IP
    addresses; `days`: from when
    to when it is valid, from now; `usage`: the one thing that it says it is for."""
    own = key or ec_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days[0]))
        .not_valid_after(now + datetime.timedelta(days[1]))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
    )
    also = [x509.DNSName(each) for each in names]
    also += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
    if also:
        builder = builder.add_extension(x509.SubjectAlternativeName(also), False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    signing = issuer.key if issuer else own
    plain = None if isinstance(signing, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return Made(builder.sign(signing, plain), own)
