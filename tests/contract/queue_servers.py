"""The queues that the contract is tried on: one in memory, and the real beanstalkd on a unix socket and on TCP."""

import signal
import socket
import subprocess
import time
from pathlib import Path

from hedwig.queue import Queue, QueueDown
from hedwig.queue.beanstalk import open_queue, target_of
from hedwig.queue.memory import Broker

BEANSTALKD = "/usr/bin/beanstalkd"


class Server:
    """A queue server of a test: `open` makes a client, `restart` kills it and starts it anew, empty."""

    def __init__(self) -> None:
        self.clients: list[Queue] = []

    def client(self) -> Queue:
        raise NotImplementedError

    def open(self) -> Queue:
        self.clients.append(self.client())
        return self.clients[-1]

    def restart(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        for client in self.clients:
            client.close()


class InMemory(Server):
    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker()

    def client(self) -> Queue:
        return self.broker.open()

    def restart(self) -> None:
        self.broker.restart()


class Real(Server):
    """beanstalkd on a unix socket or a TCP port."""

    def __init__(self, listen: list[str], url: str) -> None:
        super().__init__()
        self.listen = listen
        self.url = url
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([BEANSTALKD, *self.listen])
        deadline = time.monotonic() + 10
        while True:
            probe = open_queue(self.url)
            try:
                probe.instance()
            except QueueDown:
                assert time.monotonic() < deadline, "beanstalkd did not start"
                time.sleep(0.01)
            else:
                return process
            finally:
                probe.close()

    def client(self) -> Queue:
        return open_queue(self.url)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        path = target_of(self.url)
        if isinstance(path, str):
            Path(path).unlink(missing_ok=True)

    def restart(self) -> None:
        self.kill()
        self.process = self.start()

    def stop(self) -> None:
        super().stop()
        self.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_unix(directory: Path) -> Server:
    return Real(["-l", f"unix:{directory}/q.sock"], f"beanstalk://{directory}/q.sock")


def on_tcp(_directory: Path) -> Server:
    port = free_port()
    return Real(["-l", "127.0.0.1", "-p", str(port)], f"beanstalk://127.0.0.1:{port}")
