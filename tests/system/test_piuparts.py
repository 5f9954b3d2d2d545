"""piuparts over all packages: they are installed, upgraded from the version before, removed and purged, and what is on
the disk afterwards is what was there before.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from journey.network import tool

from .roots import SUITES

_DEBCONF = "/var/cache/debconf/tmp.ci"  # where Debian 13's apt lets debconf look into any package before it installs it


@pytest.fixture(autouse=True)
def report() -> Iterator[None]:
    """Nothing: these tests boot no machine."""
    yield


@pytest.mark.parametrize("suite", SUITES)
def test_nothing_is_left_behind(prepared: Path, tmp_path: Path, suite: str) -> None:
    """In a root of its own, whose apt knows the older version from our archive and has no network."""
    archive = prepared / "first"
    hook = tmp_path / "post_chroot_unpack_archive"
    hook.write_text(f"#!/bin/sh\necho 'deb [trusted=yes] file://{archive} ./' >/etc/apt/sources.list\n")
    hook.chmod(0o755)
    command = [tool("piuparts"), "--existing-chroot", (prepared / f"root-{suite}").resolve(), "--distribution", suite]
    command += ["--keep-sources-list", "--scriptsdir", tmp_path, "--bindmount", archive, "--no-eatmydata"]
    command += ["--ignore-regex", f"{_DEBCONF}.*"]
    newer = sorted((prepared.parent / "newer").glob("*.deb"))
    done = subprocess.run(
        [str(word) for word in [*command, *newer]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if " usr merge" not in line)
    for test in ("Installation and purging test", "Installation, upgrade and purging tests"):
        assert f"PASS: {test}." in done.stdout
