"""One letter of 4 KB at a time through an idle peer: how long msmtp takes from its start to its exit, and until the
letter is at the far side; the same by Python's smtplib, where no process has to start."""

import smtplib
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from counted import SENDER, FarSide, Load, domain
from goals import Found, compared
from journey.network import tool
from journey.submit import SAMPLE
from journey.world import World
from options import LETTERS, ROUNDS
from peers import Field, Peer

LETTER = SAMPLE + (b"x" * 70 + b"\n") * ((4096 - len(SAMPLE)) // 71)
_PAUSE = 0.0005  # seconds between two looks: what is measured is as coarse as that
_PATIENCE = 30.0  # seconds until a letter counts as lost, unless it comes later in the same turn
_AFTER = 0.3  # seconds at the end of a turn, in which what comes twice would come


@dataclass
class Times:
    """Seconds of each letter; and how many were lost, or came twice."""

    msmtp: list[float] = field(default_factory=list)  # to its exit
    far: list[float] = field(default_factory=list)  # from msmtp's start to the far side
    smtplib: list[float] = field(default_factory=list)  # from connecting to the reply to QUIT
    lost: int = 0
    doubled: int = 0

    def milliseconds(self) -> dict[str, dict[str, float]]:
        """p50 and p99 of each."""
        found = {}
        for name in ("msmtp", "far", "smtplib"):
            parts = quantiles(getattr(self, name), n=100, method="inclusive")
            found[name] = {"p50": 1000 * parts[49], "p99": 1000 * parts[98]}
        return found


def letters(peer: Peer, far: FarSide, count: int, name: str, into: Times) -> None:
    """So many by msmtp, and as many by smtplib."""
    far.forget()
    by_msmtp, by_smtplib = ([f"{number}{name}{way}@{domain(0)}" for number in range(count)] for way in "ms")
    for rcptto in by_msmtp:
        _by_msmtp(peer, far, rcptto, into)
    for rcptto in by_smtplib:
        _by_smtplib(peer, far, rcptto, into)
    time.sleep(_AFTER)
    total = far.look()
    arrived = far.came.keys() & {*by_msmtp, *by_smtplib}
    into.lost += 2 * count - len(arrived)
    into.doubled += total - len(arrived)


def _by_msmtp(peer: Peer, far: FarSide, rcptto: str, into: Times) -> None:
    command = [tool("msmtp"), f"--host={peer.address}", "--port=25", f"--from={SENDER}", "--file=/dev/null", rcptto]
    began, ended, came = time.monotonic(), 0.0, 0.0
    with subprocess.Popen(command, stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        running.stdin.write(LETTER)
        running.stdin.close()
        while not (ended and came):
            if not ended and running.poll() is not None:
                ended = time.monotonic()
            if not came and far.look() and rcptto in far.came:
                came = time.monotonic()
            if time.monotonic() - began > _PATIENCE:
                if not ended:
                    running.kill()
                    raise SystemExit(f"{peer.name}: msmtp did not end within {_PATIENCE:g} s")
                came = came or time.monotonic()  # at the earliest
            time.sleep(_PAUSE)
    if running.returncode:
        raise SystemExit(f"{peer.name}: msmtp ended with {running.returncode}")
    into.msmtp.append(ended - began)
    into.far.append(came - began)


def _by_smtplib(peer: Peer, far: FarSide, rcptto: str, into: Times) -> None:
    began = time.monotonic()
    with smtplib.SMTP(peer.address, 25) as client:
        client.sendmail(SENDER, [rcptto], LETTER.replace(b"\n", b"\r\n"))
    into.smtplib.append(time.monotonic() - began)
    while rcptto not in far.came and time.monotonic() - began < _PATIENCE:
        time.sleep(_PAUSE)
        far.look()


def play(world: World, in_memory: Path) -> Found:
    """By turns."""
    here = Field(world, in_memory)
    here.warm(Load("", 20, 300))
    times = {peer.name: Times() for peer in here.peers}
    for number in range(ROUNDS):
        for peer in here.peers if number % 2 == 0 else here.peers[::-1]:
            peer.begin()
            letters(peer, here.far, max(2, LETTERS // ROUNDS), f"a{number}", times[peer.name])
            peer.end()
    told = {name: one.milliseconds() for name, one in times.items()}
    print("\none letter at a time, ms (p50, p99): msmtp from start to exit; to the far side; smtplib")
    for name, kinds in told.items():
        print(f"  {name:22}" + "".join(f" {one['p50']:8.1f} {one['p99']:7.1f}" for one in kinds.values()), flush=True)
    rows = []
    for kind, what, goal in (("msmtp", "msmtp, start to exit, p50", 0.2), ("smtplib", "smtplib, p50", 1.3)):
        middles = {name: kinds[kind]["p50"] for name, kinds in told.items()}
        rows.append(compared(what, middles, goal, least=False))
    return Found(rows, told, wrong(times))


def wrong(times: dict[str, Times]) -> list[str]:
    """Who lost or doubled a letter."""
    return [
        f"{name} lost {one.lost} and doubled {one.doubled} of the letters sent one at a time"
        for name, one in times.items()
        if one.lost or one.doubled
    ]
