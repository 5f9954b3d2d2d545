"""The hook: a command of the operator's that is told of an alert. It gets the alert as JSON on its standard input.

It is started without a shell, in a session of its own, with an environment that is given whole: nothing of ours leaks
into it, and nothing that came from outside is in its arguments (I11). It has so many seconds; then it and all that it
has started in its session are killed, as they are when it is done. What it says is read up to MOST octets, the rest is
thrown away: a command that floods us is none that fills memory.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hedwig.reply import one_line

MOST = 4096
SHOWN = 300  # characters of what it said
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of telling somebody. `words`: on one line, for the operator."""

    taken: bool
    words: str


async def run(command: Sequence[str], facts: Mapping[str, str], content: bytes, seconds: float) -> Answer:
    """Run it once. `facts`: for its environment. Never raises for what the command does."""
    environment = {"PATH": _PATH, "LANG": "C.UTF-8", **facts}
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return Answer(False, f"{command[0]} can't be run: {reason}")
    said = bytearray()
    talking = asyncio.gather(_feed(child, content), _listen(child, said))
    try:
        async with asyncio.timeout(seconds):
            status = await child.wait()
    except TimeoutError:
        return Answer(False, _with_words(f"not done within {seconds:g} s", said))
    finally:
        _kill(child.pid)
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):  # what it has said already; a child in another session may hold the pipe
                await talking
        await child.wait()
    if status == 0:
        return Answer(True, _with_words("done", said))
    why = f"ended by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return Answer(False, _with_words(why, said))


async def _feed(child: asyncio.subprocess.Process, content: bytes) -> None:
    assert child.stdin is not None  # noqa: S101 -- a pipe was asked for
    with suppress(ConnectionError):  # it need not read what it is told
        child.stdin.write(content)
        await child.stdin.drain()
    child.stdin.close()


async def _listen(child: asyncio.subprocess.Process, said: bytearray) -> None:
    assert child.stdout is not None  # noqa: S101 -- a pipe was asked for
    while piece := await child.stdout.read(MOST):
        said += piece[: MOST - len(said)]


def _kill(session: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def _with_words(what: str, said: bytearray) -> str:
    words = one_line(said.decode("utf-8", "replace")).strip()[:SHOWN]
    return f"{what}: {words}" if words else what
