"""A private certificate authority for one postoffice, where no public one gives a certificate for its name.

DIRECTORY holds `ca.pem` and `ca.key` (made once, 20 years) and NAME.pem and NAME.key (10 years, made again where they
are missing, for another name or near their end). Keys are ECDSA P-256, for root alone. The authority is good for server
certificates only and signs no other authority; the certificates stand a strict check (RFC 5280: key identifiers,
critical constraints), so Python's VERIFY_X509_STRICT takes them.
"""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hedwig.cli.files import replace
from hedwig.cli.nginx import Pair

_DAY = datetime.timedelta(days=1)
_AUTHORITY_DAYS = 20 * 365
_SERVER_DAYS = 10 * 365
_RENEW_DAYS = 365  # a server's certificate with less than this left is made again


@dataclass(frozen=True, slots=True)
class _Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def pair_for(name: str, directory: Path, now: datetime.datetime) -> Pair:
    """A server's certificate for `name`, a host name or an IP address; made if need be. OSError, ValueError."""
    signer = _authority(Pair(directory / "ca.pem", directory / "ca.key"), now)
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    if not _is_good(pair, name, signer, now):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(name, signer.certificate.subject, key, now)
            .not_valid_after(now + _SERVER_DAYS * _DAY)
            .add_extension(x509.SubjectAlternativeName([_subject(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(_issuer(signer), critical=False)
        )
        _write(pair, key, builder.sign(signer.key, hashes.SHA256()))
    return pair


def _authority(pair: Pair, now: datetime.datetime) -> _Signer:
    there = [path for path in (pair.certificate, pair.key) if path.exists()]
    if len(there) == 1:  # a new authority would shut out every host that trusts the old one
        raise ValueError(
            f"of {pair.certificate} and {pair.key} only {there[0].name} is there: put the other one back, "
            f"or remove {there[0].name} and give all hosts the new ca.pem"
        )
    if there:
        return _signer(pair)
    key = ec.generate_private_key(ec.SECP256R1())
    name = f"hedwig's private authority of {now:%Y-%m-%d}"
    builder = (
        _builder(name, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, now)
        .not_valid_after(now + _AUTHORITY_DAYS * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256())
    _write(pair, key, certificate)
    return _Signer(certificate, key)


def _signer(pair: Pair) -> _Signer:
    try:
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise ValueError(f"{pair.certificate} and {pair.key} are no authority of ours: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{pair.key} is no ECDSA key")  # noqa: TRY004 -- what a file holds, not what code passed
    return _Signer(certificate, key)


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    """What both kinds have in common; a common name has 64 characters at most (RFC 5280 A.1)."""
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _issuer(signer: _Signer) -> x509.AuthorityKeyIdentifier:
    identifier = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _is_good(pair: Pair, name: str, signer: _Signer, now: datetime.datetime) -> bool:
    """Whether the server's certificate is there, for this name, and not near its end. ValueError for one that is not of
    this authority: it is somebody's own, and not ours to replace."""
    if not pair.certificate.exists() or not pair.key.exists():
        return False
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        ours = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value == _issuer(signer)
    except (ValueError, x509.ExtensionNotFound):
        ours = False
    if not ours:
        given = f"--cert {pair.certificate} --key {pair.key}"
        raise ValueError(f"{pair.certificate} is not of the authority beside it: use it by {given}, or move both away")
    return _subject(name) in names and _end(certificate) - _RENEW_DAYS * _DAY > now


def _end(certificate: x509.Certificate) -> datetime.datetime:
    """When it ends, in UTC. From cryptography 42 on there is a property that says so, and the other one complains."""
    aware: datetime.datetime | None = getattr(certificate, "not_valid_after_utc", None)
    return aware or certificate.not_valid_after.replace(tzinfo=datetime.UTC)


def _write(pair: Pair, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    """The key first: a certificate without its key would be no use."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    replace(pair.key, pem.decode(), secret=True)
    replace(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM).decode())
