"""One clinic a module, with its FAULTS (zone lines)."""

from collections.abc import Iterator

import pytest

from ..network import Network
from .clinic import Clinic


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Clinic]:
    network = Network()
    try:
        made = Clinic(network, tmp_path_factory.mktemp("clinic"), request.module.ZONES)
        try:
            yield made
        finally:
            made.close()
    finally:
        network.close()
