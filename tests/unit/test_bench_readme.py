"""A bench's table goes into the pages for readers, between two lines, and nothing else of them changes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # its modules find each other by name

import readme
from goals import Row, as_json

ON = {"date": "2026-11-30", "cores": "2", "cpu": "a CPU", "kernel": "6.1", "python": "3.11.2", "postfix": "3.7.11"}
MISSED = "msmtp, start to exit, p50"
TOLD: dict[str, Any] = {
    "machine": ON,
    "options": {"MESSAGES": 4000, "ROUNDS": 3, "LETTERS": 100, "QUEUED": 100_000, "MILLION": 0},
    "wrong": [],
    "table": as_json(
        [
            *(Row(what, 2.4, 2.0) for what in readme.FEW if what != MISSED),
            Row(MISSED, 0.25, 0.2, least=False),
            Row("memory a queued message, 100000 queued", 331.4, 600, least=False, unit="B"),
        ]
    ),
}


def test_a_missed_goal_is_not_hidden_from_readers() -> None:
    """It has a mark, in both languages; and the machine is named."""
    english, chinese = (readme.readme(TOLD, language) for language in (0, 1))
    assert "| letters a second, each on a new connection | 2.40× | ≥ 2.00× |\n" in english
    assert "| msmtp, from start to exit | 0.25× | ≤ 0.20× (**✗**) |\n" in english
    assert "| msmtp 从启动到退出 | 0.25× | ≤ 0.20× (**✗**) |\n" in chinese
    assert "2026-11-30, 2 cores (a CPU), Linux 6.1, Python 3.11.2, Postfix 3.7.11" in english
    assert "2 核（a CPU）" in chinese


def test_the_bench_page_has_all_rows() -> None:
    """Also those that no README shows; and it says how far a missed goal is off."""
    page = readme.everything(TOLD)
    assert "\n|  | reached | goal |  |\n|---|---|---|---|\n" in page
    assert "| memory a queued message, 100000 queued | 331 B | ≤ 600 B | met |\n" in page
    assert f"| {MISSED} | 0.25× | ≤ 0.20× | **NOT MET**, by 25% |\n" in page


def test_a_run_that_lost_something_or_left_parts_out_is_not_for_readers() -> None:
    """It would show what was not measured, or hide what went wrong."""
    assert readme.unfit(TOLD) == []
    assert readme.unfit(TOLD | {"wrong": ["Postfix lost 1"]}) == ["Postfix lost 1"]
    (why,) = readme.unfit(TOLD | {"table": [row for row in TOLD["table"] if row["what"] != MISSED]})
    assert MISSED in why


@pytest.mark.parametrize(("name", "less"), [("MESSAGES", 400), ("ROUNDS", 1), ("LETTERS", 99), ("QUEUED", 98_000)])
def test_a_short_run_is_not_for_readers(name: str, less: int) -> None:
    """Its figures mean little."""
    (why,) = readme.unfit(TOLD | {"options": TOLD["options"] | {name: less}})
    assert f"{name}={less}" in why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file"),
        ("", "is no JSON"),
        ("[1]", "of an older one"),
        (json.dumps({name: value for name, value in TOLD.items() if name != "options"}), "of an older one"),
    ],
)
def test_a_file_that_is_no_run_is_refused_in_a_sentence(tmp_path: Path, text: str | None, why: str) -> None:
    """One of an older bench, too: nobody knows how long that run was."""
    if text is not None:
        (tmp_path / "bench.json").write_text(text)
    with pytest.raises(SystemExit, match=why):
        readme.read(tmp_path / "bench.json")


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    """All of it."""
    (tmp_path / "bench.json").write_text(json.dumps(TOLD))
    assert readme.read(tmp_path / "bench.json") == TOLD


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "docs/bench.md"])
def test_each_page_has_its_place(name: str) -> None:
    """What stands around it stays; twice is as once."""
    page = (readme.ROOT / name).read_text(encoding="utf-8")
    once = readme.replaced(page, "| a | table |\n")
    assert readme.replaced(once, "| a | table |\n") == once
    before, after = page.split(readme.BEGIN)[0], page.split(readme.END)[1]
    assert once == before + readme.BEGIN + "| a | table |\n" + readme.END + after


@pytest.mark.parametrize("page", ["no place", readme.BEGIN, readme.BEGIN + readme.END + readme.BEGIN + readme.END])
def test_a_page_without_one_place_is_refused(page: str) -> None:
    """Rather than written over."""
    with pytest.raises(ValueError, match="no single pair"):
        readme.replaced(page, "x")


def test_what_a_readme_shows_is_what_the_bench_measures() -> None:
    """A row that is renamed there would vanish here."""
    folder = Path(readme.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py") if path.name != "readme.py")
    kinds = ("delivered/s, ", "CPU a message, ")
    for what in readme.FEW:
        title = what.replace("100000", "{QUEUED}")
        for kind in kinds:
            title = title.removeprefix(kind)
        assert f'"{title}"' in sources, what
