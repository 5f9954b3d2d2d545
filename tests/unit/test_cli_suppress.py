"""`hedwig suppress`: on a real spool in a directory of the test's own."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hedwig.cli.hedwig import main
from hedwig.spool.sqlite import open_spool

Hedwig = Callable[..., Result]


@pytest.fixture
def hedwig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hedwig:
    monkeypatch.setenv("SUDO_USER", "jia")
    (tmp_path / "worker.yml").write_text(f"spool: {tmp_path}/spool.db\n")
    open_spool(str(tmp_path / "spool.db")).close()

    def call(*arguments: str, status: int = 0) -> Result:
        result = CliRunner(mix_stderr=False).invoke(main, ["--config-dir", str(tmp_path), "suppress", *arguments])
        assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
        return result

    return call


def test_an_address_goes_on_the_list_and_off_it(hedwig: Hedwig) -> None:
    assert hedwig("list").stdout == "No address is suppressed.\n"
    added = hedwig("add", "Some.One@Example.COM", "--reason", "left the company").stdout
    assert added.startswith("some.one@example.com: since ")
    assert added.endswith("for good, by jia\n    left the company\n")
    assert hedwig("list").stdout == added
    assert hedwig("remove", "some.one@EXAMPLE.com").stdout == "1 address gets mail again\n"
    assert hedwig("list").stdout == "No address is suppressed.\n"


def test_for_a_time(hedwig: Hedwig) -> None:
    now = time.time()
    [one] = json.loads(hedwig("add", "a@x.example", "--for", "12h", "--json").stdout)
    assert one["until"] == pytest.approx(now + 12 * 3600, abs=60)
    assert (one["who"], one["reason"]) == ("jia", "by order")
    [changed] = json.loads(hedwig("add", "a@x.example", "--for", "1h", "--json").stdout)
    assert changed["until"] == pytest.approx(now + 3600, abs=60), "an operator may shorten it, too"


def test_a_long_list(hedwig: Hedwig) -> None:
    hedwig("add", *(f"u{number}@x.example" for number in range(5)), "v@y.example", "x@中文.example")
    assert [one["address"] for one in json.loads(hedwig("list", "--json", "--limit", "2").stdout)] == [
        "u0@x.example",
        "u1@x.example",
    ]
    first = hedwig("list", "--limit", "2")
    assert first.stderr == "There are more: hedwig suppress list --after u1@x.example\n"
    rest = json.loads(hedwig("list", "--json", "--after", "u1@x.example").stdout)
    assert [one["address"] for one in rest][:2] == ["u2@x.example", "u3@x.example"]
    assert [one["address"] for one in json.loads(hedwig("list", "Y.EXAMPLE", "--json").stdout)] == ["v@y.example"]
    assert "x@xn--fiq228c.example" in hedwig("list").stdout
    assert hedwig("list", "nobody").stdout == "No such address is suppressed.\n"


def test_what_is_not_on_the_list(hedwig: Hedwig) -> None:
    hedwig("add", "a@x.example")
    result = hedwig("remove", "a@x.example", "b@x.example", status=1)
    assert result.stdout == "1 address gets mail again\n"
    assert result.stderr == "b@x.example is not suppressed; `hedwig suppress list` shows what is\n"


@pytest.mark.parametrize("wrong", ["nobody", "a b@x.example", "@x.example", "a@x.example\x1b[31m"])
def test_what_is_no_address(hedwig: Hedwig, wrong: str) -> None:
    said = hedwig("add", wrong, status=2).stderr
    assert "the address" in said or "the part before the @" in said
    assert "\x1b" not in said


def test_without_a_spool(hedwig: Hedwig, tmp_path: Path) -> None:
    (tmp_path / "worker.yml").write_text(f"spool: {tmp_path}/other.db\n")
    assert "there is no spool yet" in hedwig("list", status=1).stderr
