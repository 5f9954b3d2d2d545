"""DANE for SMTP (RFC 6698, 7671, 7672): a receiver says in signed DNS which certificates its hosts have.

- this file: what a TLSA record says, and which of them count
- `names.py`: the names that a host's certificate may be for, and whether it is for one of them
- `verify.py`: whether a chain of certificates is one that the records stand for
- `presented.py`: the chain that a host showed in its handshake

How a delivery uses it: `Resolver.tlsa` (hedwig.mx) gives a host's records, with their base domain. None: DANE doesn't
apply to it. DNS can't say: the host is not to be used for now, or whoever can suppress answers could switch TLS off.
Records, but none that is `usable`: TLS is a must, and no certificate is checked (RFC 7672 §2.2). Else TLS is a must,
the base domain is what SNI says, and after a handshake without any check of OpenSSL's own `verify` decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hedwig.dane import der

# Certificate usages, selectors and matching types, by the words of RFC 7218.
DANE_TA, DANE_EE = 2, 3
CERT, SPKI = 0, 1
FULL, SHA2_256, SHA2_512 = 0, 1, 2
_OCTETS = {SHA2_256: 32, SHA2_512: 64}


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """One TLSA record (RFC 6698 §2.1) as DNS gave it, whatever its numbers are. `association` is the certificate or key
    itself (matching type 0), or its digest."""

    usage: int
    selector: int
    matching: int
    association: bytes

    def __str__(self) -> str:
        """For people, what is long cut short: "3 1 1 5ae1…"."""
        whole = self.presentation()
        return whole if len(whole) <= 140 else f"{whole[:38]}…"

    def presentation(self) -> str:
        """As zone files have it (RFC 6698 §2.2)."""
        return f"{self.usage} {self.selector} {self.matching} {self.association.hex()}"


def usable(records: Iterable[TlsaRecord]) -> tuple[TlsaRecord, ...]:
    """Those of a host's records that a certificate is held against; the others stand for nothing.

    Usages 0 and 1 rest on public authorities, which SMTP has no common set of: they are unusable (RFC 7672 §3.1.3). So
    is what is unknown, a digest of a wrong size, or a certificate or key that is none. Where there are digests of both
    kinds for one usage and selector the stronger ones alone count (RFC 7671 §9).
    """
    sound = [record for record in dict.fromkeys(records) if _is_sound(record)]
    strongest: dict[tuple[int, int], int] = {}
    for record in sound:
        kind = (record.usage, record.selector)
        strongest[kind] = max(strongest.get(kind, FULL), record.matching)
    return tuple(record for record in sound if record.matching in (FULL, strongest[record.usage, record.selector]))


def _is_sound(record: TlsaRecord) -> bool:
    if record.usage not in (DANE_TA, DANE_EE) or record.selector not in (CERT, SPKI):
        return False
    if record.matching != FULL:
        return len(record.association) == _OCTETS.get(record.matching, -1)
    return der.is_key(record.association) if record.selector == SPKI else der.is_certificate(record.association)
