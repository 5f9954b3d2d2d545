"""What systemd is to a Type=notify service, over a real NOTIFY_SOCKET: words, the fd store, LISTEN_FDS at each start.

systemd's own rules are kept: a socket under a name lives until FDSTOREREMOVE, and outlives the process (sd_notify(3)).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PATIENCE = 20.0
# systemd hands descriptors on from 3 upwards, and says for which process they are.
_STARTER = """
import os, sys
numbers = [int(number) for number in sys.argv[1].split(",") if number]
for place, number in enumerate(numbers):
    os.dup2(number, 100 + place)
for number in numbers:
    os.close(number)
for place in range(len(numbers)):
    os.dup2(100 + place, 3 + place)
    os.close(100 + place)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServiceManager:
    """One service. `words` are all lines it has sent; `store` the sockets that are kept, by name."""

    def __init__(self, directory: Path, command: Sequence[str]) -> None:
        self.words: list[str] = []
        self.store: dict[str, int] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self._command = command
        self._path = directory / "notify"
        self._log = directory / "log"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            message, fds, _, _ = socket.recv_fds(self._socket, 8192, 16)
            if not message:
                return
            self._take(message.decode().splitlines(), fds)

    def _take(self, lines: list[str], fds: list[int]) -> None:
        named = dict(line.split("=", 1) for line in lines)
        with self._changed:
            name = named.get("FDNAME", "stored")
            if "FDSTORE" in named:
                assert name not in self.store, "kept twice"
                (self.store[name],) = fds
            elif "FDSTOREREMOVE" in named and name in self.store:
                os.close(self.store.pop(name))
            if "BARRIER" in named:
                os.close(fds[0])
            self.words += lines
            self._changed.notify_all()

    def start(self, names: dict[str, int] | None = None, *, ready: bool = True) -> None:
        """Start it with what is kept, or with `names` as a .socket unit would; until READY."""
        handed_on = {**self.store, **(names or {})}
        numbers = ",".join(str(number) for number in handed_on.values())
        environment = {**os.environ, "NOTIFY_SOCKET": str(self._path)}
        if handed_on:
            environment |= {"LISTEN_FDS": str(len(handed_on)), "LISTEN_FDNAMES": ":".join(handed_on)}
        before = len(self.words)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _STARTER, numbers, *self._command],
                env=environment,
                pass_fds=list(handed_on.values()),
                stdout=log,
                stderr=log,
            )
        if ready:
            self.wait_for("READY=1", before)

    def wait_for(self, beginning: str, since: int = 0) -> str:
        """The first line after `since` that begins so."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not (found := [line for line in self.words[since:] if line.startswith(beginning)]):
                assert self._changed.wait(deadline - time.monotonic()), f"no {beginning}: {self.words}\n{self.log}"
        return found[0]

    def status(self, part: str, since: int = 0) -> str:
        """The first status after `since` that holds `part`."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not (found := [w for w in self.words[since:] if w.startswith("STATUS=") and part in w]):
                assert self._changed.wait(deadline - time.monotonic()), f"no {part}: {self.words}\n{self.log}"
        return found[0]

    @property
    def log(self) -> str:
        return self._log.read_text()

    def send(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._socket.close()
        for kept in self.store.values():
            os.close(kept)


@contextlib.contextmanager
def managed(directory: Path, command: Sequence[str]) -> Iterator[ServiceManager]:
    manager = ServiceManager(directory, command)
    try:
        yield manager
    finally:
        manager.close()


def daemon(room: str, config: Path, *arguments: str) -> list[str]:
    """The command of a daemon."""
    script = f"import sys; from hedwig.cli.daemon_{room} import main; sys.exit(main())"
    return [sys.executable, "-c", script, "--config", str(config), *arguments]
