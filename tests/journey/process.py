"""One real process of a journey: started in the test's namespace, its words kept in a file, ended by its pid."""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from .network import tool
from .waiting import until


class Process:
    """`command` in the foreground; what it says lies in `log`. It dies with the test run, whatever happens to that."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = [tool("setpriv"), "--pdeathsig", "KILL", "--", *command]
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], object] | None = None) -> None:
        """Start; with `ready`, wait until that is true, and fail at once where the process ends before."""
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )

        def up() -> object:
            assert self.alive, f"{self.name} ended with {self.returncode}:\n{self.words()}"
            return ready() if ready else True

        until(f"{self.name} to be ready", up)

    @property
    def pid(self) -> int:
        """Its process ID."""
        assert self._running is not None, f"{self.name} was never started"
        return self._running.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.poll() is None

    @property
    def returncode(self) -> int | None:
        """Its exit status, None while it runs."""
        return None if self._running is None else self._running.poll()

    def words(self) -> str:
        """All it has said so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.alive, f"{self.name} has ended with {self.returncode}:\n{self.words()}"
        os.kill(self.pid, number)

    def wait(self, seconds: float = 30.0) -> int:
        """Wait for its end; its exit status."""
        assert self._running is not None
        return self._running.wait(seconds)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self.alive:
            self.signal(signal.SIGKILL)
            self.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM, and wait for the end; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)


_NOT_PASSED_ON = (
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)
