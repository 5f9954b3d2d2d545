"""The hook command: what it is given, what is made of its end, and that it can neither hang nor flood us."""

import asyncio
import time
from pathlib import Path

import pytest

from hedwig.alerts.hook import MOST, SHOWN, run


def script(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "hook"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return [str(file)]


async def test_it_gets_the_alert_and_the_facts_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable of the daemon's reaches it, and it stands at the root of the tree."""
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    out = tmp_path / "out"
    command = script(tmp_path, f"cat >{out}; env >>{out}; pwd >>{out}")
    answer = await run(command, {"HEDWIG_ALERT_KIND": "test"}, b'{"kind": "test"}\n', 10)
    assert (answer.taken, answer.words) == (True, "done")
    lines = out.read_text().splitlines()
    assert lines[0] == '{"kind": "test"}' and lines[-1] == "/"
    assert "HEDWIG_ALERT_KIND=test" in lines
    assert "SECRET_OF_OURS" not in out.read_text()


async def test_nothing_is_interpreted(tmp_path: Path) -> None:
    """Neither an argument nor a fact passes through a shell."""
    ran = tmp_path / "ran"
    evil = f"$(touch {ran}); `touch {ran}` | touch {ran}"
    answer = await run(["/bin/echo", evil], {"HEDWIG_ALERT_SUBJECT": evil}, b"", 10)
    assert answer.taken and answer.words == f"done: {evil}"
    assert not ran.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo 'no pager\n\033[31m'; exit 3", "exit status 3: no pager"),
        ("kill -TERM $$", "ended by SIGTERM"),
        ("exec /nowhere/at/all", "exit status 127"),
    ],
)
async def test_a_command_that_fails(tmp_path: Path, text: str, words: str) -> None:
    answer = await run(script(tmp_path, text), {}, b"x", 10)
    assert not answer.taken
    assert answer.words.startswith(words)
    assert "\n" not in answer.words and "\033" not in answer.words


@pytest.mark.parametrize("command", [["/nowhere/hook"], ["/etc/passwd"], ["/bin/true", "a\0b"]])
async def test_what_cant_be_run(command: list[str]) -> None:
    answer = await run(command, {}, b"", 10)
    assert not answer.taken
    assert "can't be run" in answer.words


async def test_a_command_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    """The deadline is kept although a child holds the pipes, and that child is gone."""
    pid = tmp_path / "pid"
    began = time.monotonic()
    answer = await run(script(tmp_path, f"sleep 300 & echo $! >{pid}; echo begun; wait"), {}, b"", 1.0)
    assert (answer.taken, answer.words) == (False, "not done within 1 s: begun")
    assert time.monotonic() - began < 30
    for _ in range(500):
        stat = Path(f"/proc/{pid.read_text().strip()}/stat")
        if not stat.exists() or stat.read_text().split()[2] == "Z":
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("the child lives")


async def test_a_command_that_floods(tmp_path: Path) -> None:
    """What it says is cut; that it reads nothing of a large alert is its own affair."""
    answer = await run(script(tmp_path, "head -c 50000000 /dev/zero | tr '\\0' x"), {}, b"y" * 1_000_000, 30)
    assert answer.taken
    assert len(answer.words) <= SHOWN + len("done: ") < MOST
