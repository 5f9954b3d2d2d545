"""The private keys for DKIM on this host: CONFIGDIR/dkim/DOMAIN/SELECTOR.pem, RSA or Ed25519."""

import base64
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hedwig.doctor.dkim_rules import ED25519, RSA, Key

FOLDER = "dkim"


def domains(config_dir: Path) -> list[str]:
    """Those that have a folder. OSError where that can't be read."""
    folder = config_dir / FOLDER
    return sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def keys_of(config_dir: Path, domain: str) -> list[Key]:
    """Its keys, by selector, without their records; also those that can't be read."""
    folder = config_dir / FOLDER / domain
    if domain in ("", ".", "..") or "/" in domain or not folder.is_dir():
        return []
    try:
        return [_key(domain, file) for file in sorted(folder.glob("*.pem"))]
    except OSError as error:
        return [Key(domain, "*", str(folder), trouble=error.strerror or str(error))]


def _key(domain: str, file: Path) -> Key:
    try:
        private = serialization.load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        return Key(domain, file.stem, str(file), trouble=error.strerror or str(error))
    except (ValueError, TypeError) as error:  # TypeError: it wants a password
        return Key(domain, file.stem, str(file), trouble=f"no private key in PEM: {error}")
    public = private.public_key()
    if isinstance(private, RSAPrivateKey):
        octets = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return Key(domain, file.stem, str(file), RSA, private.key_size, base64.b64encode(octets).decode())
    if isinstance(private, Ed25519PrivateKey):
        octets = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return Key(domain, file.stem, str(file), ED25519, 256, base64.b64encode(octets).decode())
    return Key(domain, file.stem, str(file), trouble="neither RSA nor Ed25519")
