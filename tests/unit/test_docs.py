"""The pages for readers say what is true: commands, settings, files and links that they name exist."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import hedwig
from hedwig import settings
from hedwig.config import load_client

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
READMES = ("README.md", "README.zh-CN.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {
    "mailman.yml": settings.Mailman,
    "postoffice.yml": settings.Postoffice,
    "worker.yml": settings.Worker,
    "FQDN.yml": settings.Client,
}


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language, without comments and blank lines: those are translated."""
    found = [body for name, body in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")) if name == language]
    return ["\n".join(_bare(line) for line in body.splitlines() if _bare(line)) for body in found]


def _bare(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line).rstrip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file of the tree."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_and_targets_exist(page: Path) -> None:
    """Each `hedwig/...`, `tests/...`, `etc/...` and each `make TARGET` that a page names is there."""
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:hedwig|tests|etc|docs)/[\w./-]*)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    made = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert made, "the Makefile's targets have no descriptions"
    assert set(re.findall(r"\bmake ([a-z-]+)(?:`|$| ONCE=1| {2,}#)", text, re.MULTILINE)) <= made


@pytest.mark.parametrize("language", ["sh", "yaml", "text"])
def test_both_readmes_show_the_same_commands(language: str) -> None:
    """Who reads Chinese types the same commands and the same settings as who reads English."""
    english, chinese = (blocks(page, language) for page in READMES)
    assert english == chinese
    assert english, f"no {language} block in README.md"


@pytest.mark.parametrize("page", READMES)
def test_settings_in_the_readme_are_real(page: str) -> None:
    """Each YAML block begins with the file's name in a comment, and has no key that the file does not take."""
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = {
        found[1]: yaml.safe_load(body)
        for name, body in BLOCK.findall(text)
        if name == "yaml" and (found := re.match(r"# \S*?(\w+\.yml)", body))
    }
    assert shown.keys() == FILES.keys()
    for file, values in shown.items():
        assert_known(FILES[file], values, file)


def assert_known(kind: Any, values: dict[str, Any], where: str) -> None:
    """All keys of `values` are settings of `kind`, sections included."""
    known = {field.name: field for field in dataclasses.fields(kind)}
    assert values.keys() <= known.keys(), f"{where} has no {sorted(values.keys() - known.keys())}"
    for name, value in values.items():
        if dataclasses.is_dataclass(section := known[name].type):
            assert_known(section, value, f"{where}: {name}")


def test_the_example_of_a_hosts_rules_is_taken(tmp_path: Path) -> None:
    """docs/policy.md's, as a file of clients.d, with hashes where it has dots."""
    (example,) = [
        body for name, body in BLOCK.findall((ROOT / "docs" / "policy.md").read_text("utf-8")) if name == "yaml"
    ]
    for digit in "ab":
        example = example.replace("sha256:…", "sha256:" + digit * 64, 1)
    (tmp_path / "less.example.com.yml").write_text(example)
    assert load_client(tmp_path / "less.example.com.yml").senders == ("robot@example.com", "*@news.example.com")


def test_the_changelog_knows_this_version() -> None:
    """The newest heading is the version that `hedwig/__init__.py` has."""
    headings = re.findall(r"^## \[?([\d.]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == hedwig.__version__


def test_the_journey_names_every_room() -> None:
    """docs/journey.md leads the next maintainer into every package of hedwig."""
    text = (ROOT / "docs" / "journey.md").read_text(encoding="utf-8")
    rooms = sorted(path.parent.name for path in (ROOT / "hedwig").glob("*/__init__.py"))
    assert [room for room in rooms if f"hedwig/{room}/" not in text] == []
