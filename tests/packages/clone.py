"""This tree once more, somewhere else: what a user has who cloned it."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def other_clone(path: Path) -> Path:
    """This tree's files, as git knows them and as they stand now: with other times, other modes, another git."""
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
