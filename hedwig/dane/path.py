"""Whether a certificate comes down from an authority that is trusted for this once (DANE-TA; RFC 5280 §6).

OpenSSL builds the path and checks it: signatures, dates, who may sign for whom, critical extensions. It may end at any
trusted certificate, also one that another has signed. What OpenSSL's TLS adds to that, and a path alone lacks, is added
here: the certificates must be for TLS servers where they say what they are for, and keys and signatures must not be
known for weak (as at OpenSSL's security level 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

_EXPIRED = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_WEAK = (hashes.MD5, hashes.SHA1)
_LEAST_RSA = 1024  # bits
_FOR_SERVERS = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@dataclass(frozen=True, slots=True)
class Unproved:
    """Why a chain of certificates is not the host's: `result` in the words of RFC 8460 §4.3, `text` for people."""

    result: str
    text: str


def check_path(leaf: bytes, between: Sequence[bytes], anchors: Sequence[bytes]) -> Unproved | None:
    """None if `leaf` comes down from one of `anchors`, by way of any of `between` (all DER). ValueError: one of them
    can't be read."""
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    try:
        for anchor in anchors:
            store.add_cert(_loaded(anchor))
    except crypto.Error as error:
        raise ValueError(f"a certificate can't be read: {error}") from error
    return check_store(store, leaf, between)


def check_store(store: crypto.X509Store, leaf: bytes, between: Sequence[bytes]) -> Unproved | None:
    """The same, by the authorities of a store."""
    try:
        context = crypto.X509StoreContext(store, _loaded(leaf), [_loaded(each) for each in between])
        path = [each.to_cryptography() for each in context.get_verified_chain()]
    except crypto.X509StoreContextError as error:
        number, depth, text = error.errors
        result = "certificate-expired" if number in _EXPIRED else "certificate-not-trusted"
        return Unproved(result, f"{text} (certificate {depth} of the path)")
    except crypto.Error as error:
        raise ValueError(f"a certificate can't be read: {error}") from error
    for depth, certificate in enumerate(path):
        why = _unfit(certificate, is_anchor=depth == len(path) - 1)
        if why:
            return Unproved("certificate-not-trusted", f"{why} (certificate {depth} of the path)")
    return None


def signed_by(certificate: bytes, spki: bytes) -> bool:
    """Whether the certificate bears a signature of this key, of a kind that is not weak. Never raises: what can't be
    read bears none."""
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        key = load_der_public_key(spki)
        algorithm = _hash_of(parsed)
        signature, content = parsed.signature, parsed.tbs_certificate_bytes
        if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, content)
        elif algorithm is None or isinstance(algorithm, _WEAK):
            return False
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, content, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _loaded(der: bytes) -> crypto.X509:
    return crypto.load_certificate(crypto.FILETYPE_ASN1, der)


def _unfit(certificate: x509.Certificate, is_anchor: bool) -> str:
    """What is wrong with one certificate of a path that holds; "" where nothing is. Nobody relies on the signature of
    an anchor."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        pass
    else:
        if _FOR_SERVERS.isdisjoint(usage.value):
            return "not for TLS servers"
    bits = _rsa_bits(certificate)
    if bits and bits < _LEAST_RSA:
        return f"a key of {bits} bits is too weak"
    algorithm = None if is_anchor else _hash_of(certificate)
    return f"a signature with {algorithm.name} is too weak" if isinstance(algorithm, _WEAK) else ""


def _rsa_bits(certificate: x509.Certificate) -> int:
    """0 where the key is of another kind."""
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):  # cryptography doesn't know it, and OpenSSL does: RSA-PSS
        return 0
    return key.key_size if isinstance(key, rsa.RSAPublicKey) else 0


def _hash_of(certificate: x509.Certificate) -> hashes.HashAlgorithm | None:
    """None where the signature has none of its own, or is of a kind that cryptography doesn't know (RSA-PSS)."""
    try:
        return certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
