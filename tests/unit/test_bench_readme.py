"""A bench's table goes into the pages for readers, between two lines, and nothing else of them changes."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # its modules find each other by name

import readme
from goals import Row, as_json

ON = {"cores": "2", "cpu": "a CPU", "kernel": "6.1", "python": "3.11.2", "postfix": "3.7.11"}
TOLD = {
    "machine": ON,
    "table": as_json(
        [
            Row("delivered/s, one a connection, 20 sessions", 2.4, 2.0),
            Row("msmtp, start to exit, p50", 0.25, 0.2, least=False),
            Row("memory a queued message, 100000 queued", 331.4, 600, least=False, unit="B"),
        ]
    ),
}


def test_a_missed_goal_is_not_hidden_from_readers() -> None:
    """It has a mark, in both languages, and names the machine."""
    english, chinese = (readme.readme(TOLD, language) for language in (0, 1))
    assert "| letters a second, each on a new connection | 2.40× | ≥ 2.00× |\n" in english
    assert "| msmtp, from start to exit | 0.25× | ≤ 0.20× (**✗**) |\n" in english
    assert "| msmtp 从启动到退出 | 0.25× | ≤ 0.20× (**✗**) |\n" in chinese
    assert all("2 cores (a CPU), Linux 6.1, Python 3.11.2, Postfix 3.7.11" in page for page in (english, chinese))


def test_the_bench_page_has_all_rows() -> None:
    """Also those that no README shows."""
    assert "| memory a queued message, 100000 queued | 331 B | ≤ 600 B |\n" in readme.everything(TOLD)


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
