"""What Debian's own checker says about the packages."""

import subprocess
from pathlib import Path


def test_lintian_finds_neither_errors_nor_warnings(debs: Path) -> None:
    """`lintian --pedantic` on both sources and all binaries; each override in debian/ says why it is there."""
    changes = sorted(debs.glob("*.changes"))
    assert len(changes) == 2
    done = subprocess.run(
        ["lintian", "--allow-root", "--pedantic", "--show-overrides", "--fail-on", "none", *changes],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stdout.splitlines() if line.startswith(("E:", "W:"))]
    assert found == []
    overridden = [line for line in done.stdout.splitlines() if line.startswith("O:")]
    assert overridden, "the overrides are not in the packages: lintian saw nothing"


def test_every_override_is_explained() -> None:
    """A comment stands above each override."""
    files = sorted((Path(__file__).parents[2] / "debian").rglob("*lintian-overrides"))
    assert files
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        for above, line in zip(["", *lines], lines, strict=False):
            assert line.startswith("#") or above, f"{file}: {line} is not explained"
