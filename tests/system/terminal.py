"""An operator at a terminal of a machine: types a command, sees what is asked, answers.

The terminal is a real one, made by script(1) within the machine: so apt asks whether to go on, and a key is typed
unseen.
"""

import os
import selectors
import shlex
import subprocess
import time
from collections.abc import Iterable

from .machine import Machine

END = "\x04"  # Ctrl-D
_PATIENCE = 90.0


def typed(machine: Machine, line: str, answers: Iterable[tuple[str, str]] = ()) -> str:
    """Type a line, and each of `answers` when its question is on the screen ("": at once); what the screen showed.

    The command must succeed, and must have asked all of that.
    """
    within = ["script", "--quiet", "--return", "--flush", "--command", shlex.join(["bash", "-c", line]), "/dev/null"]
    command = machine.command("env", "-u", "DEBIAN_FRONTEND", "TERM=xterm", "SHELL=/bin/bash", *within)
    screen = _Screen(command)
    try:
        for question, answer in answers:
            screen.show(question)
            screen.type(answer)
        screen.show(None)
    finally:
        status = screen.end()
    assert status == 0, f"{machine.name}# {line}\nended with {status}:\n{screen.text}"
    return screen.text


class _Screen:
    def __init__(self, command: list[str]) -> None:
        self._running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._running.stdin is not None and self._running.stdout is not None
        self._keys, self._shown = self._running.stdin.fileno(), self._running.stdout.fileno()
        self._octets = b""
        self._answered = 0

    @property
    def text(self) -> str:
        return self._octets.decode("utf-8", "replace").replace("\r\n", "\n")

    def show(self, question: str | None) -> None:
        """Wait until it shows the question, behind the one before; None: until the command has ended."""
        deadline = time.monotonic() + _PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self._shown, selectors.EVENT_READ)
            while question is None or question.encode() not in self._octets[self._answered :]:
                awaited = repr(question) if question else "its end"
                assert selector.select(deadline - time.monotonic()), f"waited for {awaited}; there was:\n{self.text}"
                octets = os.read(self._shown, 65536)
                if not octets:
                    assert question is None, f"ended without asking {question!r}:\n{self.text}"
                    return
                self._octets += octets
        self._answered = len(self._octets)

    def type(self, answer: str) -> None:
        os.write(self._keys, answer.encode())

    def end(self) -> int:
        """Its exit status; one that still runs is killed."""
        try:
            return self._running.wait(10)
        except subprocess.TimeoutExpired:
            self._running.kill()
            return self._running.wait()
        finally:
            for file in (self._running.stdin, self._running.stdout):
                assert file is not None
                file.close()
