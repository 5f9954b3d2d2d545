"""The packages, built once from this tree for all tests here."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from .clone import ROOT


def build(tree: Path, output: Path, umask: int, **environment: str) -> Path:
    """Build the packages of `tree` into `output`, under another umask and environment."""
    done = subprocess.run(
        [tree / "debian/tools/build-debs.sh", output],
        env=without_python(os.environ) | environment,
        check=False,
        umask=umask,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return output


def without_python(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without .venv's traces: a user who types `make debs` has none."""
    return {name: value for name, value in environment.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


@pytest.fixture(scope="session")
def sdists() -> Path:
    """Where greenstalk's sdist is kept between builds."""
    return ROOT / "build" / "sdist"


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory, sdists: Path) -> Path:
    """All packages of this tree, as a user with ordinary habits builds them."""
    place = tmp_path_factory.mktemp("first")
    return build(ROOT, place / "debs", 0o022, TZ="Asia/Shanghai", BUILD=str(place / "build"), SDISTS=str(sdists))
