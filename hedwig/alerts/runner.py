"""Runs the operator's command somewhere else: in a unit of its own that may do less than hedwig-alerts.

    hedwig-alerts: ask(command, facts, content, seconds) → hook.sock, an instance of hedwig-hook@.service
    there, `python3 -m hedwig.alerts.runner`: reads the request on standard input, runs it (hook.py), answers, and ends

A request is JSON up to the end of what is sent: `command`, `facts`, `content`, `seconds`. The answer is JSON: `taken`,
`words`. Who may connect is decided by the socket's mode: hedwig's user alone.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence

from hedwig.alerts import hook
from hedwig.alerts.hook import Answer
from hedwig.reply import one_line

SOCKET = "/run/hedwig-hook/hook.sock"
STARTING = 15.0  # seconds that the unit may take to start and to end, beside the command itself
_ANSWER = 16 * 1024  # octets
_REQUEST = 1024 * 1024


async def ask(
    command: Sequence[str], facts: Mapping[str, str], content: bytes, seconds: float, *, socket: str = SOCKET
) -> Answer:
    """Have it run there, as hook.run would. Never raises for what comes back."""
    request = {"command": list(command), "facts": dict(facts), "content": content.decode(), "seconds": seconds}
    try:
        async with asyncio.timeout(seconds + STARTING):
            said = await _exchange(socket, json.dumps(request).encode())
        found = json.loads(said)
        return Answer(found["taken"] is True, one_line(str(found["words"])))
    except TimeoutError:
        return Answer(False, "hedwig-hook gave no answer in time")
    except OSError as error:
        return Answer(False, f"{socket}: {error.strerror or error}; see: systemctl status hedwig-hook.socket")
    except (ValueError, KeyError, TypeError):
        return Answer(False, "hedwig-hook ended without an answer; see: journalctl -u 'hedwig-hook@*'")


async def _exchange(socket: str, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(request)
        await writer.drain()
        writer.write_eof()
        said = b""
        while len(said) < _ANSWER and (piece := await reader.read(_ANSWER)):
            said += piece
        return said
    finally:
        writer.close()


def main() -> int:
    """One request; the exit status is 0 when it was understood, whatever the command does."""
    try:
        found = json.loads(sys.stdin.buffer.read(_REQUEST))
        command = [str(one) for one in found["command"]]
        facts = {str(name): str(value) for name, value in found["facts"].items()}
        content, seconds = str(found["content"]).encode(), float(found["seconds"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sys.stderr.write("this is no request of hedwig-alerts\n")
        return 2
    answer = asyncio.run(hook.run(command, facts, content, seconds))
    sys.stdout.write(json.dumps({"taken": answer.taken, "words": answer.words}))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
