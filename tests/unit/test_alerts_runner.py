"""The command runs in another process, by one request on its standard input, as systemd's Accept=yes starts it."""

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from hedwig.alerts.runner import ask


async def served(path: str, *command: str) -> asyncio.Server:
    """As hedwig-hook.socket does: a process for each connection."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await child.communicate(await reader.read())
        writer.write(said)
        writer.close()

    return await asyncio.start_unix_server(one, path)


@pytest.mark.parametrize(
    ("command", "taken", "words"),
    [
        (["/bin/sh", "-c", 'read -r line; echo "$HEDWIG_ALERT_KIND $line"'], True, 'done: test {"kind": "试"}'),
        (["/bin/sh", "-c", "echo no; exit 3"], False, "exit status 3: no"),
        (["/nonexistent"], False, "/nonexistent can't be run: No such file or directory"),
        (["/bin/sleep", "60"], False, "not done within 1 s"),
    ],
)
async def test_it_is_run_there(tmp_path: Path, command: list[str], taken: bool, words: str) -> None:
    path = str(tmp_path / "hook.sock")
    async with await served(path, sys.executable, "-m", "hedwig.alerts.runner"):
        content = '{"kind": "试"}\n'.encode()
        answer = await ask(command, {"HEDWIG_ALERT_KIND": "test"}, content, 1.0, socket=path)
    assert (answer.taken, answer.words) == (taken, words)


async def test_without_the_unit_it_is_said_what_to_look_at(tmp_path: Path) -> None:
    asked = partial(ask, ["/bin/true"], {}, b"", 1.0)
    answer = await asked(socket=str(tmp_path / "none"))
    assert not answer.taken
    assert "systemctl status hedwig-hook.socket" in answer.words
    path = str(tmp_path / "hook.sock")
    async with await served(path, "/bin/true"):
        assert "ended without an answer" in (await asked(socket=path)).words


def test_what_is_no_request_is_refused() -> None:
    command = [sys.executable, "-m", "hedwig.alerts.runner"]
    done = subprocess.run(command, input=b'{"command": 1}', capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (2, b"")
