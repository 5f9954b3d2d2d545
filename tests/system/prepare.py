"""Prepare the system tests: `prepare.py DEBS NEWER STATE`, before pytest runs. For `make system-test`, as root.

Into the folder STATE come two signed repositories, `first` with the packages of DEBS and `second` with those of NEWER
beside them; `first.lines` and `second.lines`, what `make repo` prints for the hosts; and for each Debian release a link
`root-SUITE` to its root, made now or long ago.
"""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import roots

TREE = Path(__file__).parents[2]


def repository(state: Path, name: str, debs: list[Path]) -> None:
    """A signed repository, as `make repo` makes it, to be seen in a machine at /srv/NAME."""
    folder = state / name
    shutil.rmtree(folder, ignore_errors=True)
    environment = os.environ | {"XDG_DATA_HOME": str(state / "key")}
    for part in debs:
        command = [TREE / "debian/tools/make-repo.sh", part, folder, f"file:///srv/{name}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"make-repo.sh ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        (state / f"{name}.lines").write_text(done.stdout)


def link_root(state: Path, suite: str, needed: set[str]) -> str:
    """Have a root; a word on it."""
    began = time.monotonic()
    found = roots.root(suite, needed)
    link = state / f"root-{suite}"
    link.unlink(missing_ok=True)
    link.symlink_to(found)
    return f"{suite}: {found} ({time.monotonic() - began:.0f} s)"


def main(debs: Path, newer: Path, state: Path) -> None:
    """Make all of it."""
    state.mkdir(parents=True, exist_ok=True)
    repository(state, "first", [debs])
    repository(state, "second", [debs, newer])
    needed = roots.dependencies(debs.glob("*.deb"))
    with ThreadPoolExecutor() as pool:
        for word in pool.map(lambda suite: link_root(state, suite, needed), roots.SUITES):
            print(word, flush=True)


if __name__ == "__main__":
    try:
        main(*(Path(word).resolve() for word in sys.argv[1:4]))
    except roots.NoRoot as reason:
        raise SystemExit(str(reason)) from reason
