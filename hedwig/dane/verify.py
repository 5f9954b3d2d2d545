"""Whether a chain of certificates is one that a host's TLSA records stand for (RFC 7671 §5, RFC 7672 §3).

One record that fits is enough.

- DANE-EE(3): the host's own certificate, or its key, is the one. Nothing else of it counts: not its names, not its
  dates, not who signed it (RFC 7672 §3.1.1).
- DANE-TA(2): an authority above the host's certificate is the one, the certificate comes down from it (`path.py`), and
  is for one of the host's names (`names.py`). The authority is among the certificates that the host showed after its
  own; one that is in DNS as a whole (2 0 0), or whose key is (2 1 0), need not be shown.

Meant for right after a handshake that checked nothing (CERT_NONE): that has proved that the peer holds the key of the
first certificate, and this says whose it is.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from cryptography import x509

from hedwig.dane import CERT, DANE_EE, DANE_TA, FULL, SHA2_256, SHA2_512, SPKI, TlsaRecord
from hedwig.dane.der import spki
from hedwig.dane.names import is_for, presented_names
from hedwig.dane.path import Unproved, check_path, signed_by

__all__ = ["Unproved", "verify"]

_MATCHING: dict[int, Callable[[bytes], bytes]] = {
    FULL: bytes,
    SHA2_256: lambda octets: hashlib.sha256(octets).digest(),
    SHA2_512: lambda octets: hashlib.sha512(octets).digest(),
}


def verify(chain: Sequence[bytes], records: Sequence[TlsaRecord], names: Iterable[str]) -> Unproved | None:
    """None if the chain (DER, the host's own certificate first) is one that a record stands for; else why it isn't.

    `records` are those that `hedwig.dane.usable` gave; ValueError where there are none, for then there is nothing to
    hold a certificate against. `names`: `hedwig.dane.names.reference_names`.
    """
    if not records:
        raise ValueError("no usable TLSA records: there is nothing to verify")
    if not chain:
        return Unproved("validation-failure", "the host showed no certificate")
    own, others = chain[0], [each for each in chain[1:] if each != chain[0]]
    if any(record.usage == DANE_EE and _fits(record, own) for record in records):
        return None
    authorities = [record for record in records if record.usage == DANE_TA]
    if not authorities:
        return Unproved("validation-failure", f"its certificate fits none of {_listed(records)}")
    try:
        return _under_authority(own, others, authorities, names)
    except ValueError as error:
        return Unproved("validation-failure", f"its certificates can't be read: {error}")


def _under_authority(
    own: bytes, others: Sequence[bytes], records: Sequence[TlsaRecord], names: Iterable[str]
) -> Unproved | None:
    anchors = [each for each in others if any(_fits(record, each) for record in records)]
    whole = [record for record in records if record.matching == FULL]
    anchors += [each.association for each in whole if each.selector == CERT and each.association != own]
    # A certificate that was shown says more than its bare key does: its dates, and whom it may sign for.
    keys = [each.association for each in whole if each.selector == SPKI and not any(_fits(each, one) for one in others)]
    anchors += [each for each in others if any(signed_by(each, key) for key in keys)]
    if any(signed_by(own, key) for key in keys):
        anchors, others = [own], ()
    if not anchors:
        return Unproved("validation-failure", f"no certificate that it showed fits any of {_listed(records)}")
    failed = check_path(own, others, list(dict.fromkeys(anchors)))
    if failed:
        return failed
    wanted = list(names)
    presented = presented_names(x509.load_der_x509_certificate(own))
    if is_for(presented, wanted):
        return None
    what = ", ".join(presented[:5]) or "no name"
    return Unproved("certificate-host-mismatch", f"its certificate is for {what}, not for {' or '.join(wanted)}")


def _fits(record: TlsaRecord, certificate: bytes) -> bool:
    """RFC 6698 §2.1: whether the record is about this certificate. What can't be read fits only as a whole."""
    try:
        octets = certificate if record.selector == CERT else spki(certificate)
    except ValueError:
        return False
    return _MATCHING[record.matching](octets) == record.association


def _listed(records: Sequence[TlsaRecord]) -> str:
    return "its TLSA records (" + ", ".join(map(str, records)) + ")"
