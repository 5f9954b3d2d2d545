"""What the tests of DKIM share: keys (made once; an RSA key takes a while), and dkimpy as a receiver that has them."""

from collections.abc import Callable
from functools import cache

import dkim

from hedwig.dkim import private, record
from hedwig.dkim.keys import ALGORITHMS, Key, Keys
from hedwig.dkim.sign import Signer

NOW = 1_790_000_000.0
DOMAIN = "example.com"


@cache
def pem(algorithm: str) -> bytes:
    """A private key's file."""
    return private.made(algorithm)


def key(algorithm: str, domain: str = DOMAIN, selector: str = "") -> Key:
    return private.read(pem(algorithm), domain, selector or algorithm)


def keys(domain: str = DOMAIN, algorithms: tuple[str, ...] = ALGORITHMS) -> Keys:
    return Keys({domain: tuple(key(each, domain) for each in algorithms)})


def signer(domain: str = DOMAIN, algorithms: tuple[str, ...] = ALGORITHMS) -> Signer:
    return Signer(keys(domain, algorithms), lambda: NOW)


def verified(message: bytes, domain: str = DOMAIN) -> list[bool]:
    """What dkimpy says of each signature of `domain`, from the top; it asks a DNS that has our keys alone."""
    records = {each.name + ".": record.value(each).encode() for each in keys(domain)}

    def dns(name: bytes, timeout: int = 5) -> bytes | None:
        del timeout
        return records.get(name.decode())

    count = sum(line.lower().startswith(b"dkim-signature:") for line in message.split(b"\r\n\r\n")[0].split(b"\r\n"))
    return [_verified(message, number, dns) for number in range(count)]


def _verified(message: bytes, number: int, dns: Callable[..., bytes | None]) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(idx=number, dnsfunc=dns))
    except dkim.DKIMException:  # the body's hash differs, or a signature is malformed
        return False
