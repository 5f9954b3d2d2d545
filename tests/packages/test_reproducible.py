"""The same tree gives the same bytes."""

import hashlib
from pathlib import Path

from .clone import other_clone
from .conftest import build


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 of each package; .changes and .buildinfo tell of the machine, and are none."""
    files = sorted([*folder.glob("*.deb"), *folder.glob("*.dsc"), *folder.glob("*.tar.*")])
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_another_path_time_zone_and_umask_give_the_same_bytes(debs: Path, sdists: Path, tmp_path: Path) -> None:
    """Two clones under other paths, with other modes, time zones and umasks: the packages are equal to the bit."""
    clone = other_clone(tmp_path / "somewhere/else" / "hedwig")
    again = build(
        clone, tmp_path / "debs", 0o077, TZ="Pacific/Kiritimati", LC_ALL="C", HOME=str(tmp_path), SDISTS=str(sdists)
    )
    first = sums(debs)
    assert len([name for name in first if name.endswith(".deb")]) == 6
    assert sums(again) == first
