"""What a message asks for in people's words: lines of its header, or fields of the HTTP form. Read strictly; pure.

    Hedwig-Expires: 10m            it is not sent any more when ten minutes have passed; or a date with its time zone
    Hedwig-Supersede-Key: otp-42   it takes the place of what still waits under the same key
    Hedwig-Priority: urgent        or normal, or bulk
    Hedwig-Require-TLS: yes        it goes nowhere where it can't be protected up to its end (RFC 8689, REQUIRETLS)

The form's fields are `expires`, `supersede_key`, `priority` and `require_tls`. A duration counts from the acceptance.
What can't be read is a BadOption that says what would be right, and a time that is over already is TooLate. Nothing is
ignored: who asks that a code must not come late would rather be refused than have it come late. So a line of the header
that begins with Hedwig- and is none of these is refused, and a field of the form that is nearly one of ours. Other
fields are the caller's own affair.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hedwig.moments import duration, moment
from hedwig.options import MAX_KEY, MAX_MOMENT, PLAIN, BadOption, Options, TlsWish, priority_of

SPELLED = {
    "expires": "Hedwig-Expires",
    "supersede_key": "Hedwig-Supersede-Key",
    "priority": "Hedwig-Priority",
    "require_tls": "Hedwig-Require-TLS",
}
HEADERS = {spelled.lower().encode(): name for name, spelled in SPELLED.items()}
FORM = tuple(SPELLED)
OURS = (b"hedwig-", b"hedwig_")  # how a header line's name begins that is for us, rightly written or not
NEAR = 0.76  # of difflib: "expire", "expiry" and "supersede" are near, "property" is not
MAX_NEAR = 40  # characters of a name that may be near to one of ours
LONGEST = 366 * 86400  # seconds that a duration may be, as in the settings
_FORMS = "write a duration like 10m, 1h30m or 2d, or a date with its time zone like 2026-11-24T12:00:00+08:00"


class TooLate(BadOption):
    """The time after which the message must not be sent has passed already."""


@dataclass(frozen=True, slots=True)
class Reading:
    """When wishes are read. `when`: the acceptance, Unix seconds. `again`: the message may have been accepted before
    under its ID, so that a deadline that has passed since is no reason to refuse it now (I3)."""

    when: float
    again: bool = False


def of_header(lines: Iterable[tuple[str, str]], reading: Reading, *, tls_optional: bool = False) -> Options:
    """From the header: pairs of one of FORM and the line's value; `tls_optional`: it says TLS-Required: No, too. Raises
    BadOption or TooLate; so does `of_form`."""
    words: dict[str, str] = {}
    for name, text in lines:
        if name in words:
            raise BadOption(f"{SPELLED[name]} is in the header twice: write it once")
        words[name] = text
    return _read(words, reading, replace(PLAIN, tls=TlsWish.OPTIONAL) if tls_optional else PLAIN, SPELLED)


def of_form(fields: Mapping[str, str], reading: Reading, others: Options = PLAIN) -> Options:
    """From the fields of a form; `others` is what the header asked for, which counts where a field says nothing."""
    words = {name: fields[name] for name in FORM if name in fields}
    if (key := words.get("supersede_key", "")) and not key.isprintable():  # a header's line may be folded, a field not
        raise BadOption(
            f"supersede_key: {ascii(key)[:50]} has a line end or a control character in it: write it on one line"
        )
    return _read(words, reading, others, dict(zip(FORM, FORM, strict=True)))


def unknown_line(name: str) -> BadOption:
    """What to say about a header line `name` that begins as ours do (OURS) and is none of them."""
    word = name[len("hedwig-") :][:MAX_NEAR].lower().replace("-", "_")
    near = difflib.get_close_matches(word, FORM, n=1)
    right = f"did you mean {SPELLED[near[0]]}?" if near else f"known are {', '.join(SPELLED.values())}"
    return BadOption(f"{name[:50]}: there is no such header line; {right}")


def refuse_misnamed(fields: Iterable[str], known: Iterable[str]) -> None:
    """BadOption where one of `fields`, which a form has beside those that are `known`, is one of these but for case and
    hyphens, is near to one of FORM, or begins with hedwig."""
    names = {name.lower(): name for name in known}
    for field in fields:
        word = field.lower().replace("-", "_").strip()
        ours = word.startswith("hedwig")
        word = word.removeprefix("hedwig").strip("_")
        if word in names:
            near = [names[word]]
        else:
            near = difflib.get_close_matches(word, FORM, n=1, cutoff=NEAR) if len(word) <= MAX_NEAR else []
        if near or ours:
            right = f"did you mean {near[0]}?" if near else f"known are {', '.join(names.values())}"
            raise BadOption(f"the form has no field {ascii(field)[1:-1][:50]}; {right}")


def _read(words: Mapping[str, str], reading: Reading, others: Options, called: Mapping[str, str]) -> Options:
    options = others
    for name, text in words.items():
        value = " ".join(text.split())  # however it was folded
        try:
            if name == "expires":
                options = replace(options, deadline=_deadline(value, reading))
            elif name == "supersede_key":
                options = replace(options, supersede=_key(value))
            elif name == "require_tls":
                options = replace(options, tls=_tls(value, options))
            else:
                options = replace(options, priority=priority_of(value))
        except BadOption as error:
            raise type(error)(f"{called[name]}{' ' if name == 'priority' else ': '}{error}") from None
    return options


def _deadline(text: str, reading: Reading) -> float:
    seconds = duration(text)
    if seconds is not None:
        if not 0 < seconds <= LONGEST:
            raise BadOption(f"{text} is not between 1s and 366d")
        return reading.when + seconds
    at = moment(text)
    if at is None or at >= MAX_MOMENT:
        raise BadOption(f"{ascii(text)[:50]} is no time: {_FORMS}")
    if at <= reading.when and not reading.again:
        raise TooLate(f"the message was to be sent until {ascii(text)[1:-1][:50]} only, and that has passed")
    return max(at, 1.0)  # 0 would be none


def _tls(text: str, others: Options) -> TlsWish:
    if text.lower() not in ("yes", "no"):
        raise BadOption(f"{ascii(text)[:50]} is neither yes nor no")
    if text.lower() == "yes":
        return TlsWish.REQUIRED  # RFC 8689 §3: it goes before TLS-Required: No
    return TlsWish.USUAL if others.tls is TlsWish.REQUIRED else others.tls


def _key(text: str) -> str:
    if not text or len(text) > MAX_KEY or not text.isprintable():
        raise BadOption(f"a key is printable text of 1 to {MAX_KEY} characters")
    return text
