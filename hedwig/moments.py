"""Times as people write them, in settings, header lines and form fields: "1h30m", or a date with its time zone. Pure.

A number without a unit is seconds, wherever a duration is taken: in settings, in Hedwig-Expires, in the form's expires
and in options such as --older. Where a point of time is taken as well as a duration (--until), it is refused: 1830 may
be a time of day.

Dates are those of RFC 5322 §3.3 ("Tue, 24 Nov 2026 12:00:00 +0800", as in a Date field) and of ISO 8601
("2026-11-24T12:00:00+08:00"). One without a zone is none: nobody can say when it is.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SECONDS = re.compile(r"[0-9]{1,9}")
# Larger units first and each once: "6m 15m" is no duration but a list that lacks its brackets.
_DURATION = re.compile(" *".join(rf"(?:[0-9]{{1,9}} *{unit})?" for unit in "wdhms"))
_PART = re.compile(r"([0-9]+) *([smhdw])")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_RFC_5322 = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun) *, *)?([0-9]{1,2}) +([a-z]{3}) +([0-9]{4}) +"
    r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))? +(?:([+-])([0-9]{2})([0-9]{2})|gmt|utc?)(?: *\([^()]*\))?"
)


def duration(text: str) -> int | None:
    """Seconds, from "6m", "1h30m", "5d" or plain seconds; None for what is no duration."""
    if _SECONDS.fullmatch(text):
        return int(text)
    if text and _DURATION.fullmatch(text):
        return sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    return None


def moment(text: str) -> float | None:
    """Unix seconds of a date; None for what is none, or has no time zone."""
    try:
        found = _RFC_5322.fullmatch(text.lower())
        at = _of_rfc_5322(found) if found else datetime.fromisoformat(text)
        return at.timestamp() if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _of_rfc_5322(found: re.Match[str]) -> datetime:
    day, month, year, hour, minute, second, sign, *zone = found.groups()
    east = timedelta(hours=int(zone[0] or 0), minutes=int(zone[1] or 0))
    return datetime(
        int(year),
        _MONTHS.index(month) + 1,
        int(day),
        int(hour),
        int(minute),
        min(int(second or 0), 59),  # RFC 5322 §3.3 has leap seconds, Python has none
        tzinfo=timezone(-east if sign == "-" else east),
    )


def utc(when: float) -> str:
    """Unix seconds for people: "2026-11-24 04:00:00 UTC"."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M:%S} UTC"
