"""What a server's processes use: CPU and memory of all that descend from some, as /proc has them (proc(5))."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_TICK = 1000 / os.sysconf("SC_CLK_TCK")  # milliseconds


@dataclass(frozen=True)
class Memory:
    """In MiB. `pss` shares out what several processes have in common."""

    pss: float
    rss: float


def _families() -> dict[int, list[int]]:
    """The children of each process."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    return children


def _stat(pid: int) -> list[str]:
    """What stands behind its name in /proc/PID/stat: the state, the parent ...; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(roots: Iterable[int]) -> Iterator[int]:
    """These, and all that come from them."""
    children, found = _families(), list(roots)
    while found:
        pid = found.pop()
        yield pid
        found += children.get(pid, [])


def cpu(roots: Iterable[int]) -> float:
    """Milliseconds that these and their descendants have computed, user and system; the ended ones are in it by what
    their parents waited for."""
    ticks = 0
    for pid in descendants(roots):
        if fields := _stat(pid):
            ticks += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return ticks * _TICK


def memory(roots: Iterable[int]) -> Memory:
    """What these and their descendants have now."""
    kib = {"Pss": 0, "Rss": 0}
    for pid in descendants(roots):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        for line in lines:
            name, _, value = line.partition(":")
            if name in kib:
                kib[name] += int(value.split()[0])
    return Memory(kib["Pss"] / 1024, kib["Rss"] / 1024)
