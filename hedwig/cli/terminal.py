"""How the operator's command writes: safe characters, readable times and sizes, lines of a sensible width.

Addresses, names and replies come from outside: a control character in them could move the cursor or colour the
screen, and a bidirectional mark could turn a line round. `clean` shows such characters as escapes (I11).
"""

import calendar
import codecs
import re
import shutil
import sys
import textwrap
import time
import unicodedata
from collections.abc import Container, Iterable, Iterator, Sequence

import click

from hedwig.reply import unhidden
from hedwig.settings import DAY, GIB, HOUR, KIB, MIB, MINUTE

_OUR_TIMES = re.compile(  # as moments.utc writes them
    r"((?:taken by mailman at|gets no mail until|suppressed since|was to be sent until) |^accepted: .*?, until )"
    r"([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}) UTC"
)


def clean(text: str) -> str:
    """`text` on one line, with all that isn't a visible character or a space escaped."""
    return unhidden("".join(char if char.isprintable() else ascii(char)[1:-1] for char in text))


def visible(pieces: Iterable[bytes]) -> Iterator[str]:
    """A letter for a terminal: UTF-8 as text; what is none, or could command the terminal, as escapes."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    rest = ""
    for piece in pieces:
        text = rest + decoder.decode(piece)
        rest = "\r" if text.endswith("\r") else ""
        yield _visible(text.removesuffix("\r"))
    yield _visible(rest + decoder.decode(b"", final=True))


def _visible(text: str) -> str:
    return "\n".join("\t".join(map(clean, line.split("\t"))) for line in text.replace("\r\n", "\n").split("\n"))


def wide(text: str) -> int:
    """Columns that `text` takes on a terminal: Chinese characters take two, combining ones none (UAX #11)."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def padded(text: str, columns: int) -> str:
    """`text` with spaces behind it, `columns` wide or more."""
    return text + " " * (columns - wide(text))


def table(rows: Sequence[tuple[str, ...]], right: Container[int] = ()) -> list[str]:
    """Lines with aligned columns, two spaces apart. `right`: the columns whose cells end below each other."""
    widths = [max(wide(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            " " * (width - wide(cell)) + cell if column in right else padded(cell, width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def trimmed(line: str) -> str:
    """`line` cut to the terminal's width; whole where there is no terminal."""
    if not sys.stdout.isatty():
        return line
    columns = shutil.get_terminal_size().columns
    while wide(line) > columns:
        line = line[: columns - 1 - wide(line)]
    return line


def indented(text: str, indent: int) -> list[str]:
    """`text` in lines no wider than the terminal (80 to 120 columns), each `indent` spaces in."""
    columns = min(max(shutil.get_terminal_size((100, 24)).columns, 80), 120)
    space = " " * indent
    return textwrap.wrap(text, columns, initial_indent=space, subsequent_indent=space, break_on_hyphens=False)


def span(seconds: float) -> str:
    """A length of time in its largest fitting unit: "40 s", "4 min", "2 h", "3 d"."""
    if seconds < MINUTE:
        return f"{max(int(seconds), 0)} s"
    for unit, name, limit in ((MINUTE, "min", 2 * HOUR), (HOUR, "h", 2 * DAY)):
        if seconds < limit:
            return f"{int(seconds / unit)} {name}"
    return f"{int(seconds / DAY)} d"


def ago(at: float, now: float) -> str:
    """When something happened: "40 s ago"."""
    return f"{span(now - at)} ago"


def due(at: float, now: float) -> str:
    """When something is to happen: "now" or "in 4 min"."""
    return "now" if at <= now else f"in {span(at - now)}"


def moment(at: float) -> str:
    """A point in time, local: "2026-01-31 14:05:09"."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def localised(text: str) -> str:
    """A line that hedwig itself wrote, in which times stand in UTC, with these as `moment` has them. What others said
    stays as it is: only times behind our own words count."""
    return _OUR_TIMES.sub(lambda found: f"{found[1]}{moment(_unix(found[2]))}", text)


def _unix(stamp: str) -> float:
    return calendar.timegm(time.strptime(stamp, "%Y-%m-%d %H:%M:%S"))


def octets(size: int) -> str:
    """A size for people: "812 B", "4.1 KiB", "25 MiB"."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}" if size < 10 * unit else f"{size // unit} {name}"
    return f"{size} B"


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun: "1 message", "2,000 messages"."""
    return f"{number:,} {one if number == 1 else many}"


def echo_json(content: object) -> None:
    """For programs."""
    import json

    text = json.dumps(_plain(content), indent=2)
    click.echo(text.replace("\x7f", "\\u007f"))  # DEL is all that json leaves as it is


def _plain(value: object) -> object:
    """With a dict in place of each of our own values: a NamedTuple would become a list."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if hasattr(value, "_fields"):
        return {name: _plain(getattr(value, name)) for name in value._fields}
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
