"""One realm a module, of what stands in its RECEIVERS and WORKER (settings)."""

from collections.abc import Iterator

import pytest

from ..network import Network
from ..world import World
from .realm import Realm


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Realm]:
    """The module's. What broke a rule of SMTP at one of its receivers fails the module's last test (I6)."""
    network = Network()
    world = World(network, tmp_path_factory.mktemp("realm"))
    try:
        yield Realm(world, request.module.RECEIVERS, getattr(request.module, "WORKER", None)).start()
    finally:
        world.close()
        network.close()
    assert world.faults() == []


@pytest.fixture(autouse=True)
def words_of_a_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    """The daemons' logs, where a test fails."""
    failed_before = request.session.testsfailed
    realm = request.getfixturevalue("realm") if "realm" in request.fixturenames else None
    yield
    if realm is not None and request.session.testsfailed > failed_before:
        print(realm.world.words())
