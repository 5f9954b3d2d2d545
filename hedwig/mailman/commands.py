"""What stands behind MAIL and RCPT, read strictly (RFC 5321 §4.1.1, RFC 1870, RFC 6152, RFC 6531).

Pure: bytes in, a value or the Reply that refuses out. An address stands in angle brackets; `<>` is a sender only;
8-bit bytes are UTF-8 and announced by SMTPUTF8. A parameter that was not announced is 555 5.5.4, a malformed one
501 5.5.4. Nothing is repaired.
"""

import re
from dataclasses import dataclass

from hedwig.address import Address, AddressError
from hedwig.reply import Reply, one_line

# A quoted local part may hold ">" and blanks; each branch begins with another character, so this can't blow up.
_PATH = re.compile(r'[ \t]*<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(?:[ \t]+(.*))?\Z', re.DOTALL)
_BLANKS = re.compile(r"[ \t]+")
_SIZE = re.compile(r"[0-9]{1,20}\Z")  # RFC 1870 §3
_BAD_SENDER = "5.1.7"
_BAD_RECIPIENT = "5.1.3"
_NEEDS_SMTPUTF8 = Reply(
    553, "5.6.7", "the address is not plain ASCII: announce SMTPUTF8 with MAIL, or write the domain as xn--"
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A MAIL command. `address` is "" for the null sender (I7); `size` in octets, 0 where none was declared."""

    address: str
    size: int
    smtputf8: bool


def mail(argument: bytes) -> Mail | Reply:
    """Read what follows "MAIL "."""
    found = _path(argument, b"FROM:", "MAIL FROM:<name@example.com>", _BAD_SENDER)
    if isinstance(found, Reply):
        return found
    address, rest = found
    parameters = _parameters(rest)
    if isinstance(parameters, Reply):
        return parameters
    wrong = _check_parameters(parameters)
    if wrong:
        return wrong
    smtputf8 = "SMTPUTF8" in parameters
    wrong = _check_address(address, smtputf8, _BAD_SENDER) if address else None
    return wrong or Mail(address, int(parameters.get("SIZE", "0")), smtputf8)


def rcpt(argument: bytes, smtputf8: bool) -> str | Reply:
    """Read what follows "RCPT ": the address. `smtputf8`: whether MAIL announced it."""
    found = _path(argument, b"TO:", "RCPT TO:<name@example.com>", _BAD_RECIPIENT)
    if isinstance(found, Reply):
        return found
    address, rest = found
    if not address:
        return Reply(501, _BAD_RECIPIENT, "the empty address <> is a sender only, it can't receive")
    parameters = _parameters(rest)
    if isinstance(parameters, Reply):
        return parameters
    if parameters:
        return _unknown(next(iter(parameters)))
    return _check_address(address, smtputf8, _BAD_RECIPIENT) or address


def _path(argument: bytes, keyword: bytes, form: str, status: str) -> tuple[str, str] | Reply:
    """The address between the brackets, and what follows them."""
    if argument[: len(keyword)].upper() != keyword:
        return Reply(501, "5.5.4", f"write {form}")
    try:
        text = argument[len(keyword) :].decode()
    except UnicodeDecodeError:
        return Reply(501, status, "the address has 8-bit bytes that are not UTF-8")
    found = _PATH.match(text)
    if found:
        return found[1], (found[2] or "").strip(" \t")
    if "<" in text and ">" not in text:
        return Reply(501, status, "the address has no closing bracket")
    return Reply(501, status, f"the address does not stand alone between brackets: write {form}")


def _check_address(address: str, smtputf8: bool, status: str) -> Reply | None:
    try:
        Address.parse(address)
    except AddressError as error:
        return Reply(501, status, one_line(str(error)))
    return None if smtputf8 or address.isascii() else _NEEDS_SMTPUTF8


def _parameters(text: str) -> dict[str, str] | Reply:
    """`KEY=VALUE KEY` as a dict with upper-case keys (RFC 5321 §4.1.2); a key given twice is refused."""
    parameters: dict[str, str] = {}
    for word in filter(None, _BLANKS.split(text)):  # str.split would take a CR or an ideographic space for a blank
        key, equals, value = word.partition("=")
        key = key.upper()
        if key in parameters or (equals and not value):
            return Reply(501, "5.5.4", one_line(f"malformed parameter {word[:60]}"))
        parameters[key] = value
    return parameters


def _check_parameters(parameters: dict[str, str]) -> Reply | None:
    """Whether MAIL's parameters are known and well formed."""
    for key, value in parameters.items():
        if key == "SIZE":
            if not _SIZE.match(value):
                return Reply(501, "5.5.4", "SIZE wants a number of octets")
        elif key == "BODY":
            if value.upper() not in ("7BIT", "8BITMIME"):
                return Reply(501, "5.5.4", "BODY is 7BIT or 8BITMIME")
        elif key == "SMTPUTF8":
            if value:
                return Reply(501, "5.5.4", "SMTPUTF8 takes no value")
        else:
            return _unknown(key)
    return None


def _unknown(key: str) -> Reply:
    return Reply(555, "5.5.4", one_line(f"parameter {key[:60]} is not known here").encode("ascii", "replace").decode())
