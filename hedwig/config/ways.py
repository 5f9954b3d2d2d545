"""Kinds of values that say how receivers are reached. As in kinds.py; pure."""

import datetime
import enum
import ipaddress
from collections.abc import Callable
from typing import TypeVar

from hedwig.config.problem import Unfit, shown
from hedwig.settings import EightBit, Family, Tls

E = TypeVar("E", bound=enum.StrEnum)


def one_of(words: type[E]) -> Callable[[str], E]:
    """The parser of a kind that has some words alone."""

    def parse(text: str) -> E:
        try:
            return words(text)
        except ValueError:
            known = [member.value for member in words]
            raise Unfit(f"{shown(text)} is none of them", f"write {', '.join(known[:-1])} or {known[-1]}") from None

    return parse


tls = one_of(Tls)
family = one_of(Family)
eight_bit = one_of(EightBit)


def tls_or_none(text: str) -> Tls | None:
    """As tls; "" leaves it to what is said elsewhere."""
    return tls(text) if text else None


def ipv4_or_none(text: str) -> str:
    """An IPv4 address, or ""."""
    return _ip(text, ipaddress.IPv4Address, "198.51.100.7") if text else ""


def ipv6_or_none(text: str) -> str:
    """An IPv6 address, or ""."""
    return _ip(text, ipaddress.IPv6Address, '"2001:db8::7"') if text else ""


def _ip(text: str, version: type[ipaddress.IPv4Address | ipaddress.IPv6Address], example: str) -> str:
    try:
        address = version(text)
    except ValueError:
        raise Unfit(f"{shown(text)} is not an {version.__name__[:4]} address", f"write it like {example}") from None
    if address.is_unspecified or address.is_multicast or "%" in text:
        raise Unfit(f"{shown(text)} is no address of a host", f"write it like {example}")
    return str(address)


def day_or_none(text: str) -> str:
    """A day, or ""."""
    try:
        return datetime.date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise Unfit(f"{shown(text)} is not a day", "write it like 2026-11-30") from None
