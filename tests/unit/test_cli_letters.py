"""`hedwig trace`, `mail` and `top`: by which words a letter is found, its bytes, and what a terminal gets of them."""

import base64
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_rig import CLIENT, Cli

from hedwig.cli.terminal import visible
from hedwig.spool import State

HEDWIG = Path(sys.executable).parent / "hedwig"
EVIL = (
    b"Subject: \x1b]0;owned\x07\x1b[2J\r\n\r\nHallo W\xc3\xbc, \xff\xfe\x9b31m \xe2\x80\xaeback\xe2\x80\xac\tx\x7f\r\n"
)


def traced(cli: Cli, word: str) -> list[str]:
    return [one["queue_id"] for one in json.loads(cli("trace", word, "--json").stdout)]


def moved(cli: Cli, wait: bool) -> None:
    """Names lie in the spool first, and then in the day's file."""
    if wait:
        cli.until(lambda: bool(list(cli.path.parent.glob("spool.db.history/*.db"))))
        cli.until(lambda: not _unmoved(cli))


def _unmoved(cli: Cli) -> int:
    import sqlite3

    db = sqlite3.connect(cli.path)
    try:
        return int(db.execute("SELECT count(*) FROM names").fetchone()[0])
    finally:
        db.close()


@pytest.mark.parametrize("wait", [False, True], ids=["in the spool", "in the day's file"])
def test_a_letter_is_found_however_its_names_are_written(cli: Cli, wait: bool) -> None:
    """Case, brackets, a display name, both forms of an international domain, composed and decomposed letters."""
    queue_id = cli.put(
        "Ärger@Bücher.Example", "plain@qq.com", mailfrom="Öl@xn--fiqs8s.example", message_id="<Äb.1@Host.Example>"
    )
    other = cli.put("x@163.com", message_id="<2@host.example>")
    moved(cli, wait)
    for word in (
        queue_id.lower(),
        "ärger@bücher.example",
        "ÄRGER@BÜCHER.EXAMPLE",
        "A\u0308RGER@xn--bcher-kva.example",
        "<ärger@XN--BCHER-KVA.example>",
        "Herr Ärger <ärger@bücher.example>",
        "öl@中国.example",
        "ÖL@XN--FIQS8S.example",
        "<äb.1@host.example>",
        "Äb.1@HOST.example",
        " PLAIN@qq.com ",
    ):
        assert traced(cli, word) == [queue_id], word
    assert traced(cli, "Message-ID: <2@host.example>") == [other]
    for word in ("rger@bücher.example", "bücher.example", "%", "_lain@qq.com", '"', "[]", "\\"):
        assert json.loads(cli("trace", word, "--json", status=1).stdout) == [], word


def test_trace_tells_of_what_is_done(cli: Cli) -> None:
    """In the receiver's own words."""
    queue_id = cli.put("a@163.com")
    [claim] = cli.claim()
    cli.settle(claim, State.DONE, "250 2.0.0 queued as 77")
    out = cli("trace", "a@163.com").stdout
    assert "nothing of it waits any more" in out
    assert "mx1.example said 250 2.0.0 queued as 77" in out
    assert queue_id in out


def test_the_bytes_are_the_messages(cli: Cli) -> None:
    """Whatever they are, to a pipe; in JSON with the envelope."""
    queue_id = cli.put("a@163.com", "b@qq.com", body=EVIL)
    assert cli("mail", queue_id).stdout_bytes == EVIL
    whole = json.loads(cli("mail", queue_id, "--json").stdout)
    assert base64.b64decode(whole["content"]) == EVIL
    assert (whole["client"], whole["mailfrom"], whole["rcpttos"], whole["size"]) == (
        CLIENT, "sender@robot.genee.cn", ["a@163.com", "b@qq.com"], len(EVIL),
    )  # fmt: skip
    assert "no such message waits here" in cli("mail", "0" * 26, status=1).stderr
    assert "no such message waits here" in cli("mail", queue_id, "--client", "b.example", status=1).stderr


