"""The log: nothing from outside ends a line or begins a field (I11), and no trouble with it reaches a caller."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from systemd import journal

from hedwig import log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    log.start("test")


def test_line_ends_from_outside_stay_within_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.start("hedwig-test")
    log.event("refused", "from <a\r\nMESSAGE=forged\x1b[31m>", queue_id="01\nPRIORITY=0")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("hedwig-test 01 PRIORITY=0: from <a MESSAGE=forged [31m>")


def test_what_turns_a_line_round_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the line and in its fields; letters of any script stay."""
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(journal, "sendv", lambda *lines: sent.append(lines))
    monkeypatch.setattr(log, "_sink", log._to_journal)
    log.event("deferred", "450 try \u202elater\u2069 用户 é", reason="\u200bx\u061c", rcpt=("a\ufeff@x.example",))
    (lines,) = sent
    assert "MESSAGE=450 try \\u202elater\\u2069 用户 é" in lines
    assert {"HEDWIG_REASON=\\u200bx\\u061c", "HEDWIG_RCPT=a\\ufeff@x.example"} <= set(lines)


def test_a_field_with_several_values_is_given_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(journal, "sendv", lambda *lines: sent.append(lines))
    monkeypatch.setattr(log, "_sink", log._to_journal)
    log.event("accepted", "accepted", rcpt=("a@x.example", "b@x.example\nPRIORITY=0"), client="", size=7)
    (lines,) = sent
    assert "MESSAGE=accepted" in lines
    assert [line for line in lines if line.startswith("HEDWIG_RCPT")] == [
        "HEDWIG_RCPT=a@x.example",
        "HEDWIG_RCPT=b@x.example PRIORITY=0",
    ]
    assert f"MESSAGE_ID={log.message_id('accepted')}" in lines
    assert not any(line.startswith("HEDWIG_CLIENT") for line in lines)


def test_a_hundred_thousand_recipients_are_no_hundred_thousand_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(journal, "sendv", lambda *lines: sent.append(lines))
    monkeypatch.setattr(log, "_sink", log._to_journal)
    log.event("accepted", "accepted", rcpt=tuple(f"r{number}@x.example" for number in range(100_000)))
    assert len(sent[0]) < log.MOST_VALUES + 20


def test_a_line_on_stderr_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the lines of two threads would stand in one."""
    written: list[str] = []

    class Stderr(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stderr", Stderr())
    monkeypatch.setattr(log, "_sink", log._to_stderr)
    log.say(log.Level.NOTICE, "first")
    log.say(log.Level.NOTICE, "second")
    assert [text.endswith(end) for text, end in zip(written, (" first\n", " second\n"), strict=True)] == [True, True]


def test_a_full_disk_behind_stderr_does_not_reach_the_caller() -> None:
    """A message that is in the spool must be answered with 250, whatever becomes of the line about it."""
    program = (
        "from hedwig import log\n"
        "log.start('hedwig-test')\n"
        "log.event('accepted', 'accepted')\n"
        "log.say(log.Level.ERROR, 'words')\n"
        "print('answered')\n"
    )
    with open("/dev/full", "wb") as full:
        ended = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, check=False)
    assert ended.stdout == b"answered\n"


def test_stderr_is_believed_to_be_the_journal_only_when_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    log.start("hedwig-test")
    assert log._sink is log._to_journal
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    log.start("hedwig-test")
    assert log._sink is log._to_stderr
