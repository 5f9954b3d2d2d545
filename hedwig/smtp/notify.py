"""DSN's parameters of MAIL and RCPT (RFC 3461 §4, RFC 6533 §3): what a sender wants to hear, in the words of the wire.

They are passed on exactly as they came, and none is made up (RFC 3461 §5.1). What comes out is printable ASCII without
a blank in any value, so that it ends no command and begins no other parameter, whatever went in (I11). Pure.
"""

import re

from hedwig.options import Options

_NOT_XCHAR = re.compile(rb"[^!-*,-<>-~]")
_NOT_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")
_TYPE = re.compile(r"[A-Za-z0-9-]{1,40}\Z")


def of_mail(options: Options) -> bytes:
    """RET and ENVID, each with a blank before it; b"" where neither was given."""
    ret = f" RET={options.ret}" if options.ret else ""
    envid = f" ENVID={xtext(options.envid)}" if options.envid else ""
    return (ret + envid).encode("ascii")


def of_rcpts(options: Options) -> dict[str, bytes]:
    """NOTIFY and ORCPT, each with a blank before it, by recipient. Who has neither may be missing."""
    return {each.rcptto: (_notify(each.when) + _orcpt(each.orcpt)).encode("ascii") for each in options.notify}


def xtext(text: str) -> str:
    """`text` with "+" and two hex digits for each octet of its UTF-8 that is no xchar (RFC 3461 §4)."""
    return _NOT_XCHAR.sub(lambda found: b"+%02X" % found[0][0], text.encode("utf-8", "replace")).decode("ascii")


def original(typed: str) -> str:
    """An original recipient "type;address", as it was given and decoded, in the form for the wire; "" where it has no
    type that can be one. The address type utf-8 is written so that hosts without SMTPUTF8 take it too."""
    kind, _, address = typed.partition(";")
    if not address or not _TYPE.match(kind):
        return ""
    return f"{kind};{_embedded(address) if kind.lower() == 'utf-8' else xtext(address)}"


def _embedded(address: str) -> str:
    r"""RFC 6533 §3's utf-8-addr-xtext: \x{4E2D} for each character that is no QCHAR."""
    return _NOT_QCHAR.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)


def _notify(when: tuple[str, ...]) -> str:
    return f" NOTIFY={','.join(when)}" if when else ""


def _orcpt(typed: str) -> str:
    wire = original(typed)
    return f" ORCPT={wire}" if wire else ""
