"""The same tree gives the same bytes."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from .conftest import ROOT, build


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 of each package; .changes and .buildinfo tell of the machine, and are none."""
    files = sorted([*folder.glob("*.deb"), *folder.glob("*.dsc"), *folder.glob("*.tar.*")])
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def other_clone(path: Path) -> Path:
    """This tree once more: another path, other times, other modes, another git."""
    names = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "-z"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, path / name
        if not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(source, target)
        target.chmod(0o700 if os.access(source, os.X_OK) else 0o600)
        os.utime(target, (1_000_000_000, 1_000_000_000))
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", "-C", path, *command], check=True)
    return path


def test_another_path_time_zone_and_umask_give_the_same_bytes(debs: Path, sdists: Path, tmp_path: Path) -> None:
    """Two clones under other paths, with other modes, time zones and umasks: the packages are equal to the bit."""
    clone = other_clone(tmp_path / "somewhere/else" / "hedwig")
    again = build(
        clone, tmp_path / "debs", 0o077, TZ="Pacific/Kiritimati", LC_ALL="C", HOME=str(tmp_path), SDISTS=str(sdists)
    )
    first = sums(debs)
    assert len([name for name in first if name.endswith(".deb")]) == 6
    assert sums(again) == first
