"""The tests of debian/tests, run by Debian's autopkgtest as Debian's own machines run them."""

import re
import subprocess
from pathlib import Path

from journey.network import tool

from .hosts import Hosts

_TREE = Path(__file__).parents[2]


def test_the_packages_own_tests(hosts: Hosts, prepared: Path, tmp_path: Path) -> None:
    """Those of the source package: what their control file asks for is installed from the archive, and they pass."""
    [source] = (prepared / "first").glob("hedwig_*.tar.xz")
    # The tests alone: so autopkgtest takes it for a tree of which nothing is to be built.
    unpack = ["tar", "--extract", "--file", source, "--directory", tmp_path, "--wildcards", "*/debian/tests"]
    subprocess.run(unpack, check=True)
    [tree] = tmp_path.iterdir()
    machine = hosts.boot(docker=False)
    hosts.add_archive(machine)
    testbed = ["/usr/bin/python3", str(Path(__file__).with_name("testbed.py")), *machine.command()]
    command = [tool("autopkgtest"), str(tree), "--", *testbed]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^smoke +PASS$", done.stdout, re.MULTILINE), done.stdout
