"""One ward a module. What a module needs of it besides stands in its MORE (records), WORKER (settings) and DEADLINES
(hurried.py)."""

from collections.abc import Iterator

import pytest

from ..network import Network
from ..world import World
from .ward import Ward


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Ward]:
    """The module's. What broke a rule of SMTP at one of its receivers fails the module's last test (I6)."""
    network = Network()
    world = World(network, tmp_path_factory.mktemp("ward"))
    more, deadlines = getattr(request.module, "MORE", ()), getattr(request.module, "DEADLINES", None)
    try:
        yield Ward(world, more, deadlines=deadlines, worker=getattr(request.module, "WORKER", {}))
    finally:
        world.close()
        network.close()
    assert world.faults() == []


@pytest.fixture(autouse=True)
def words_of_a_failure(ward: Ward, request: pytest.FixtureRequest) -> Iterator[None]:
    """The daemons' logs, where a test fails."""
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        print(ward.world.words())
