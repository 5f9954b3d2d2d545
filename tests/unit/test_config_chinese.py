"""What is wrong with a configuration file is said in Chinese too: every sentence that hedwig/config has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedwig.config.chinese import in_chinese
from hedwig.config.chinese_right import RIGHT
from hedwig.config.chinese_wrong import WRONG

HEDWIG = Path(__file__).parents[2] / "hedwig"
SOURCES = [file for file in sorted((HEDWIG / "config").glob("*.py")) if not file.name.startswith("chinese")]
SOURCES += [HEDWIG / "dkim" / "private.py", HEDWIG / "cli" / "setup_values.py", HEDWIG / "address.py"]
TELLING = {"Unfit", "Problem", "_unreadable", "BadKey", "UnfitSize", "AddressError"}  # who is given sentences
KEPT = {"wrong", "right", "have", "_NAMED", "_TRANSLATED", "SECRET_WITH_MAILMAN"}  # variables that hold some
NOT_ONES = re.compile(r"[\W{}]*|[\w.{}]+|(?:chmod|chown) .*")  # slots, names, commands


def sentences(path: Path) -> Iterator[str]:
    """The English of the file, with {} for each value."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for argument in node.args if name in TELLING else []:
                yield from of(argument)
        elif isinstance(node, ast.Assign) and any(getattr(each, "id", "") in KEPT for each in node.targets):
            yield from of(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name in {"_instead", "selector_fault"}:
            for each in ast.walk(node):
                if isinstance(each, ast.Return) and each.value is not None:
                    yield from of(each.value)


def of(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    elif isinstance(node, ast.IfExp):
        yield from of(node.body)
        yield from of(node.orelse)
    elif isinstance(node, ast.Tuple):  # what PyYAML says, and two sentences for it; or several such
        for each in node.elts[1:] if isinstance(node.elts[0], ast.Constant) else node.elts:
            yield from of(each)
    elif isinstance(node, ast.BinOp):
        for left in of(node.left):
            yield from (left + right for right in of(node.right))


ALL = sorted({each for path in SOURCES for each in sentences(path) if not NOT_ONES.fullmatch(each)})


def test_there_are_sentences() -> None:
    """The search finds what it looks for."""
    assert len(ALL) > 150
    assert {"unknown key", "{} is not a duration", "write it like 30 MiB, 25M or 512K"} <= set(ALL)


@pytest.mark.parametrize("english", ALL)
def test_each_sentence_has_its_chinese(english: str) -> None:
    """With its values, in it once each."""
    values = iter(range(9))
    said = re.sub(r"\{\}", lambda _: f"v{next(values)}", english)
    chinese = in_chinese(said)
    assert re.search(r"[\u4e00-\u9fff]", chinese), english
    for number in range(english.count("{}")):
        assert chinese.count(f"v{number}") == 1, chinese


@pytest.mark.parametrize("english", [*WRONG, *RIGHT])
def test_no_value_is_lost(english: str) -> None:
    chinese = (WRONG | RIGHT)[english]
    assert len(re.findall(r"\{\d?\}", chinese)) == english.count("{}")


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("this value is not a duration", "此值 不是时长"),
        ("'1x' is not a duration", "'1x' 不是时长"),
        (
            "write it like 30s, 6m, 2h, 1h30m or 5d, or 0 for never",
            "写成 30s, 6m, 2h, 1h30m 或 5d 这样，或写 0 表示 never",
        ),
        ("no IPv6 address is in x of sources: such mail could never leave", "sources 的 x 里没有 IPv6 地址"),
        ("x is asked first, and is for it, at qq", "在 qq，x 排在前面"),
        ("this rule is not for it, at qq", "在 qq 此规则不匹配它"),
        ("nobody has translated this", "nobody has translated this"),
        ("", ""),
    ],
)
def test_a_sentence(english: str, chinese: str) -> None:
    assert in_chinese(english).startswith(chinese)
