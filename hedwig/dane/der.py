"""The SubjectPublicKeyInfo of a certificate, octet by octet as it stands there (RFC 5280 §4.1, X.690).

A digest in DNS is over these octets. A library that parses the key and writes it anew need not give the same ones, and
gives none for a kind of key that it doesn't know.
"""

_SEQUENCE = 0x30
_VERSION = 0xA0  # [0] EXPLICIT, left out in version 1
_BEFORE = 5  # serial number, signature algorithm, issuer, validity, subject


def is_certificate(octets: bytes) -> bool:
    """Whether it has a certificate's form, as far as its key."""
    try:
        return bool(spki(octets)) and _header(octets, 0)[1] == len(octets)
    except ValueError:
        return False


def is_key(octets: bytes) -> bool:
    """Whether it has the form of a SubjectPublicKeyInfo."""
    try:
        return _inside(octets, 0, _SEQUENCE)[1] == len(octets)
    except ValueError:
        return False


def spki(certificate: bytes) -> bytes:
    """The key's octets. ValueError where that is no certificate."""
    start, _ = _inside(certificate, 0, _SEQUENCE)  # Certificate
    at, end = _inside(certificate, start, _SEQUENCE)  # TBSCertificate
    if at < end and certificate[at] == _VERSION:
        at = _header(certificate, at)[1]
    for _ in range(_BEFORE):
        at = _header(certificate, at)[1]
    after = _inside(certificate, at, _SEQUENCE)[1]
    if after > end:
        raise ValueError("the key reaches past the end of the certificate")
    return certificate[at:after]


def _inside(octets: bytes, at: int, tag: int) -> tuple[int, int]:
    """Start and end of the contents of the element at `at`, which has this tag."""
    if at >= len(octets) or octets[at] != tag:
        raise ValueError(f"no element {tag:#04x} at octet {at}")
    return _header(octets, at)


def _header(octets: bytes, at: int) -> tuple[int, int]:
    """Start and end of the contents of the element at `at`."""
    if at + 2 > len(octets):
        raise ValueError("the certificate is cut off")
    length, start = octets[at + 1], at + 2
    if length & 0x80:
        more = length & 0x7F
        if not 1 <= more <= 4 or start + more > len(octets):
            raise ValueError(f"no length at octet {at + 1}")
        length, start = int.from_bytes(octets[start : start + more], "big"), start + more
    if start + length > len(octets):
        raise ValueError("the certificate is cut off")
    return start, start + length
