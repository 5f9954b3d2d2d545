"""Every option of the operator's commands, with what nobody means: a usage error with a sentence, and no traceback."""

import re
from collections.abc import Iterator

import pytest
from cli_rig import Cli
from click.testing import CliRunner

from hedwig.cli.hedwig import main

ID = "01M85DDG43TXBRY3WKTP5B07ZA"
HUGE = "9" * 40
ABSURD = (
    "", " ", "\0", "\udcff", "\ud83d", "-1", "0", "-0", "nan", "inf", "1e999", HUGE, f"-{HUGE}", "9" * 5000, "0x10",
    "٣", "²", "1.1", "\x1b[31m", "\u202e", "../../etc/passwd", "'; DROP TABLE messages; --", "%", "[", "@", "<>", "a@",
    "@b", "x" * 1_000_000, "\n", "9999-12-31", "0001-01-01", "2026-13-99", "99:99", "1800000000", f"{HUGE}d", "never",
    "999999999w999999999d", f"{HUGE}.{HUGE}.{HUGE}", "1.2.3", "-1.-1.-1", "1.1", "[IPv6:::1%eth0]", "xn--", "é" * 300,
)  # fmt: skip
FILTERS = ("--site", "--client", "--sender", "--rcpt", "--state", "--older", "--reply")
ACTS = tuple(("queue", act, "--all", "--dry-run") for act in ("retry", "hold", "release", "drop"))
PLACES = [
    *[("queue", option) for option in (*FILTERS, "--limit", "--after", "--spool")],
    *[("queue", act, "--dry-run", option) for act in ("retry", "hold", "release") for option in FILTERS],
    *[("queue", "drop", "--dry-run", "--dsn", option) for option in FILTERS],
    *[(*act, "--reason") for act in ACTS],
    ("queue", "hold", "--dry-run"),
    ("queue", "show"),
    ("queue", "pause"),
    ("queue", "pause", "--site"),
    ("queue", "pause", "--client"),
    ("queue", "pause", "163.com", "--until"),
    ("queue", "pause", "163.com", "--reason"),
    ("queue", "resume"),
    ("queue", "resume", "--site"),
    ("trace",),
    ("trace", "a@163.com", "--limit"),
    ("top", "--limit"),
    ("top", "--every"),
    ("mail",),
    ("mail", ID, "--client"),
    ("spool", "--limit"),
    ("spool", "drop"),
    ("spool", "release", "--all", "--dry-run", "--reason"),
]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    made = Cli(tmp_path_factory.mktemp("absurd"))
    made.put("a@163.com", "苏轼@bücher.example")
    (made.directory / "mailman.yml").write_text(
        f"fqdn: a.example\npostoffice: http://127.0.0.1:1/\nkey: k\nspool: {made.path}\n"
    )
    yield made
    made.close()


@pytest.mark.parametrize("place", PLACES, ids=" ".join)
@pytest.mark.parametrize("json", [(), ("--json",)], ids=["text", "json"])
def test_absurd_values(cli: Cli, place: tuple[str, ...], json: tuple[str, ...]) -> None:
    """Whatever is done of it, it ends with 0, 1 or 2, and with 2 it says why, in a line that a terminal may show."""
    for value in ABSURD:
        is_flag = place[:2] in (("queue", "pause"), ("queue", "resume")) and place[-1] in ("--site", "--client")
        behind = ("--",) if is_flag or not place[-1].startswith("--") or place[-1] == "--dry-run" else ()
        words = [*place, *json, *behind, value] if behind else [*place[:-1], *json, place[-1], value]
        command = ["--config-dir", str(cli.directory), *words]
        result = CliRunner(mix_stderr=False).invoke(main, command)
        shown = (command[2:], value[:60], result.stdout[-500:], result.stderr[-500:])
        assert result.exception is None or isinstance(result.exception, SystemExit), (shown, result.exc_info)
        assert result.exit_code in (0, 1, 2), shown
        assert result.exit_code != 2 or re.search(r"Error: .", result.stderr), shown
        assert result.exit_code != 1 or result.stderr or (json and result.stdout), shown
        assert len(result.stderr) < 2000, shown
        assert all(char.isprintable() or char == "\n" for char in result.stderr + result.stdout), shown


@pytest.mark.parametrize("option", [*FILTERS, "--after"])
def test_an_empty_value_is_no_filter_that_fits_all(cli: Cli, option: str) -> None:
    """`--site "$UNSET"` must not mean every site."""
    if option == "--after":
        cli("queue", option, "")
        return
    cli("queue", option, "", status=2)
    cli("queue", "drop", "--no-dsn", "--yes", "--client", "less.nankai.edu.cn", option, "", status=2)
