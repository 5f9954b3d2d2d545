"""The envelope: whom a message is from and for, apart from what its headers say (RFC 5321 §2.3.1)."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from hedwig.address import Address


@dataclass(frozen=True, slots=True)
class Envelope:
    """`mailfrom` is "" for the null sender (I7). Addresses are checked text without brackets."""

    mailfrom: str
    rcpttos: tuple[str, ...]

    def by_destination(self) -> dict[str, tuple[str, ...]]:
        """Recipients by destination: lower-case A-label domain, or an address literal with its brackets.

        A recipient named twice is kept once, the first spelling wins: nobody gets a letter doubled.
        """
        groups: dict[str, dict[tuple[str, str], str]] = {}
        for rcptto in self.rcpttos:
            address = Address.parse(rcptto)
            groups.setdefault(address.destination, {}).setdefault((address.local, address.destination), rcptto)
        return {destination: tuple(members.values()) for destination, members in groups.items()}


def digest(envelope: Envelope, body: Iterable[bytes]) -> bytes:
    """SHA-256 (32 bytes) over envelope and body, by which a repeated submission is known again (I3).

    `body` comes in pieces of any size. Each address is preceded by its length, so that no two envelopes look alike.
    """
    sha = hashlib.sha256()
    for address in (envelope.mailfrom, *envelope.rcpttos):
        encoded = address.encode()
        sha.update(b"%d:" % len(encoded) + encoded)
    sha.update(b"\n")
    for piece in body:
        sha.update(piece)
    return sha.digest()
