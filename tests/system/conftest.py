"""Fixtures of the system tests. Each file has an internet and machines of its own, and its tests follow each other on
them as the days of a host do; so a file is run by itself, never a test alone from its middle.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .hosts import Hosts
from .outside import Outside

STATE = Path(__file__).parents[2] / "build" / "system"


@pytest.fixture(scope="session")
def prepared() -> Path:
    """The folder with repositories and roots."""
    assert (STATE / "root-trixie").exists(), "nothing is prepared: run the system tests by `make system-test`"
    return STATE


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """What lies around the machines. What broke a rule of SMTP at a far side fails the last test of the file (I6)."""
    made = Outside(tmp_path_factory.mktemp("outside"))
    yield made
    made.close()
    assert made.faults == []


@pytest.fixture(scope="module")
def hosts(prepared: Path, outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """The machines of this file."""
    made = Hosts(prepared, outside, tmp_path_factory.mktemp("hosts"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def report(hosts: Hosts, request: pytest.FixtureRequest) -> Iterator[None]:
    """What the machines say when a test failed. Those that follow it in its file fail at once: they build upon it."""
    assert not hosts.in_doubt, "an earlier test of this file has failed"
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        hosts.in_doubt = True
        print(hosts.report())


@pytest.fixture
def once_more() -> Callable[[], str]:
    """A new recipient's address at every call."""
    numbers = iter(range(1, 1_000_000))
    return lambda: f"letter{next(numbers)}@163.com"
