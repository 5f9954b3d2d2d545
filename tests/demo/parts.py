"""The processes of `make run`: started, listened to, watched, and ended together.

What a part prints goes into its log file and, with the time at which it came, into one common stream of lines. A part
that ends by itself is a failure of the whole (PartDied, with the end of its log). If this program is killed, the kernel
ends the parts too (PR_SET_PDEATHSIG, by setpriv), so nothing is ever left running.
"""

import queue
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LAST_LINES = 25
PATIENCE = 10.0


class DemoFailed(Exception):
    """The demonstration can't go on; the text tells the reader what happened."""


class PartDied(DemoFailed):
    """A part ended though nobody told it to."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that a part printed. `at`: Unix seconds when it came."""

    at: float
    part: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """A running process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    reader: threading.Thread


class Parts:
    """All parts, in the order of their start; `close` ends them in the opposite order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._parts: list[Part] = []
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()

    def start(self, name: str, argv: Sequence[str | Path]) -> None:
        """Start a part in a session of its own: so Ctrl-C reaches this program alone, which ends them in order."""
        log = self._logs / f"{name.replace(' ', '-')}.log"
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        reader = threading.Thread(target=self._listen, args=(name, process, log), daemon=True)
        reader.start()
        self._parts.append(Part(name, process, log, reader))

    def _listen(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        assert process.stdout is not None
        with log.open("wb", buffering=0) as file:
            for line in process.stdout:
                file.write(line)
                self._lines.put(Line(time.time(), name, line.decode("utf-8", "replace").rstrip()))

    def check(self) -> None:
        """Raise PartDied if one has ended."""
        for part in self._parts:
            status = part.process.poll()
            if status is not None:
                part.reader.join(PATIENCE)
                raise PartDied(f"{part.name} has ended (status {status}); the end of {part.log}:\n{tail(part.log)}")

    def add(self, part: str, text: str) -> None:
        """A line of somebody who is no part, in its place among the others."""
        self._lines.put(Line(time.time(), part, text))

    def next_line(self, patience: float) -> Line | None:
        """The next line of any part, or None if none came within `patience` seconds."""
        try:
            return self._lines.get(timeout=patience)
        except queue.Empty:
            return None

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Ask `ready` until it says yes; DemoFailed after `seconds`, PartDied if a part ends meanwhile."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(f"{what}: not within {seconds:.0f} seconds\n{self.tails()}")
            time.sleep(0.02)

    def tails(self) -> str:
        """The end of every part's log, for the reader who wants to know what went wrong."""
        shown = [f"--- {part.log}\n{tail(part.log)}" for part in self._parts if part.log.exists()]
        return "\n".join(shown)

    def close(self) -> list[str]:
        """End all parts, the last one first. Returns the names of those that had to be killed."""
        killed = []
        while self._parts:
            part = self._parts.pop()
            part.process.terminate()
            try:
                part.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                part.process.kill()
                part.process.wait()
                killed.append(part.name)
            part.reader.join(PATIENCE)
        return killed


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:])
