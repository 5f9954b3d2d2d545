"""Who holds a port that we want: as much of a name as this process may find out.

The kernel's tables (/proc/self/net/tcp, proc(5)) give the listening socket's inode and owner to everybody. Which
program it is stands under /proc/PID/fd, which the units' ProtectProc= closes; a mail server tells its name itself, in
its greeting. Fails softly: what can't be found out is left out.
"""

import pwd
import socket
import struct
from pathlib import Path
from typing import NamedTuple

from hedwig.reply import one_line

UNKNOWN = "another program"
OURSELVES = "hedwig itself"
_LISTEN = "0A"
_PATIENCE = 1.0  # seconds for a greeting
_OVERFLOW = 65534  # who owns it has no number in our user namespace (PrivateUsers=)
_ANY = {"0" * 8, "0" * 32}


def holder(address: str, port: int, *, greets: bool = False, proc: Path = Path("/proc")) -> str:
    """A few words: "exim4 (pid 812)", or 'a program of root ("220 a.example ESMTP Exim 4.96")'.

    `greets`: its protocol is one in which the server speaks first. UNKNOWN where nothing is known, OURSELVES where this
    process has it.
    """
    found = _socket(address, port, proc)
    program = _program(found.inode, proc) if found else ""
    if program:
        return program
    words = _owner(found.uid) if found else UNKNOWN
    # Asked at home where it can be: an address that is not this host's (any more) leads to somebody else.
    greeting = _greeting("127.0.0.1" if found and found.everywhere else address, port) if greets else ""
    return f'{words} ("{greeting}")' if greeting else words


class _Found(NamedTuple):
    inode: int
    uid: int
    everywhere: bool


def _socket(address: str, port: int, proc: Path) -> _Found | None:
    """The socket that listens on this address, or on all of them."""
    wanted = {_hexadecimal(address), *_ANY} if _hexadecimal(address) not in _ANY else None
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "self" / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            place, _, number = fields[1].partition(":")
            if fields[3] == _LISTEN and int(number, 16) == port and (wanted is None or place in wanted):
                return _Found(int(fields[9]), int(fields[7]), place in _ANY)
    return None


def _hexadecimal(address: str) -> str:
    """As the kernel writes it: 32-bit words in the host's order."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))


def _program(inode: int, proc: Path) -> str:
    if _has(proc / "self", inode):  # systemd, which keeps our sockets too, would be met first
        return OURSELVES
    for process in proc.iterdir():
        if process.name.isdigit() and _has(process, inode):
            try:
                name = (process / "comm").read_text(errors="replace").strip()
            except OSError:  # it has just ended
                continue
            return f"{name} (pid {process.name})"
    return ""


def _has(process: Path, inode: int) -> bool:
    try:
        return any(_target(entry) == f"socket:[{inode}]" for entry in (process / "fd").iterdir())
    except OSError:  # not ours to look at, or it has ended
        return False


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


def _owner(uid: int) -> str:
    if uid == _OVERFLOW:
        return "a program of another user"
    try:
        return f"a program of {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"a program of user {uid}"


def _greeting(address: str, port: int) -> str:
    try:
        with socket.create_connection((address, port), _PATIENCE) as asking:
            asking.settimeout(_PATIENCE)
            line = asking.recv(200).partition(b"\r\n")[0]
    except OSError:
        return ""
    return one_line(line.decode(errors="replace"))
