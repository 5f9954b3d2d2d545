"""Kinds of values that name hosts, domains and entries. As in kinds.py; pure."""

import ipaddress
import re

from hedwig.config.problem import Unfit, shown

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_WORD = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")


def host_name(text: str) -> str:
    """A host's name, in lower case (RFC 1123 §2.1). No slash, no leading dot: it is safe as a file's name."""
    name = text.lower()
    if not name.isascii():
        import idna  # seldom needed, and the operator's commands would wait for it

        try:
            right = f"write {idna.encode(name, uts46=True).decode('ascii')}"
        except (idna.IDNAError, UnicodeError):
            right = "use letters, digits, hyphens and dots"
        raise Unfit(f"{shown(text)} is not a host name in ASCII", right)
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Unfit(
            f"{shown(text)} is not a host name", "write it like less.example.com, without scheme, port or space"
        )
    if labels[-1].isdigit():
        raise Unfit(f"{shown(text)} is an address, not a host name", "write a name like less.example.com")
    return name


def ehlo(text: str) -> str:
    """A host name, or an address literal (RFC 5321 §4.1.3); "" leaves the choice to the worker."""
    if text.startswith("["):
        inner = text[1:-1].removeprefix("IPv6:")
        try:
            if text.endswith("]") and ipaddress.ip_address(inner).version == (6 if ":" in inner else 4):
                return text
        except ValueError:
            pass
        raise Unfit(f"{shown(text)} is no address literal", "write [192.0.2.1] or [IPv6:2001:db8::1], in quotes")
    return host_name(text) if text else ""


def domain(text: str) -> str:
    """A recipient domain in lower-case A-labels; one in Unicode is turned into them (RFC 5891)."""
    try:
        return host_name(text if text.isascii() else _in_ascii(text))
    except UnicodeError:  # IDNAError is one
        raise Unfit(f"{shown(text)} is not a domain", "write it like example.com") from None


def domain_or_below(text: str) -> str:
    """A domain, or ".example.com" for all below it."""
    return f".{domain(text[1:])}" if text.startswith(".") else domain(text)


def host_or_below(text: str) -> str:
    """A mail server's name, or ".example.com" for all below it."""
    return f".{host_name(text[1:])}" if text.startswith(".") else host_name(text)


def word(text: str) -> str:
    """The name of an entry."""
    if not _WORD.fullmatch(text):
        raise Unfit(f"{shown(text)} is not a name", "use up to 40 small letters, digits and hyphens")
    return text


def word_or_none(text: str) -> str:
    """The same, or ""."""
    return word(text) if text else ""


def host_or_address(text: str) -> str:
    """A host's name, or an IP address, or ""."""
    if not text:
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return host_name(text)


def mailbox_or_none(text: str) -> str:
    """A mail address in ASCII, with a domain; or ""."""
    if not text:
        return ""
    from hedwig.address import Address, AddressError  # it takes a while to load

    try:
        address = Address.parse(text)
    except AddressError as error:
        raise Unfit(f"{shown(text)} is no mail address: {error}", "write it like name@example.com") from None
    if not text.isascii() or address.destination.startswith("["):
        raise Unfit(f"{shown(text)} is no mail address in ASCII, at a domain", "write it like name@example.com")
    return text


def _in_ascii(text: str) -> str:
    import idna

    return idna.encode(text, uts46=True).decode("ascii")
