"""Fixtures of the spool's contract: every test that asks for `spool` or `opened` runs over every implementation."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from spool_parts import DESKS, IMPLEMENTATIONS, Clock


@pytest.fixture
def clock() -> Clock:
    """The time that the spool believes in."""
    return Clock()


@pytest.fixture(params=list(IMPLEMENTATIONS))
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Any]]:
    """Opens the test's one spool, as often as it is called; all are closed in the end."""
    spools: list[Any] = []

    def open_it() -> Any:
        spools.append(IMPLEMENTATIONS[request.param](str(tmp_path / "spool.db"), clock=clock))
        return spools[-1]

    yield open_it
    for spool in spools:
        spool.close()


@pytest.fixture
def spool(opened: Callable[[], Any]) -> Any:
    """An empty spool."""
    return opened()


@pytest.fixture
def desk(request: pytest.FixtureRequest, spool: Any, tmp_path: Path, clock: Clock) -> Iterator[Any]:
    """The operator's side of the same spool, as another process has it."""
    opened = DESKS[request.node.callspec.params["opened"]](str(tmp_path / "spool.db"), clock=clock)
    yield opened
    opened.close()
