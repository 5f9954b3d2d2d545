"""Fixtures of the journeys: a network, its containers, and a check that nothing broken ever reached a far side."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .network import Namespace, Network, tool
from .world import World


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What a test has recorded as "printed" is shown at the end, whichever process ran it and however it ended."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for text in (value for name, value in report.user_properties if name == "printed"):
                terminalreporter.write_line(f"\n{text}")


@pytest.fixture
def network() -> Iterator[Network]:
    """A namespace of the test's own; the test runs inside."""
    made = Network()
    yield made
    made.close()


@pytest.fixture
def container(network: Network) -> Namespace:
    """A container at 172.17.0.2."""
    return network.container()


@pytest.fixture
def world(network: Network, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """Everything around a journey. What broke a rule of SMTP at a far side fails the test at its end (I6)."""
    failed_before = request.session.testsfailed
    made = World(network, tmp_path)
    yield made
    if request.session.testsfailed > failed_before:
        print(made.words())
    made.close()
    assert made.faults() == []


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PEM file with key and self-signed certificate, as many receivers have one."""
    path = tmp_path_factory.mktemp("tls") / "mx.pem"
    command = [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(path), "-out", f"{path}.crt", "-days", "30", "-subj", "/CN=mx.far.example"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return str(path)
