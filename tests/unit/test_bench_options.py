"""What a bench is told is checked before anything starts, in a sentence that says what would be right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


def told(module: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What importing it there says."""
    command = [sys.executable, "-c", f"import {module} as m; print(m.MESSAGES)"]
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{BENCH}:{BENCH.parent}"}
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        *[("QUEUED", value, "1000 or more") for value in ("0", "1", "7")],
        ("QUEUED", "5001", "a multiple of 50, from 100000 on of 2000; 5000 say"),
        ("QUEUED", "101000", "100000 say"),
        ("MILLION", "1001000", "1000000 say"),
        *[("MESSAGES", value, "200 or more; 4000 say") for value in ("abc", "-5", "²", "0", "9", "199")],
        ("ROUNDS", "0", "1 or more; 3 say"),
        ("LETTERS", "0", "2 or more; 100 say"),
        ("PEERS", "exim", "there is haraka"),
    ],
)
def test_a_bad_number_is_refused_at_once(name: str, value: str, why: str) -> None:
    """Not after half an hour, and not by a traceback."""
    done = told("options", **{name: value})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{name}={value}: ") and why in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("queued", ["", "1000", "5000", "99950", "100000", "102000"])
def test_what_makes_whole_slices_is_taken(queued: str) -> None:
    """An empty one is the usual one."""
    done = told("options", QUEUED=queued, MESSAGES="400", MILLION="1")
    assert (done.stdout, done.stderr) == ("400\n", "")


@pytest.mark.parametrize(
    ("name", "value"), [("BAR", ""), ("BAR", "x"), ("BAR", "nan"), ("BAR", "0"), ("MESSAGES", "abc"), ("MESSAGES", "9")]
)
def test_the_quick_bench_refuses_them_too(name: str, value: str) -> None:
    """A bar that is no number would never fail."""
    done = told("versus_quick", **{name: value})
    assert done.returncode == 1 and done.stderr.startswith(f"{name}={value}: ")
    assert "Traceback" not in done.stderr


def test_the_quick_bench_has_a_usual_number_of_its_own() -> None:
    """Which lasts under a minute."""
    assert told("versus_quick").stdout == "2400\n"
