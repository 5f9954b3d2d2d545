"""What stands behind MAIL and RCPT, read strictly (RFC 5321 §4.1.1, RFC 1870, RFC 3461, RFC 6152, RFC 6531).

Pure: bytes in, a value or the Reply that refuses out. An address stands in angle brackets; `<>` is a sender only;
8-bit bytes are UTF-8 and announced by SMTPUTF8. A parameter that was not announced is 555 5.5.4, a malformed one
501 5.5.4. Nothing is repaired.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hedwig.address import Address, AddressError
from hedwig.mailman import notify
from hedwig.options import Notify
from hedwig.reply import Reply, one_line

# A quoted local part may hold ">" and blanks; each branch begins with another character, so this can't blow up.
_PATH = re.compile(r'[ \t]*<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(?:[ \t]+(.*))?\Z', re.DOTALL)
_BLANKS = re.compile(r"[ \t]+")
_SIZE = re.compile(r"[0-9]{1,20}\Z")  # RFC 1870 §3
Reader = Callable[[str], Any]  # of a parameter's value; gives what it means, or the Reply that refuses it
_BAD_SENDER = "5.1.7"
_BAD_RECIPIENT = "5.1.3"
_NEEDS_SMTPUTF8 = Reply(
    553, "5.6.7", "the address is not plain ASCII: announce SMTPUTF8 with MAIL, or write the domain as xn--"
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A MAIL command. `address` is "" for the null sender (I7); `size` in octets, 0 where none was declared. `ret` and
    `envid`: as in Options."""

    address: str
    size: int
    smtputf8: bool
    ret: str = ""
    envid: str = ""


def mail(argument: bytes) -> Mail | Reply:
    """Read what follows "MAIL "."""
    found = _path(argument, b"FROM:", "MAIL FROM:<name@example.com>", _BAD_SENDER)
    if isinstance(found, Reply):
        return found
    address, rest = found
    parameters = _parameters(rest)
    if isinstance(parameters, Reply):
        return parameters
    read = _read(parameters, _OF_MAIL)
    if isinstance(read, Reply):
        return read
    smtputf8 = "SMTPUTF8" in read
    wrong = _check_address(address, smtputf8, _BAD_SENDER) if address else None
    return wrong or Mail(address, int(read.get("SIZE", 0)), smtputf8, read.get("RET", ""), read.get("ENVID", ""))


def rcpt(argument: bytes, smtputf8: bool) -> Notify | Reply:
    """Read what follows "RCPT ". `smtputf8`: whether MAIL announced it."""
    found = _path(argument, b"TO:", "RCPT TO:<name@example.com>", _BAD_RECIPIENT)
    if isinstance(found, Reply):
        return found
    address, rest = found
    if not address:
        return Reply(501, _BAD_RECIPIENT, "the empty address <> is a sender only, it can't receive")
    parameters = _parameters(rest)
    if isinstance(parameters, Reply):
        return parameters
    if not parameters:
        return _check_address(address, smtputf8, _BAD_RECIPIENT) or Notify(address)
    read = _read(parameters, _OF_RCPT)
    if isinstance(read, Reply):
        return read
    wished = Notify(address, read.get("NOTIFY", ()), read.get("ORCPT", ""))
    # RFC 6533 §3: an address that is not ASCII comes as it is only where MAIL said SMTPUTF8.
    if not (smtputf8 or parameters.get("ORCPT", "").isascii()):
        return _NEEDS_SMTPUTF8
    return _check_address(address, smtputf8, _BAD_RECIPIENT) or wished


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


def _read(parameters: dict[str, str], known: Mapping[str, Reader]) -> dict[str, Any] | Reply:
    """The values of the parameters; or the refusal of the first that is not known, or malformed."""
    read: dict[str, Any] = {}
    for key, value in parameters.items():
        if key not in known:
            return _unknown(key)
        found = known[key](value)
        if isinstance(found, Reply):
            return found
        read[key] = found
    return read


def _size(value: str) -> int | Reply:
    return int(value) if _SIZE.match(value) else Reply(501, "5.5.4", "SIZE wants a number of octets")


def _body(value: str) -> str | Reply:
    word = value.upper()
    return word if word in ("7BIT", "8BITMIME") else Reply(501, "5.5.4", "BODY is 7BIT or 8BITMIME")


def _smtputf8(value: str) -> str | Reply:
    return Reply(501, "5.5.4", "SMTPUTF8 takes no value") if value else ""


_OF_MAIL: Mapping[str, Reader] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "RET": notify.ret,
    "ENVID": notify.envid,
}
_OF_RCPT: Mapping[str, Reader] = {"NOTIFY": notify.notify, "ORCPT": notify.orcpt}


def _unknown(key: str) -> Reply:
    return Reply(555, "5.5.4", one_line(f"parameter {key[:60]} is not known here").encode("ascii", "replace").decode())
