"""Which parts of `make bench` are played: all, those that are asked for, and the million where it is asked for."""

import json
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # its modules find each other by name

import alone
import versus
from goals import Found, Row

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


def test_what_was_played_is_told_where_a_later_part_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half an hour's rows are not thrown away; and readme.py sees that something was wrong."""

    def fails(*_: object) -> Found:
        raise AssertionError("no reply")

    parts = {"start": lambda *_: Found([Row("a row", 3.0, 2.0)]), "memory": fails}
    for name, value in {
        "wanted": lambda: parts,
        "machine": dict,
        "as_root": lambda: None,
        "scene": lambda: nullcontext((None, None)),
        "JSON": tmp_path / "new" / "bench.json",
    }.items():
        monkeypatch.setattr(versus, name, value)
    with pytest.raises(AssertionError):
        versus.main()
    assert "a row    3.00x  >= 2.00x  met" in capsys.readouterr().out
    told = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert told["wrong"] == ["memory was not played to its end: AssertionError no reply"]
    assert [row["what"] for row in told["table"]] == ["a row"]


def test_a_path_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before the first part."""
    monkeypatch.setattr(versus, "JSON", tmp_path)
    with pytest.raises(SystemExit, match="can't be written: Is a directory"):
        versus.writable()


def test_one_letter_at_a_time_is_counted_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of six never comes, and one comes twice."""
    came: Counter[str] = Counter()

    def carried(peer: object, far: object, rcptto: str, into: alone.Times) -> None:
        came.update({"0xm": [], "1xm": [rcptto] * 2}.get(rcptto.partition("@")[0], [rcptto]))

    monkeypatch.setattr(alone, "_by_msmtp", carried)
    monkeypatch.setattr(alone, "_by_smtplib", carried)
    monkeypatch.setattr(alone, "_AFTER", 0)
    far = SimpleNamespace(forget=came.clear, look=came.total, came=came)
    times = {"a peer": alone.Times(), "another": alone.Times()}
    alone.letters(cast(Any, None), cast(Any, far), 3, "x", times["a peer"])
    assert alone.wrong(times) == ["a peer lost 1 and doubled 1 of the letters sent one at a time"]
