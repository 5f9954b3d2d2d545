"""What was reached against what is wanted: rows, their table, and which runs are compared. Pure.

All goals are ratios to the better Postfix of the same run, but for those of memory, which are plain numbers. A row says
whether its goal is met and, where it isn't, how far off it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Row:
    """`what` was measured; the goal is so much at `least`, or else at the most. `unit`: "x" for a ratio. `by`: which
    hedwig it was, where one of several was taken."""

    what: str
    reached: float
    goal: float
    least: bool = True
    unit: str = "x"
    by: str = ""

    @property
    def met(self) -> bool:
        """Whether the goal is."""
        return self.reached >= self.goal if self.least else self.reached <= self.goal

    @property
    def off(self) -> float:
        """By how much of the goal it fails; 0 where it is met."""
        return 0.0 if self.met else abs(self.reached - self.goal) / self.goal

    def cells(self) -> tuple[str, str, str, str]:
        """As the table has them."""
        goal = f"{'>=' if self.least else '<='} {_figure(self.goal, self.unit)}"
        verdict = "met" if self.met else f"NOT MET, by {self.off:.0%}"
        return self.what, _figure(self.reached, self.unit), goal, verdict + f" ({self.by})" * bool(self.by)


@dataclass
class Found:
    """What a part has measured: its rows of the table, all figures for JSON, and what went wrong."""

    rows: list[Row] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def _figure(number: float, unit: str) -> str:
    return f"{number:.2f}x" if unit == "x" else f"{number:.{0 if unit == 'B' else 1}f} {unit}"


def table(rows: Iterable[Row]) -> list[str]:
    """The lines of it, in columns."""
    cells = [("", "reached", "goal", ""), *(row.cells() for row in rows)]
    wide = [max(len(row[place]) for row in cells) for place in range(3)]
    return [
        f"{what:{wide[0]}}  {reached:>{wide[1]}}  {goal:>{wide[2]}}  {verdict}".rstrip()
        for what, reached, goal, verdict in cells
    ]


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "what": row.what,
            "reached": row.reached,
            "goal": row.goal,
            "at": "least" if row.least else "most",
            "unit": row.unit,
            "met": row.met,
            "off": row.off,
            "by": row.by,
        }
        for row in rows
    ]


def is_ours(name: str) -> bool:
    """Whether that peer is hedwig."""
    return name.startswith("hedwig")


def compared(what: str, figures: Mapping[str, float], goal: float, *, least: bool = True) -> Row:
    """The ratio of the better hedwig to the better Postfix; others are told, but not compared. `least`: more is
    better."""
    best = max if least else min
    ours = best(filter(is_ours, figures), key=lambda name: figures[name])
    theirs = best(figure for name, figure in figures.items() if name.startswith("Postfix"))
    return Row(what, figures[ours] / theirs, goal, least, by=ours)


def edges(figures: Sequence[float]) -> tuple[float, float]:
    """The medians of the first and of the last five (or a twentieth) of a row that was taken while something grew. The
    very first is left out: whatever has to open or to be learnt is in it."""
    few = max(1, min(max(5, len(figures) // 20), (len(figures) - 1) // 2))
    return median(figures[1 : 1 + few]), median(figures[-few:])


def growth(at: Sequence[int], sizes: Sequence[float]) -> float:
    """By how much the size has grown for one more, from `edges` of both."""
    (first, last), (small, large) = edges(at), edges(sizes)
    return (large - small) / (last - first)
