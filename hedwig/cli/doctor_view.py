"""How `hedwig doctor` shows its findings: a table, a line each for the journal, or JSON. Pure; cleaned (I11)."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from hedwig.cli.terminal import clean, table
from hedwig.doctor.finding import Finding, Grade, Text

_WORDS = {
    Grade.PASS: Text("pass", "通过"),
    Grade.WARN: Text("WARN", "注意"),
    Grade.FAIL: Text("FAIL", "失败"),
    Grade.SKIPPED: Text("skipped", "跳过"),
}
_COLOURS = {Grade.PASS: "green", Grade.WARN: "yellow", Grade.FAIL: "red"}


def _said(text: Text, chinese: bool) -> str:
    return clean(text.zh if chinese else text.en)


def text_of(found: Sequence[Finding], chinese: bool, *, coloured: bool = False) -> list[str]:
    """The table; below each finding that isn't well where the mend goes, and the very line."""
    rows = [(_said(_WORDS[each.grade], chinese), each.check, clean(each.subject)) for each in found]
    lines: list[str] = []
    for each, row in zip(found, table(rows) if rows else [], strict=True):
        word = _said(_WORDS[each.grade], chinese)
        if coloured and each.grade in _COLOURS:
            shade = click.style(word, fg=_COLOURS[each.grade], bold=each.grade is Grade.FAIL)
            lines.append(shade + row[len(word) :])
        else:
            lines.append(row)
        if each.seen.en:
            lines.append(f"    {_said(each.seen, chinese)}")
        if each.where.en:
            lines.append(
                f"    -> {_said(each.where, chinese)}{'：' if chinese and each.mend else ':' if each.mend else ''}"
            )
        if each.mend:
            lines.append(f"       {clean(each.mend)}")
    return [*lines, "", _summary(found, chinese)]


def _summary(found: Sequence[Finding], chinese: bool) -> str:
    counts = Counter(each.grade for each in found)
    named = [f"{counts[grade]} {_said(_WORDS[grade], chinese).lower()}" for grade in Grade if counts[grade]]
    total = f"共 {len(found)} 项：" if chinese else f"{len(found)} checks: "
    return total + ("，" if chinese else ", ").join(named)


def line_of(each: Finding, chinese: bool) -> str:
    """All on one line."""
    parts = [f"{each.check} {each.subject}: {_said(each.seen, chinese)}"]
    if mend := ": ".join(part for part in (_said(each.where, chinese), each.mend) if part):
        parts.append(mend)
    return f"{_said(_WORDS[each.grade], chinese)}: " + clean("; ".join(parts))


def json_of(found: Sequence[Finding]) -> dict[str, Any]:
    """For programs: English, as it was seen."""
    counts = Counter(each.grade for each in found)
    return {
        "findings": [
            {
                "check": each.check,
                "subject": each.subject,
                "grade": str(each.grade),
                "seen": each.seen.en,
                "mend": each.mend,
                "where": each.where.en,
            }
            for each in found
        ],
        "counts": {str(grade): counts[grade] for grade in Grade},
    }
