"""Debian's piuparts: packages are installed, upgraded, removed and purged, and leave the system as they found it.

It works in a copy of the root, in memory, without network, and sees no archive but ours. The root holds what our
packages depend on, so that piuparts takes away ours alone.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from journey.network import tool

from .roots import SUITES

# In namespaces of its own: the archives at the place where hosts see them, and room for the copy.
_START = """
mount -t tmpfs -o size=75% tmpfs /srv
mkdir /srv/first /srv/second /srv/tmp
mount --bind "$1/first" /srv/first
mount --bind "$1/second" /srv/second
root=$(readlink -f "$1/root-$2")
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 piuparts --apt --distribution "$2" --tmpdir /srv/tmp \
    --existing-chroot "$root" --keep-sources-list --no-eatmydata --bindmount /srv/first --bindmount /srv/second "${@:3}"
"""
_NAMESPACES = ("--mount", "--propagation", "private", "--net")
_LINE = "deb [signed-by=/srv/{0}/hedwig.asc] file:///srv/{0} ./"
# piuparts runs scripts of such names in the chroot; this one when it is unpacked.
_ADD_ARCHIVE = f"#!/bin/sh\necho '{_LINE.format('first')}' >/etc/apt/sources.list.d/hedwig.list\n"
# What piuparts doesn't know of: the folder where Debian 13's apt unpacks the control files of every package that it is
# going to install, for debconf. It makes it with the first package, whose ever that is.
_DEBCONF = "/var/cache/debconf/tmp.ci/?"

_DAEMONS = ("hedwig-mailman", "hedwig-postoffice", "hedwig-worker")
_ALL = ("hedwig", "hedwig-common", *_DAEMONS)


@pytest.fixture(autouse=True)
def report() -> Iterator[None]:
    """Nothing: no machine is booted here."""
    yield


def _piuparts(prepared: Path, suite: str, scripts: Path, *words: str) -> str:
    """Run it; what it reported. It must be content."""
    script = scripts / "post_chroot_unpack_archive"
    script.write_text(_ADD_ARCHIVE)
    script.chmod(0o755)
    command = [tool("unshare"), *_NAMESPACES, "bash", "-euc", _START, "start", str(prepared), suite]
    done = subprocess.run(
        [*command, "--scriptsdir", str(scripts), "--ignore-regex", _DEBCONF, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    said = "\n".join(line for line in done.stdout.splitlines() if " usr merge" not in line)
    assert done.returncode == 0, f"piuparts ended with {done.returncode}:\n{said}"
    return said


@pytest.mark.parametrize("suite", SUITES)
def test_all_packages_with_an_upgrade(prepared: Path, tmp_path: Path, suite: str) -> None:
    """Installed and purged; installed in the older version, upgraded, purged: each time nothing is left."""
    said = _piuparts(prepared, suite, tmp_path, "--testdebs-repo", _LINE.format("second"), *_ALL, "python3-greenstalk")
    assert "PASS: Installation and purging test." in said
    assert "PASS: Installation, upgrade and purging tests." in said
    for name in _ALL:
        assert re.search(rf"Unpacking {name} \(\S+\+newer\) over ", said), f"{name} was not upgraded"


@pytest.mark.parametrize("names", [("hedwig-mailman",), _DAEMONS])
def test_what_they_need_goes_first(prepared: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    """Installed, removed, installed again; then hedwig-common, which they need, is purged before they are."""
    said = _piuparts(prepared, "bookworm", tmp_path, "--install-remove-install", "--no-upgrade-test", *names)
    assert "PASS: Installation and purging test." in said
    purged = [line.split()[4] for line in said.splitlines() if "Purging configuration files for" in line]
    assert purged == ["hedwig-common", *names]
