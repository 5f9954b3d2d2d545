"""Private keys by python3-cryptography: read, made, written. What they sign with is OpenSSL's.

RSA keys under 1,024 bits sign nothing (RFC 8301 §3.2: no receiver counts them); 2,048 is what is made. PEM in PKCS #8
or, as opendkim-genkey writes it, PKCS #1. No key has a password: a daemon could not be asked for it.
"""

from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from hedwig.dkim.keys import ED25519, RSA, Key

LEAST_BITS = 1024
MADE_BITS = 2048
MOST_BITS = 4096  # a record with a larger one is past what receivers must read (RFC 8301 §3.2)


class BadKey(ValueError):
    """str(error) says what is wrong with the file."""


class UnfitSize(BadKey):
    """The key is whole, but no copy of it would serve."""


def read(pem: bytes, domain: str, selector: str) -> Key:
    """The key in a PEM file, or BadKey."""
    try:
        private = load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadKey("it is encrypted with a password, which nobody could be asked for") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("it is no private key in PEM, or a damaged one") from None
    if isinstance(private, Ed25519PrivateKey):
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        # RFC 8463 §3: what is signed is the hash.
        return Key(domain, selector, ED25519, 0, raw, lambda octets: private.sign(sha256(octets).digest()))
    if not isinstance(private, RSAPrivateKey):
        raise BadKey("DKIM has RSA and Ed25519 keys alone, and this is neither")
    if not LEAST_BITS <= private.key_size <= MOST_BITS:
        raise UnfitSize(f"it has {private.key_size} bits: RSA keys have {LEAST_BITS} to {MOST_BITS}, best {MADE_BITS}")
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    sign, scheme, digest = private.sign, padding.PKCS1v15(), SHA256()
    return Key(domain, selector, RSA, private.key_size, spki, lambda octets: sign(octets, scheme, digest))


def made(algorithm: str) -> bytes:
    """A new private key, as the PEM file that `read` takes."""
    if algorithm == ED25519:
        private: Ed25519PrivateKey | RSAPrivateKey = Ed25519PrivateKey.generate()
    else:
        private = generate_private_key(65537, MADE_BITS)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
