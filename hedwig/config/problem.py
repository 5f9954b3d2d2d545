"""What is wrong with a configuration file: where, what, and what would be right.

Nothing that may be a secret is ever repeated here, and nothing from a file reaches the terminal or the log
uninterpreted (I11): `shown` decides what may be quoted, and how.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_MAX_SHOWN = 60
# What a key or a hash looks like. `key` and `fqdn` are easily swapped, and then the secret stands in the wrong place.
_SECRET_LIKE = re.compile(r"[A-Za-z0-9_+-]{24,}")


def shown(text: str) -> str:
    """`text` in quotes as it may appear in an error: escaped, cut short, or withheld where it may hold a secret."""
    if "\n" in text or "@" in text or _SECRET_LIKE.search(text):
        return "this value"
    if len(text) > _MAX_SHOWN:
        text = text[:_MAX_SHOWN] + "…"
    return "'" + "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text) + "'"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. `line` counts from 1; 0 means the file as a whole. `key` is "retry.jitter" for a nested one, or "".

    `right` says what to write instead, or is "" where `wrong` says it all.
    """

    file: str
    line: int
    key: str
    wrong: str
    right: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        place = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in place)
        sentence = f"{self.wrong}; {self.right}" if self.right else self.wrong
        return ": ".join(part for part in (place, self.key, sentence) if part)


class ConfigError(Exception):
    """Files can't be used. `problems` holds every fault that was found, file by file, in the order of the lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        files = list(dict.fromkeys(problem.file for problem in problems))
        self.problems = sorted(problems, key=lambda problem: (files.index(problem.file), problem.line))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@contextmanager
def gathering(problems: list[Problem]) -> Iterator[None]:
    """What ConfigErrors tell within goes to `problems`, so that the next file is read all the same."""
    try:
        yield
    except ConfigError as error:
        problems += error.problems


class Unfit(ValueError):
    """A value is not of its kind: what is `wrong` with it, and what would be `right`."""

    def __init__(self, wrong: str, right: str = "") -> None:
        super().__init__(f"{wrong}; {right}" if right else wrong)
        self.wrong = wrong
        self.right = right
