"""What the repository promises about itself: small files, nothing put off, Debian's libraries and no others."""

import importlib.util
import re
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 320
TOP_LEVEL = {
    *("hedwig", "debian", "systemd", "etc", "tests", "docs", ".ci"),
    *("setup.py", "Makefile", "README.md", "README.zh-CN.md", "CHANGELOG.md"),
    *(".gitignore", ".importlinter", "pyproject.toml", "requirements-tools.txt"),
}
# Put together from halves, so that this file does not hold what it looks for.
PUT_OFF = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
EVADED = re.compile(r"pytest\.(?:ski" r"p|xfa" r"il|importor" r"skip)|mark\.(?:ski" r"p|xfa" r"il)|type: ig" r"nore")
ELSEWHERE = re.compile(r"(?<![\w.])/(?:wo" r"rk|ro" r"ot|ho" r"me)/\w")
VENV = {"greenstalk", "hedwig", "pip", "setuptools", "wheel"}
STUBS = {"types-pyyaml", "types-requests", "types-urllib3"}
DEBIANS = (
    "aiosmtpd",
    "bottle",
    "click",
    "cryptography",
    "dns",
    "idna",
    "requests",
    "systemd",
    "urllib3",
    "uvloop",
    "waitress",
    "yaml",
)
DEBIANS_FOR_TESTS = ("dkim", "hypothesis", "pytest", "pytest_asyncio", "xdist")


def tracked(*more: str) -> list[Path]:
    """Files that git knows; with "--others" also those that are new here."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "-z", "--cached", "--exclude-standard", *more],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted({path for name in listed.split("\0") if name and (path := ROOT / name).is_file()})


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


SOURCES = [path for path in tracked("--others") if path.suffix in {".py", ".sh", ".toml"} or path.parent.name == ".ci"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_is_one_room(path: Path) -> None:
    """No source file is longer than MAX_LINES, nothing is put off, no test or type check is evaded."""
    lines = text_of(path).splitlines()
    assert len(lines) <= MAX_LINES, f"{path} has {len(lines)} lines: find the missing noun"
    found = [f"{path}:{n}: {line.strip()}" for n, line in enumerate(lines, 1) if PUT_OFF.search(line)]
    found += [f"{path}:{n}: {line.strip()}" for n, line in enumerate(lines, 1) if EVADED.search(line)]
    assert not found, "\n".join(found)


def test_the_top_level_stays_small() -> None:
    """DESIGN's layout: nothing lies at the top but the rooms, the tools' settings and the pages for readers."""
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


def test_no_path_of_a_developer() -> None:
    """Nothing in the tree points into somebody's own folders."""
    found = [path for path in tracked("--others") if ELSEWHERE.search(text_of(path))]
    assert not found


def test_venv_is_this_trees_own() -> None:
    """The tests run in .venv, and hedwig there is this tree."""
    assert Path(sys.prefix) == ROOT / ".venv", "run the tests by `make test`, or with .venv/bin/python"
    spec = importlib.util.find_spec("hedwig")
    assert spec is not None and spec.origin == str(ROOT / "hedwig" / "__init__.py")


def test_venv_holds_greenstalk_and_hedwig_alone() -> None:
    """Of libraries, .venv holds only what Debian does not package: anything else would shadow Debian's."""
    site = sysconfig.get_path("purelib")
    assert Path(site).is_relative_to(ROOT / ".venv")
    found = {distribution.metadata["Name"].lower() for distribution in metadata.distributions(path=[site])}
    assert found <= VENV | STUBS, f"not ours: {sorted(found - VENV - STUBS)}; `rm -rf .venv` and `make venv`"
    modules = {path.name for path in Path(site).iterdir() if (path / "__init__.py").exists() or path.suffix == ".so"}
    assert modules <= VENV | {"pkg_resources", "_distutils_hack"}, "a library without its metadata"


@pytest.mark.parametrize("module", DEBIANS + DEBIANS_FOR_TESTS)
def test_venv_takes_debians(module: str) -> None:
    """What is imported is what the packages will depend on, not a newer copy from elsewhere on this machine."""
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"{module} is missing: `make deps`"
    assert str(spec.origin).startswith("/usr/lib/python3/dist-packages/"), f"{module} comes from {spec.origin}"
