"""`hedwig` for a user to whom /etc/hedwig is closed: it says what to do."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# Imported as root: the packages may lie where another user can't look.
AS_NOBODY = """\
import os, sys
import hedwig.cli.config_check, hedwig.cli.keys, hedwig.cli.queue, hedwig.cli.spool
from hedwig.cli.hedwig import main
os.setgroups([]); os.setgid(65534); os.setuid(65534)
main()
"""


@pytest.fixture
def closed():
    """A directory that only root may read, under a path that is open."""
    assert os.geteuid() == 0, "this test becomes another user: run it as root"
    with tempfile.TemporaryDirectory(prefix="hedwig-") as name:
        Path(name).chmod(0o755)
        etc = Path(name) / "etc"
        etc.mkdir(mode=0o750)
        yield etc


def called(etc, *arguments):
    command = [sys.executable, "-c", AS_NOBODY, "--config-dir", etc, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [("queue",), ("spool",), ("key", "list"), ("config", "check")])
def test_run_it_as_root(closed, arguments):
    done = called(closed, *arguments)
    assert (done.returncode, done.stderr) == (1, f"Error: {closed} is closed to this user: run it as root\n")


@pytest.mark.parametrize("arguments", [("config", "sample", "mailman"), ("queue", "--help")])
def test_what_needs_no_file_is_for_everybody(closed, arguments):
    done = called(closed, *arguments)
    assert done.returncode == 0, done.stderr
