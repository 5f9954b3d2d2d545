"""Which parts of `make bench` are played: all, those that are asked for, and the million where it is asked for."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # its modules find each other by name

import versus

USUAL = ["start", "memory", "rates", "alone", "uvloop", "dkim", "growth"]


@pytest.mark.parametrize(
    ("asked", "million", "played"),
    [
        ([], 0, USUAL),
        ([], 1_000_000, [*USUAL, "million"]),
        (["growth", "drain"], 0, ["growth"]),
        (["drain"], 0, ["drain"]),
        (["dkim", "start"], 0, ["dkim", "start"]),
        (["growth"], 1_000_000, ["growth", "million"]),
        (["million"], 1_000_000, ["million"]),
    ],
)
def test_each_part_is_played_once(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], million: int, played: list[str]
) -> None:
    """Growth and drain are one."""
    monkeypatch.setattr(versus, "PARTS", asked)
    monkeypatch.setattr(versus, "MILLION", million)
    assert list(versus.wanted()) == played


@pytest.mark.parametrize(("asked", "why"), [(["speed"], "there is no speed"), (["million"], "MILLION=1")])
def test_what_is_no_part_is_refused(monkeypatch: pytest.MonkeyPatch, asked: list[str], why: str) -> None:
    """Before anything is started."""
    monkeypatch.setattr(versus, "PARTS", asked)
    monkeypatch.setattr(versus, "MILLION", 0)
    with pytest.raises(SystemExit, match=why):
        versus.wanted()
