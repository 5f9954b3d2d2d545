"""What tests of the operator's command share: one over a spool of its own, and one whose CONFIGDIR is empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_rig import Cli, Hedwig, hedwig_in


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """`hedwig` with a postoffice's spool."""
    made = Cli(tmp_path)
    yield made
    made.close()


@pytest.fixture
def hedwig(tmp_path: Path) -> Hedwig:
    """`hedwig --config-dir tmp_path`, and nothing there yet."""
    return hedwig_in(tmp_path)
