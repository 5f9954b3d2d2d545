"""hedwig against Postfix: what was reached against what is wanted, as a table, and all figures as JSON.

    make bench [PARTS=start,memory,rates,alone,uvloop,dkim,growth] [MILLION=1] [PEERS=haraka]
               [MESSAGES=4000] [ROUNDS=3] [LETTERS=100] [QUEUED=100000] [JSON=build/bench.json]

hedwig as a whole on one host (mailman, postoffice, beanstalkd, one or two workers) and Postfix twice, as it comes
and tuned, each a relay between the same smtp-source and the same smtp-sink. All are there at once; they are loaded
by turns, ROUNDS times, and what is told are medians. Each part is a module here, which says what it measures, in a
network of its own with everything started anew.

hedwig's limits of a site are lifted to Postfix's tuned ones (peers.py). hedwig asks a resolver for its receivers,
whose CPU is not counted; Postfix knows its relay by address, but with many domains it asks as well. Log daemons are
counted where they run: Postfix has postlogd, hedwig writes lines to a file itself. A message counts when it is at the
far side; what is lost or comes twice is told, and fails the bench. As root: Postfix wants it.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import alone
import growth
import loops
import rates
import resident
import signing
import starting
from goals import Found, Row, as_json, table
from journey.world import World
from options import JSON, LETTERS, MESSAGES, MILLION, PARTS, QUEUED, ROUNDS
from scene import as_root, scene

Part = Callable[[World, Path], Found]
ALL: dict[str, Part] = {
    "start": starting.play,
    "memory": resident.play,
    "rates": rates.play,
    "alone": alone.play,
    "uvloop": loops.play,
    "dkim": signing.play,
    "growth": growth.play,
    "drain": growth.play,  # what has grown drains: they are one
    "million": growth.play_million,
}


def wanted() -> dict[str, Part]:
    """The parts to be played, each once; SystemExit where a name is none."""
    unknown = [name for name in PARTS if name not in ALL]
    if unknown:
        raise SystemExit(f"PARTS={','.join(PARTS)}: there is no {', '.join(unknown)}; there are {', '.join(ALL)}")
    names = [*PARTS] or [name for name in ALL if name != "million"]
    names += ["million"] * (MILLION > 0 and "million" not in names)
    if "million" in names and not MILLION:
        raise SystemExit("PARTS=million wants MILLION=1 as well")
    named = {ALL[name]: name for name in reversed(names)}
    return {name: part for part, name in reversed(named.items())}


def machine() -> dict[str, str]:
    """On what it was measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    postfix = subprocess.run(["postconf", "-d", "-h", "mail_version"], capture_output=True, text=True, check=True)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": models[0] if models else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postfix": postfix.stdout.strip(),
        "load when begun": f"{os.getloadavg()[0]:.1f}",
    }


def writable() -> None:
    """SystemExit where the figures could not be kept."""
    try:
        JSON.parent.mkdir(parents=True, exist_ok=True)
        JSON.open("a").close()
    except OSError as error:
        raise SystemExit(f"JSON={JSON}: it can't be written: {error.strerror}") from None


def play(parts: dict[str, Part], told: dict[str, Any], rows: list[Row]) -> None:
    """One after the other; what each has found is kept at once. One that fails ends it, and is told as well."""
    for name, part in parts.items():
        began = time.monotonic()
        try:
            with scene() as (world, in_memory):
                found = part(world, in_memory)
        except BaseException as error:
            told["wrong"].append(f"{name} was not played to its end: {type(error).__name__} {error}".rstrip())
            raise
        else:
            rows += found.rows
            told["wrong"] += found.wrong
            told["parts"][name], told["table"] = found.figures, as_json(rows)
        finally:
            told["seconds"][name] = time.monotonic() - began
            JSON.write_text(json.dumps(told, indent=1))


def report(told: dict[str, Any], rows: list[Row]) -> None:
    """The table, and what is wrong."""
    if rows:
        print("\nhedwig against the better Postfix of this run\n")
        print("\n".join(f"  {line}" for line in table(rows)))
    if any(not row.met for row in rows):
        print("\nWhat was found of goals that are missed: docs/bench.md, What is missed, and why")
    took = ", ".join(f"{name} {seconds:.0f}" for name, seconds in told["seconds"].items())
    print(f"\nseconds: {took}; in all {sum(told['seconds'].values()):.0f}. All figures: {JSON}")
    left_out = [name for name in ALL if name not in told["parts"] and name != "drain"]
    if left_out:
        print(f"not played: {', '.join(left_out)}")
    for one in told["wrong"]:
        print(f"WRONG: {one}", flush=True)


def main() -> None:
    """Play the parts; fails where something is wrong. A goal that isn't met is told, and is no fault of the run."""
    parts = wanted()
    as_root()
    writable()
    on = machine()
    print(", ".join(f"{name} {value}" for name, value in on.items()), flush=True)
    options = {"MESSAGES": MESSAGES, "ROUNDS": ROUNDS, "LETTERS": LETTERS, "QUEUED": QUEUED, "MILLION": MILLION}
    told: dict[str, Any] = {"machine": on, "options": options, "parts": {}, "seconds": {}, "table": [], "wrong": []}
    rows: list[Row] = []
    try:
        play(parts, told, rows)
    finally:
        report(told, rows)
    if told["wrong"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
