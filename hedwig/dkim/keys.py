"""Whose keys there are, and which of them sign for a domain. Pure; what a key does is private.py's."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

RSA = "rsa"
ED25519 = "ed25519"
ALGORITHMS = (RSA, ED25519)  # in the order in which signatures stand in a letter


@dataclass(frozen=True, slots=True)
class Key:
    """A private key. `domain` (lower-case A-labels) and `selector` are what a signature's d= and s= say. `algorithm`:
    RSA or ED25519; `bits`: of an RSA modulus; `public`: as the p= of its DNS record holds it, decoded. `sign` makes a
    signature of these octets, SHA-256 included."""

    domain: str
    selector: str
    algorithm: str
    bits: int
    public: bytes = field(repr=False)
    sign: Callable[[bytes], bytes] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Where its DNS record stands (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


class Keys:
    """The keys that sign, by domain. False where there are none."""

    def __init__(self, by_domain: Mapping[str, tuple[Key, ...]] | None = None) -> None:
        self._by_domain = {
            domain: tuple(sorted(keys, key=lambda key: ALGORITHMS.index(key.algorithm)))
            for domain, keys in (by_domain or {}).items()
            if keys
        }

    def __bool__(self) -> bool:
        return bool(self._by_domain)

    def __iter__(self) -> Iterator[Key]:
        return (key for domain in sorted(self._by_domain) for key in self._by_domain[domain])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keys) and self._by_domain == other._by_domain

    def __hash__(self) -> int:
        return hash(tuple(self))

    def of(self, domain: str) -> tuple[Key, ...]:
        """Those that sign for an address of this domain (lower-case A-labels): its own, or those of the nearest domain
        above it, never of a top-level one. Empty where there are none."""
        while "." in domain:
            if found := self._by_domain.get(domain):
                return found
            domain = domain.partition(".")[2]
        return ()


NO_KEYS = Keys()
