"""`hedwig explain-reply`: for any text, the rule and what hedwig does, by the settings of this host."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hedwig.cli.hedwig import main

Explain = Callable[..., Result]


@pytest.fixture
def explain(tmp_path: Path) -> Explain:
    def explain(*arguments: str, status: int = 0, typed: str | None = None) -> Result:
        command = ["--config-dir", str(tmp_path), "explain-reply", *arguments]
        result = CliRunner(mix_stderr=False).invoke(main, command, input=typed)
        assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
        return result

    return explain


def test_a_limit(explain: Explain) -> None:
    shown = explain("--site", "qq", "550 Ip frequency limited. http://service.mail.qq.com/help?id=20022").stdout
    assert shown.splitlines() == [
        "550 Ip frequency limited. http://service.mail.qq.com/help?id=20022",
        "  in answer to RCPT, said by qq",
        "  rule: qq-frequency",
        "  class: rate, about this host's address",
        "  It waits until mail goes to this receiver again.",
        "  It is kept for 24 h (`retry.hold`) at the most; then it fails, and its sender is told why.",
        "  Nothing goes to this receiver for 60 min; longer, when it says so again.",
        "  That costs the mail none of its tries.",
        "  The operator is alerted, once an hour.",
        "  see: http://service.mail.qq.com/help?id=20022",
    ]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("550 5.1.1 no such user", ["rule: bad-mailbox", "The recipient has failed", "`hedwig suppress` for 30 d"]),
        ("450 4.7.1 greylisted for 600 seconds", ["rule: greylist", "waits for 10 min, as the reply itself says"]),
        ("550 5.7.26 unauthenticated", ["class: auth, about the sender", "four times an hour", "kept for 24 h"]),
        ("450 MI:DMC", ["It is tried again at once, on another connection"]),
        ("452 4.5.3 too many", ["go in the next transaction"]),
        ("421 HL:ICC", ["One connection at a time"]),
        ("504 what", ["rule: none; the code's first digit decides", "The recipient has failed"]),
        ("450 later", ["by the schedule, first after 6 min"]),
        ("250 2.0.0 ok", ["in answer to the final dot", "The message is delivered"]),
        ("550 Ip frequency limited", ["from qq it is another: qq-frequency (--site qq)"]),
    ],
)
def test_what_becomes_of_it(explain: Explain, reply: str, words: list[str]) -> None:
    shown = " ".join(explain(reply).stdout.split())
    for word in words:
        assert word in shown


def test_where_and_by_whom_it_was_said(explain: Explain) -> None:
    """A host's name or a domain stands for its site; what is said before MAIL fails nobody."""
    assert "said by qq" in explain("--site", "mx3.qq.com", "550 no").stdout
    assert "next host is tried" in explain("--stage", "banner", "554 5.7.1 no").stdout
    assert "All recipients in question have failed" in explain("--stage", "dot", "554 no").stdout
    assert "is none of default, google" in explain("--site", "nowhere.example", "554 no", status=2).stderr


def test_it_is_read_from_the_standard_input(explain: Explain) -> None:
    """So that nothing of a receiver's words comes under a shell's eyes."""
    typed = "said: 550-5.7.26 This is\n550 5.7.26 unauthenticated $(reboot)\n"
    shown = explain(typed=typed).stdout
    assert shown.startswith("550 5.7.26 This is unauthenticated $(reboot)\n")


def test_for_programs(explain: Explain) -> None:
    told = json.loads(explain("--json", "--site", "netease", "421 HL:ICC see http://mail.163.com/x").stdout)
    assert told == {
        "reply": {"code": 421, "enhanced": "", "text": "HL:ICC see http://mail.163.com/x"},
        "stage": "rcpt",
        "site": "netease",
        "rule": "netease-concurrency",
        "class": "concurrency",
        "scope": "address",
        "outcome": "deferred",
        "wait": 900.0,
        "held": False,
        "at_once": False,
        "counted": False,
        "suppress": False,
        "alert": True,
        "hearsay": False,
        "site_wait": 900.0,
        "site_connections": 1,
        "help": "http://mail.163.com/x",
        "elsewhere": {},
    }


def test_what_may_be_one_customers_word_is_shown_as_such(explain: Explain) -> None:
    shown = explain("--site", "google", "--stage", "dot", "550 5.7.1 your IP is blocked using Spamhaus").stdout
    assert "Once mail to two of its domains has heard it, nothing goes to this receiver" in shown
    assert "It waits for 60 min" in shown


def test_by_the_rules_and_settings_of_this_host(explain: Explain, tmp_path: Path) -> None:
    (tmp_path / "worker.yml").write_text(
        "suppress: 0\nretry: {hold: 2h}\nsites:\n  campus: {mx: [.campus.example], domains: [campus.example]}\n"
    )
    (tmp_path / "replies.yml").write_text(
        "rules:\n  evening: {provider: [campus], text: [closed], class: evening, action: [retry 8h]}\n"
    )
    shown = explain("--site", "campus.example", "550 closed").stdout
    assert "rule: evening" in shown
    assert "waits for 8 h" in shown
    assert "suppress" not in explain("550 5.1.1 no such user").stdout
    assert "kept for 2 h" in " ".join(explain("550 5.7.1 spf").stdout.split()).replace("120 min", "2 h")


def test_what_is_wrong_is_said(explain: Explain, tmp_path: Path) -> None:
    assert "this is no reply" in explain("hello", status=2).stderr
    (tmp_path / "replies.yml").write_text("rules:\n  x: {acton: [fail]}\n")
    assert "replies.yml:2: rules.x.acton: unknown key" in explain("550 x", status=1).stderr


def test_nothing_from_a_receiver_moves_the_cursor(explain: Explain) -> None:
    assert "\x1b" not in explain("550 \x1b[31mred").stdout
