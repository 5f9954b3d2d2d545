"""Where no Debian can be booted the system tests fail, and say what this machine lacks."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from journey.network import tool

_TESTS = Path(__file__).parents[1]
_BOOT = """
import pathlib, sys
from system.machine import Machine
Machine("robot.genee.cn", pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), {})
"""


@pytest.fixture(autouse=True)
def report() -> Iterator[None]:
    """Nothing: no machine gets as far as that."""
    yield


def _boot_after(lack: str, root: Path, directory: Path) -> str:
    """Try to boot where the shell lines `lack` have taken something away; what was said."""
    command = [tool("unshare"), "--mount", "--propagation", "private", "sh", "-euc", f'{lack}\nexec "$@"', "boot"]
    command += ["/usr/bin/python3", "-c", _BOOT, str(root), str(directory)]
    environment = os.environ | {"PYTHONPATH": f"{_TESTS}:{_TESTS.parent}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "It needs root, the namespaces of mounts, processes and networks, overlayfs, and a cgroup2" in done.stderr
    return done.stderr


def test_a_cgroup_hierarchy_that_is_read_only(prepared: Path, tmp_path: Path) -> None:
    """As in most containers."""
    lack = 'mount -o bind,remount,ro "$(findmnt --first-only --noheadings --output TARGET --types cgroup2)"'
    assert "Read-only file system" in _boot_after(lack, prepared / "root-bookworm", tmp_path)


def test_an_overlay_that_cannot_be_mounted(tmp_path: Path) -> None:
    """As where the kernel has no overlayfs: mount's own words are there."""
    assert "mount: " in _boot_after("", tmp_path / "nowhere", tmp_path)
