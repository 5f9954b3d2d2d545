"""Whether a host's certificate comes from an authority that is trusted, and is for its name (RFC 5280, RFC 9525).

Looked at after a handshake that checked nothing, like DANE's (hedwig/dane/verify.py), so that a connection can be held
against one rule or the other, or be judged without consequences (MTA-STS's testing mode).

The name must be among the certificate's DNS names, "*" standing for its whole first label; for an address among its
addresses. Common names don't count (RFC 8461 §4.2).
"""

import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from OpenSSL import crypto

from hedwig.dane.names import is_for
from hedwig.dane.path import Unproved, check_store


class Trust:
    """The authorities of `ca_file` (PEM, or a folder of such under their hashes), or else the system's. ValueError
    where that can't be used. Not thread-safe."""

    def __init__(self, ca_file: str = "") -> None:
        self._store = crypto.X509Store()
        file, folder = (None, ca_file) if Path(ca_file or ".").is_dir() else (ca_file, None)
        if not ca_file:
            system = ssl.get_default_verify_paths()
            file, folder = system.cafile, system.capath
            if not (file or folder):
                return  # without certificates nobody is trusted
        try:
            self._store.load_locations(file, folder)
        except crypto.Error as error:
            raise ValueError(f"no CA certificates can be read from {file or folder}") from error

    def check(self, chain: Sequence[bytes], host: str) -> Unproved | None:
        """None if `chain` (DER, the host's own first) is that of `host`, a name in lower case or an address; else why
        it isn't."""
        if not chain:
            return Unproved("validation-failure", "the host showed no certificate")
        try:
            failed = check_store(self._store, chain[0], chain[1:])
            presented = _names(chain[0])
        except ValueError as error:
            return Unproved("validation-failure", f"its certificates can't be read: {error}")
        if failed or is_for(presented, [host]):
            return failed
        what = ", ".join(presented[:5]) or "no name"
        return Unproved("certificate-host-mismatch", f"its certificate is for {what}, not for {host}")


def _names(certificate: bytes) -> list[str]:
    try:
        found = x509.load_der_x509_certificate(certificate).extensions
        names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    # A wildcard is for names: "*.0.2.1" is no certificate for 192.0.2.1.
    plain = [name for name in names.get_values_for_type(x509.DNSName) if not _is_address(name.removeprefix("*."))]
    return [*plain, *addresses]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return text.rpartition(".")[2].isdigit()
    return True
