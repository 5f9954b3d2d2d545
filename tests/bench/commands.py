"""`hedwig ...` as a process, on a spool in a folder of its own; with a warm and a cold cache."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backlog import PAUSED_CLIENT

HEDWIG = Path(sys.executable).with_name("hedwig")
INSIDE = """
import sys, time
began = time.perf_counter()
from hedwig.cli.hedwig import main
try:
    main()
finally:
    sys.stdout.flush()
    print("inside", time.perf_counter() - began, file=sys.stderr)
"""


@dataclass(frozen=True)
class Place:
    """A spool, and the folder of settings that name it."""

    spool: Path
    config: Path

    def command(self, *words: str) -> list[str]:
        """`hedwig ...`"""
        return [str(HEDWIG), "--config-dir", str(self.config), *words]


def settings(folder: Path, spool: Path) -> Place:
    """Settings as a host of postoffice and worker has them."""
    config = folder / "config"
    (config / "clients.d").mkdir(parents=True, exist_ok=True)
    (config / "postoffice.yml").write_text(
        f'listen: ["127.0.0.1:8025", "172.17.0.1:8025"]\nspool: {spool}\nmax_size: 30 MiB\nexpire: 5d\n'
    )
    (config / "worker.yml").write_text(f"spool: {spool}\nehlo: robot.example.cn\nretry:\n  expire: 5d\n")
    (config / "clients.d" / f"{PAUSED_CLIENT}.yml").write_text("")
    return Place(spool, config)


def one_run(command: Sequence[str]) -> tuple[float, float]:
    """Milliseconds of a process: by the clock, and of computing."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return 1000 * took, 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def one_inside(place: Place, words: Sequence[str]) -> float:
    """Milliseconds of hedwig's own in a process."""
    command = [sys.executable, "-c", INSIDE, *place.command(*words)[1:]]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return 1000 * float(done.stderr.rsplit("inside", 1)[1])


def files(spool: Path) -> list[Path]:
    """The spool's, and its history's."""
    return [spool, *Path(f"{spool}.history").glob("*.db")]


def forget(spool: Path) -> None:
    """Have the kernel drop what it keeps of them."""
    for file in files(spool):
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def remember(spool: Path) -> None:
    """Have it keep all of them."""
    for file in files(spool):
        with file.open("rb") as content:
            while content.read(1 << 20):
                pass
