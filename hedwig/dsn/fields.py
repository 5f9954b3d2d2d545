r"""Part two of a notification: message/delivery-status, for programs (RFC 3464 §2, RFC 6533 §4).

A group of fields about the message, then one for each recipient. Nothing from outside can break out of its field (I11):
control characters and non-ASCII become \x{...}, and long values are folded. So it is 7 bits whatever is told in it, and
needs no message/global-delivery-status.
"""

import re
from collections.abc import Iterable

from hedwig.address import Address, AddressError
from hedwig.dsn.records import Report, Undelivered
from hedwig.dsn.words import Action
from hedwig.message import date
from hedwig.reply import Stage, one_line

FOLD_AT = 76
_LONGEST_WORD = 900  # octets; longer ones are cut, since a line may have 998
_WORD = re.compile(r" +[^ ]+")
_PIECE = re.compile(r"(?:\\x\{\w+\}|.){1,90}")  # no \x{...} is cut through
_MANY_SPACES = re.compile(r" {80,}")  # they would fold into lines that look empty
_NOT_PLAIN = re.compile(r"[^ -~]")
_NOT_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")
_NAMED = re.compile(r"(.+)\[([^\[\]]+)\]\Z")


def status_of(recipient: Undelivered, action: Action) -> str:
    """The Status field (RFC 3463). One given up for its age is 4.4.7, and 5.4.7 where the sender's own deadline is over
    (as in RFC 2852 §4.1.2); a delayed one is 4.y.z even where a host said 5yz of itself, a relayed one 2.y.z."""
    reply = recipient.reply
    if action is Action.RELAYED:
        return reply.status if reply is not None and str(reply.code)[0] == "2" else "2.0.0"
    if recipient.expired and action is Action.FAILED:
        return "5.4.7" if recipient.late else "4.4.7"
    if reply is not None and str(reply.code)[0] in "45":
        status = reply.status
    elif recipient.stage is Stage.DNS:
        status = "5.4.4" if action is Action.FAILED else "4.4.3"
    elif recipient.stage is Stage.STARTTLS:  # RFC 3463 §3.8: TLS that was demanded did not come about
        status = "5.7.5" if action is Action.FAILED else "4.7.5"
    else:
        status = "5.0.0" if action is Action.FAILED else "4.4.1"
    return "4" + status[1:] if action is Action.DELAYED else status


def delivery_status(report: Report) -> str:
    """The part's content, CRLF line ends."""
    about = [
        *([("Original-Envelope-Id", report.envid)] if report.envid else []),
        ("Reporting-MTA", f"dns; {report.reporting}"),
        ("Arrival-Date", date(report.accepted_at)),
        ("X-Hedwig-Queue-ID", report.original_id),
    ]
    groups = [about, *(list(_fields(recipient, report)) for recipient in report.recipients)]
    return "\r\n".join("".join(_field(name, value) for name, value in group) for group in groups)


def _fields(recipient: Undelivered, report: Report) -> Iterable[tuple[str, str]]:
    if recipient.orcpt:
        yield "Original-Recipient", _original(recipient.orcpt)
    yield "Final-Recipient", _typed(recipient.rcptto)
    yield "Action", report.action.value
    yield "Status", status_of(recipient, report.action)
    if recipient.host:
        yield "Remote-MTA", "dns; " + _NAMED.sub(r"\1 ([\2])", recipient.host)
    # RFC 3464 §2.3.6: "smtp" for what an SMTP server said word for word, another type for what we noticed ourselves
    if recipient.quoted:
        yield "Diagnostic-Code", f"smtp; {recipient.reply}"
    else:
        yield "Diagnostic-Code", f"x-hedwig; {recipient.reply or recipient.detail or recipient.stage.value}"
    yield "X-Hedwig-Stage", recipient.stage.value
    yield "Last-Attempt-Date", date(report.now)
    if report.action is Action.DELAYED:
        yield "Will-Retry-Until", date(report.retry_until)


def _original(orcpt: str) -> str:
    """RFC 3461 §6.3 (d): as it was given, decoded; RFC 6533 §3's 7-bit form for the type utf-8."""
    kind, _, address = orcpt.partition(";")
    return f"{kind}; {embedded(address) if kind.lower() == 'utf-8' else address}"


def _typed(address: str) -> str:
    """RFC 3464 §2.3.2, and RFC 6533 §3's 7-bit form (utf-8-addr-xtext) where ASCII can't say it."""
    ascii_form = ascii_address(address)
    return f"rfc822; {ascii_form}" if ascii_form else f"utf-8; {embedded(address)}"


def ascii_address(address: str) -> str | None:
    """`address` with its domain in A-labels, or None where only SMTPUTF8 can say it, or it is no address."""
    try:
        parsed = Address.parse(address)
    except AddressError:
        return None
    return None if parsed.needs_smtputf8 else f"{parsed.local}@{parsed.destination}"


def embedded(text: str) -> str:
    r"""utf-8-addr-xtext (RFC 6533 §3): \x{4E2D} for each character that is no QCHAR."""
    return _NOT_QCHAR.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\x{{{ord(found[0]):02X}}}"


def _plain(text: str) -> str:
    return _MANY_SPACES.sub(" ", _NOT_PLAIN.sub(_escape, one_line(text)))


def _field(name: str, value: str) -> str:
    """One field, folded before spaces; only a word of more than _LONGEST_WORD octets is cut."""
    lines = [f"{name}:"]
    for word in _WORD.findall(f" {_plain(value)}"):
        if len(lines[-1]) + len(word) > FOLD_AT and len(lines[-1]) > len(name) + 1:
            lines.append("")
        first, *others = [word] if len(word) <= _LONGEST_WORD else _PIECE.findall(word)
        lines[-1] += first
        lines += [f" {piece}" for piece in others]
    return "\r\n".join(lines) + "\r\n"
