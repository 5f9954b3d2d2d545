"""A network namespace for each test, so that ports 25 and 53 are free and nothing leaves the machine.

The test's own thread moves into the namespace (so that its sockets, threads and child processes live there), and back
when the test ends. Within:

    lo        127.0.0.1; all of 192.0.2.0/24 is local, and 2001:db8::25, for the far sides
    docker0   a bridge with 172.17.0.1/16, as Docker makes it
    container a namespace of its own with a veth in docker0: what runs there reaches 172.17.0.1 and nothing else
    stranger  a namespace on a network that is not docker's: 203.0.113.2, by way of 203.0.113.1

Root needs no more than the kernel. A plain user gets a user namespace as well; the kernel allows that only to a process
without threads, so pytest-xdist is then to be run under `unshare -r`.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, linux/sched.h
_NEW_USER = 0x10000000  # CLONE_NEWUSER
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


def tool(name: str) -> str:
    """The path of a program that the journeys need. One that is missing fails the test by its name."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin")
    assert found, f"{name} is missing: `make deps` installs it"
    return found


def _unshare(flags: int) -> None:
    if _libc.unshare(flags) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"unshare({flags:#x}): {os.strerror(error)}; run the tests as root or under `unshare -r`")


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _NEW_NETWORK) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def _become_root_of_a_user_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    _unshare(_NEW_USER | _NEW_NETWORK)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


@dataclass(frozen=True)
class Namespace:
    """One network namespace, kept alive by an open descriptor."""

    descriptor: int

    @property
    def path(self) -> str:
        """By this name other programs enter it while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def command(self, *command: str) -> list[str]:
        """`command`, to be run in this namespace."""
        return [tool("nsenter"), f"--net={self.path}", "--", *command]

    def ip(self, *lines: str) -> None:
        """Run these `ip` commands in here, in one process."""
        batch = "".join(f"{line}\n" for line in lines)
        command = self.command(tool("ip"), "-batch", "-")
        done = subprocess.run(command, input=batch, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, f"ip -batch failed: {done.stderr}\n{batch}"


class Network:
    """The world of one test. `close` leads the thread back."""

    def __init__(self) -> None:
        assert threading.current_thread() is threading.main_thread(), "child processes start from the main thread"
        if os.geteuid() != 0:
            _become_root_of_a_user_namespace()
        self._opened: list[int] = []
        self._home = self._current()
        self.here = self._new()
        self.here.ip(
            "link set lo up",
            "route add local 192.0.2.0/24 dev lo",
            "address add 2001:db8::25/128 dev lo nodad",
            "link add docker0 type bridge",
            "address add 172.17.0.1/16 dev docker0",
            "link set docker0 up",
        )

    def _current(self) -> int:
        descriptor = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        self._opened.append(descriptor)
        return descriptor

    def _new(self) -> Namespace:
        _unshare(_NEW_NETWORK)
        return Namespace(self._current())

    def _neighbour(self) -> Namespace:
        neighbour = self._new()
        _enter(self.here.descriptor)
        return neighbour

    def container(self, number: int = 2) -> Namespace:
        """A container on docker0, with the address 172.17.0.`number`."""
        inside = self._neighbour()
        self.here.ip(
            f"link add veth{number} type veth peer name eth0 netns {inside.path}",
            f"link set veth{number} master docker0 up",
        )
        inside.ip(
            "link set lo up",
            f"address add 172.17.0.{number}/16 dev eth0",
            "link set eth0 up",
            "route add default via 172.17.0.1",
        )
        return inside

    def stranger(self) -> Namespace:
        """A machine that is no container of this host: 203.0.113.2."""
        outside = self._neighbour()
        self.here.ip(
            f"link add outside0 type veth peer name eth0 netns {outside.path}",
            "address add 203.0.113.1/24 dev outside0",
            "link set outside0 up",
        )
        outside.ip(
            "link set lo up",
            "address add 203.0.113.2/24 dev eth0",
            "link set eth0 up",
            "route add default via 203.0.113.1",
        )
        return outside

    def close(self) -> None:
        """Go home; the kernel takes the namespaces down once nothing runs in them.

        A user's way leads out only (the machine's own network belongs to no namespace of theirs): their first test
        stays where it is, with a loopback like any other, until the next one makes its own.
        """
        with contextlib.suppress(PermissionError):
            _enter(self._home)
        for descriptor in self._opened:
            os.close(descriptor)
        self._opened.clear()
