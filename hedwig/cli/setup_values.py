"""Kinds of values that `hedwig setup` is given, as options or answers."""

import ipaddress
from collections.abc import Callable

import click

from hedwig.cli.dkim import Domain
from hedwig.cli.language import told_of
from hedwig.cli.terminal import clean
from hedwig.config import Unfit
from hedwig.config.names import host_name, mailbox_or_none
from hedwig.doctor.address_rules import hidden

__all__ = ["Address", "Domain", "Ehlo", "Recipient"]


class _Value(click.ParamType):
    """What `read` makes of the text."""

    def __init__(self, name: str, read: Callable[[str], str]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is written in settings, or a usage error."""
        try:
            return self._read(value.strip())
        except Unfit as error:
            self.fail(clean(told_of(error)), param, ctx)


def _full_name(text: str) -> str:
    name = host_name(text)
    if "." not in name:
        raise Unfit(f"{name} has no dot, and receivers refuse such a name", "write a full one like mail.example.com")
    return name


def _address(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise Unfit(f"{text!a} is no IPv4 address", "write it like 192.0.2.1") from None
    if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        raise Unfit(f"no mail can leave from {address}", "write the address that others see, like 192.0.2.1")
    if hidden(text) or address.is_reserved:
        raise Unfit(f"{address} is an inner address", "write the address that others see, like 192.0.2.1")
    return str(address)


class Ehlo(_Value):
    """The name in EHLO."""

    def __init__(self) -> None:
        super().__init__("NAME", _full_name)


class Address(_Value):
    """An IPv4 address."""

    def __init__(self) -> None:
        super().__init__("ADDRESS", _address)


class Recipient(_Value):
    """A mail address, or ""."""

    def __init__(self) -> None:
        super().__init__("ADDRESS", mailbox_or_none)
