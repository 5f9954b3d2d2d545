"""The hurried worker itself: a deadline that there is not is no deadline."""

import subprocess
import sys
from pathlib import Path

from .network import tool


def test_a_misspelt_deadline_ends_the_start() -> None:
    """So that no test waits for one that was never set."""
    tests = Path(__file__).parents[1]
    command = [tool("env"), f"PYTHONPATH={tests}", sys.executable, "-m", "journey.hurried", '{"banana": 2}', "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "banana" in done.stderr
