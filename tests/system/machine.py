"""One booted Debian: systemd-nspawn on a cached root, with an overlay in memory above it that ends with the machine.

It promises that it is up when the constructor returns, that all it writes is gone at the end, and that it dies with the
test run whatever happens to that (its mounts too: they lie in a mount namespace of its own). It fails where no system
can be booted, with a text that says what is needed and what the console said.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from journey.network import Namespace, tool
from journey.process import Process
from journey.waiting import until

# This shell is init of a process namespace, so that all ends with it, and in a mount namespace, so that no mount stays.
# nspawn ends with 133 when the system within reboots.
_START = """
set -eu
root=$1 place=$2 config=$3 name=$4 cgroup=$5; shift 5
echo $$ >"$cgroup/cgroup.procs"
mount -t tmpfs -o size=75%,mode=0755 tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/root"
mount -t overlay -o "lowerdir=$root,upperdir=$place/upper,workdir=$place/work" overlay "$place/root"
cp -r "$config/." "$place/root/"
status=133
while [ "$status" = 133 ]; do
    status=0
    systemd-nspawn --quiet --boot -D "$place/root" --machine="$name" --register=no --keep-unit --private-network \
        --resolv-conf=off --timezone=off --link-journal=no --console=pipe "$@" || status=$?
done
exit "$status"
"""
_NAMESPACES = ("--mount", "--propagation", "private", "--pid", "--mount-proc", "--fork", "--kill-child=KILL")
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
_UP = ("running", "degraded")
_NEEDS = """systemd-nspawn could not boot a Debian here, so there is nothing to test the packages on.
It needs root, the namespaces of mounts, processes and networks, overlayfs, and a cgroup2 hierarchy it may write in.
The console's last words:
"""


class Machine:
    """A Debian called `fqdn`, on `root` (a folder that stays as it is). `shared` folders of the test are seen inside
    under the given paths; they can't be written there. `engine`: it may run containers of its own."""

    def __init__(
        self, fqdn: str, root: Path, directory: Path, shared: dict[Path, str], *, engine: bool = False
    ) -> None:
        self.fqdn = fqdn
        self.name = fqdn.partition(".")[0]
        self.directory = directory / self.name
        place, config = self.directory / "place", self.directory / "config"
        for path in (place, config / "etc"):
            path.mkdir(parents=True)
        for name, text in self._etc().items():
            (config / "etc" / name).write_text(text)
        self.leader = 0
        self._cgroup = _new_cgroup(self.name)
        tool("systemd-nspawn")
        command = [tool("env"), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"]
        command += [tool("unshare"), *_NAMESPACES, "--", "sh", "-c", _START, "start"]
        command += [str(part) for part in (root, place, config, self.name, self._cgroup)]
        command += [f"--bind-ro={path}:{to}" for path, to in shared.items()]
        if engine:  # runc gives each container a session keyring
            command.append("--system-call-filter=add_key keyctl bpf")
        self._nspawn = Process(f"machine {self.name}", command, self.directory / "console.log")
        self._boot()

    def _etc(self) -> dict[str, str]:
        return {
            "hostname": f"{self.name}\n",
            "hosts": f"127.0.0.1 localhost\n127.0.1.1 {self.fqdn} {self.name}\n",
            "resolv.conf": "nameserver 192.0.2.53\noptions timeout:2 attempts:2\n",
        }

    def _boot(self) -> None:
        try:
            self._nspawn.start(self._find_leader)
            until("the machine to be up", self._is_up, 90, 0.1)
        except AssertionError as error:
            text = f"{_NEEDS}{self._nspawn.words()[-3000:]}\n({error})"
            self.close()
            raise AssertionError(text) from error

    def _find_leader(self) -> bool:
        """Find the machine's own init: the child of nspawn that has a process namespace of its own."""
        below = [self._nspawn.pid]
        for pid in below:
            below += _children(pid)
            if _is_systemd_inside(pid):
                self.leader = pid
                return True
        return False

    def _is_up(self) -> bool:
        assert self._nspawn.alive, f"nspawn ended with {self._nspawn.returncode}"
        return self.try_run("systemctl", "is-system-running")[1].strip() in _UP

    # ------------------------------------------------------------------------------------------ commands

    def command(self, *command: str, network: Namespace | None = None) -> list[str]:
        """`command`, as root in the machine; with `network`, in a container on the machine's files."""
        settings = [f"{name}={value}" for name, value in _ENVIRONMENT.items()]
        entered = [tool("nsenter"), "-t", str(self.leader), "-a", *([f"--net={network.path}"] if network else [])]
        return [*entered, "--", "env", "-i", "-C", "/root", *settings, *command]

    def try_run(self, *command: str, text: str = "", seconds: float = 120) -> tuple[int, str]:
        """Run a command in the machine with `text` as its standard input; its exit status, and all that it said."""
        done = subprocess.run(
            self.command(*command),
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def run(self, *command: str, text: str = "", seconds: float = 120) -> str:
        """Run a command that must succeed; what it said."""
        status, said = self.try_run(*command, text=text, seconds=seconds)
        assert status == 0, f"{self.name}# {' '.join(command)}\nended with {status}:\n{said}"
        return said

    def shell(self, script: str, seconds: float = 120) -> str:
        """Run lines as an operator types them, up to the first that fails."""
        return self.run("bash", "-euo", "pipefail", "-c", script, seconds=seconds)

    def apt(self, *words: str) -> str:
        """apt-get, which asks nothing."""
        quiet = ["-o", "Dpkg::Use-Pty=0", "-o", "APT::Sandbox::User=root"]
        return self.run("apt-get", "-q", "-y", *quiet, *words, seconds=300)

    # ------------------------------------------------------------------------------------------ files

    def path(self, inside: str) -> Path:
        """A file of the machine, as the test sees it. Absolute links within lead astray: name the real file."""
        return Path(f"/proc/{self.leader}/root{inside}")

    def read(self, inside: str) -> str:
        """A file's text."""
        return self.path(inside).read_text("utf-8")

    def write(self, inside: str, text: str) -> None:
        """Replace a file's text; owner and mode stay as they are."""
        self.path(inside).write_text(text, "utf-8")

    def exists(self, inside: str) -> bool:
        """Whether there is such a file."""
        return self.try_run("test", "-e", inside)[0] == 0

    # ------------------------------------------------------------------------------------------ units and journal

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit, by `systemctl show`."""
        said = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names))
        return {name: value for name, _, value in (line.partition("=") for line in said.splitlines())}

    def state(self, unit: str) -> str:
        """active, inactive, failed, activating ..."""
        return self.show(unit, "ActiveState")["ActiveState"]

    def status(self, unit: str) -> str:
        """What the daemon itself says in `systemctl status`."""
        return self.show(unit, "StatusText")["StatusText"]

    def pid(self, unit: str) -> int:
        """The unit's main process, by its number within the machine."""
        return int(self.show(unit, "MainPID")["MainPID"])

    def wait_for(self, *units: str, state: str = "active", seconds: float = 60) -> None:
        """Wait until all of these are in `state`."""
        for unit in units:
            until(f"{unit} on {self.name} to be {state}", lambda unit=unit: self.state(unit) == state, seconds, 0.1)

    def journal(self, *words: str) -> list[dict[str, Any]]:
        """Entries of the journal, chosen as journalctl(1) has it, oldest first."""
        said = self.run("journalctl", "--no-pager", "--output=json", "--all", *words)
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    def words(self, *words: str) -> list[str]:
        """The messages of such entries."""
        return [str(entry.get("MESSAGE", "")) for entry in self.journal(*words)]

    def report(self) -> str:
        """For a test that failed: units, the journal's end, the console's end."""
        units = self.try_run("systemctl", "--no-pager", "--all", "list-units", "hedwig*")[1]
        journal = self.try_run("journalctl", "--no-pager", "--lines=250")[1]
        console = self._nspawn.words()[-2000:]
        return f"--- {self.fqdn}: units\n{units}\n--- journal\n{journal}\n--- console\n{console}"

    # ------------------------------------------------------------------------------------------ network and end

    @contextmanager
    def network(self) -> Iterator[Namespace]:
        """The machine's network namespace."""
        descriptor = os.open(f"/proc/{self.leader}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield Namespace(descriptor)
        finally:
            os.close(descriptor)

    def ip(self, *lines: str) -> None:
        """Run `ip` commands in the machine."""
        with self.network() as namespace:
            namespace.ip(*lines)

    def reboot(self) -> None:
        """Boot anew on the same files. The network is as after a boot: `outside.connect` it again."""
        old = self.leader
        self.try_run("systemctl", "reboot")
        until(f"{self.name} to go down", lambda: not Path(f"/proc/{old}").exists(), 90, 0.1)
        until(f"{self.name} to come back", self._find_leader, 30)
        until("the machine to be up", self._is_up, 90, 0.1)

    def close(self) -> None:
        """Pull the plug; nspawn's end takes all of the machine with it."""
        self._nspawn.kill()
        until(f"the last process of {self.name} to end", lambda: _remove_cgroup(self._cgroup))


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _is_systemd_inside(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return False
    inner = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return name == "systemd" and len(inner) > 2 and inner[-1] == "1"


def _new_cgroup(name: str) -> Path:
    """A cgroup for one machine: nspawn makes folders of fixed names in its own, so that two machines need two."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    top = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
    assert top is not None, f"{_NEEDS}(no cgroup2 is mounted)"
    own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    made = top / own.lstrip("/") / f"hedwig-{name}-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        raise AssertionError(f"{_NEEDS}({error})") from error
    return made


def _remove_cgroup(top: Path) -> bool:
    """Remove a cgroup with all below it; False while something still lives there. Where systemd has a hierarchy of the
    old kind beside it, nspawn has made one of that name there."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    others = [Path(fields[1]) / top.name for fields in mounts if fields[2] == "cgroup" and "name=systemd" in fields[3]]
    try:
        for tree in (top, *others):
            for path, _, _ in os.walk(tree, topdown=False):
                os.rmdir(path)
    except OSError:
        return False
    return True