def on_terminal(cli: Cli, *arguments: str, env: dict[str, str] | None = None) -> bytes:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    command = [str(HEDWIG), "--config-dir", str(cli.directory), *arguments]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **(env or {})})
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 1 << 16):
            said += piece
    except OSError:
        pass  # the other end is closed: that is how a terminal says so
    finally:
        os.close(ours)
        child.wait(20)
    return said.replace(b"\r\n", b"\n")


def test_no_letter_commands_the_terminal(cli: Cli) -> None:
    """C0, C1, DEL, marks that turn a line round, and what is no text: all are shown as escapes (I11)."""
    queue_id = cli.put("a@163.com", body=EVIL)
    assert on_terminal(cli, "mail", queue_id).decode() == (
        "Subject: \\x1b]0;owned\\x07\\x1b[2J\n\nHallo Wü, \\xff\\xfe\\x9b31m \\u202eback\\u202c\tx\\x7f\n"
    )


def test_no_terminal_is_too_poor(cli: Cli) -> None:
    """One that has no Chinese gets escapes, and no traceback."""
    queue_id = cli.put("苏轼@163.com", body="Subject: 你好\r\n\r\n".encode(), smtputf8=True)
    for arguments in (("mail", queue_id), ("queue",), ("trace", queue_id)):
        said = on_terminal(cli, *arguments, env={"PYTHONIOENCODING": "latin-1:strict"})
        assert b"Traceback" not in said
        assert b"\\u" in said


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_pieces_end_anywhere(size: int) -> None:
    """Within a character, between CR and LF."""
    pieces = [EVIL[start : start + size] for start in range(0, len(EVIL), size)]
    assert "".join(visible(pieces)) == "".join(visible([EVIL]))
    assert "".join(visible([b"a\r", b"b\r"])) == "a\\rb\\r"
    assert "".join(visible([])) == ""


def test_json_escapes_everything(cli: Cli) -> None:
    """DEL too, and what comes from a receiver."""
    queue_id = cli.put("苏轼@163.com", mailfrom="del\x7f@robot.genee.cn", smtputf8=True)
    [claim] = cli.claim()
    cli.settle(claim, State.DEFERRED, "451 4.7.1 \x1b[31m\x9b\u202e\x7f red")
    for arguments in (("queue",), ("queue", "show", queue_id), ("trace", queue_id), ("top",), ("mail", queue_id)):
        out = cli(*arguments, "--json").stdout
        assert out.isascii()
        assert all(char.isprintable() or char == "\n" for char in out), arguments
        text = cli(*arguments).stdout if arguments[0] != "mail" else ""
        assert all(char.isprintable() or char == "\n" for char in text), arguments


def test_top_shows_where_the_backlog_lies(cli: Cli) -> None:
    """The largest first, what is paused, the last error."""
    for number in range(3):
        cli.put(f"r{number}@163.com")
    cli.put("a@qq.com")
    [claim, *others] = cli.claim()
    cli.settle(claim, State.DEFERRED, "451 4.7.1 slow down")
    for one in others:
        cli.settle(one)
    cli("queue", "pause", "163.com", "--reason", "a storm")
    lines = cli("top").stdout.splitlines()
    assert "4 deliveries wait, 0 are being sent, 0 are held" in lines[0]
    assert "site 163.com: since" in lines[3]
    rows = [line.split() for line in lines[6:]]
    assert rows[1][:3] == ["163.com", "(paused)", "3"]
    assert rows[2][:2] == ["qq.com", "1"]
    assert "451 4.7.1 slow down" in lines[7] or "451 4.7.1 slow down" in lines[8]
    whole: dict[str, Any] = json.loads(cli("top", "--json", "--limit", "1").stdout)
    assert [site["site"] for site in whole["sites"]] == ["163.com"]
    assert whole["waiting"] == 4


def test_top_ends_quietly(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is how --watch is ended."""

    def broken(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hedwig.cli.top.time.sleep", broken)
    result = cli("top", "--watch")
    assert "0 deliveries wait" in result.stdout
    assert result.stderr == ""
