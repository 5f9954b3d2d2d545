"""What is wrong with a configuration file, and what would be right, in Chinese: sentence by sentence, from the English
of Problem and Unfit. What differs from case to case is translated by the same table where it can be. A sentence that is
not in it stays English: tests/unit/test_config_chinese.py finds it. Pure.
"""

import functools
import re
from dataclasses import replace

from hedwig.config.chinese_right import RIGHT
from hedwig.config.chinese_wrong import WRONG
from hedwig.config.problem import ConfigError, Problem, Unfit

_SLOT = re.compile(r"\{(\d?)\}")
_DEPTH = 3  # a sentence within a sentence within a sentence


def in_chinese(english: str, depth: int = _DEPTH) -> str:
    """The sentence in Chinese, or as it is."""
    if not english or not depth:
        return english
    for pattern, chinese in _table():
        if found := pattern.fullmatch(english):
            return _filled(chinese, [in_chinese(each, depth - 1) for each in found.groups()])
    return english


def problem_in_chinese(problem: Problem) -> str:
    """The whole of it, as str() gives it in English."""
    said = replace(problem, wrong=in_chinese(problem.wrong), right=in_chinese(problem.right))
    return str(said).replace(f"{said.wrong}; {said.right}", f"{said.wrong}；{said.right}")


def error_in_chinese(error: ConfigError | Unfit) -> str:
    """All of its problems, a line each; of a value what is wrong and what would be right."""
    if isinstance(error, ConfigError):
        return "\n".join(map(problem_in_chinese, error.problems))
    return "；".join(in_chinese(part) for part in (error.wrong, error.right) if part)


def _filled(chinese: str, values: list[str]) -> str:
    rest = iter(values)
    return _SLOT.sub(lambda slot: values[int(slot[1])] if slot[1] else next(rest), chinese)


@functools.cache
def _table() -> list[tuple[re.Pattern[str], str]]:
    """What goes behind any sentence comes first; then the longer before the shorter: "write {}" is the last."""
    both = sorted((WRONG | RIGHT).items(), key=lambda pair: _rank(pair[0]))
    return [(_pattern(english), chinese) for english, chinese in both]


def _rank(english: str) -> tuple[bool, int]:
    return not english.startswith(("{},", "{};")), -len(english.replace("{}", ""))


def _pattern(english: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(map(re.escape, english.split("{}"))), re.DOTALL)
