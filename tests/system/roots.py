"""Debian roots to boot, made by mmdebstrap and kept in a cache under a key of what is in them.

A root holds what the packages depend on (as the built packages say it) and what the tests need besides, and nothing of
hedwig's: within a machine, apt sees no archive but ours. It comes from where this machine's own apt takes Debian.
"""

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

SUITES = ("bookworm", "trixie")
# A system that boots; what an operator's lines and the tests call within it.
_BESIDES = (
    *("systemd-sysv", "dbus", "iproute2", "procps"),
    *("ca-certificates", "curl", "msmtp", "nginx", "openssl", "python3", "sqlite3", "bash-completion", "man-db"),
)
# For hosts that run a real Docker. Its daemon lies still until a test starts it.
_ENGINE = {
    "bookworm": ("docker.io", "iptables", "haproxy"),
    "trixie": ("docker.io", "docker-cli", "iptables", "haproxy"),
}
_STILL = "docker.service docker.socket containerd.service haproxy.service"
_RECIPE = "2"  # another one for another way to make them
_KEPT = 14 * 86400  # seconds that a root stays which nobody asks for
_TAKEN_ALONG = re.compile(r'^Acquire::(?:https?|Check-|Retries|ForceIPv)[\w:.-]* ".*";$')


class NoRoot(Exception):
    """A root can't be made; the text says why and what to do."""


def cache() -> Path:
    """Where roots are kept between runs. Each has 350 to 700 MB."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hedwig" / "roots"


def dependencies(packages: Iterable[Path]) -> set[str]:
    """What these .deb files depend on and recommend, without themselves; of alternatives the first."""
    fields, own = [], set()
    for package in packages:
        own.add(_ask("dpkg-deb", "--field", package, "Package").strip())
        for name in ("Pre-Depends", "Depends", "Recommends"):
            fields.append(_ask("dpkg-deb", "--field", package, name))
    named = (part.partition("|")[0].split()[0] for field in fields for part in field.split(",") if part.strip())
    return {name.partition(":")[0] for name in named} - own


def root(suite: str, needed: Iterable[str]) -> Path:
    """The root of a Debian release with these packages: from the cache, or made now (half a minute)."""
    names = sorted({*needed, *_BESIDES, *_ENGINE[suite]})
    key = hashlib.sha256("\n".join([_RECIPE, suite, *names]).encode()).hexdigest()[:16]
    kept = cache() / f"{suite}-{key}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    if kept.is_dir():
        os.utime(kept)
        return kept
    for old in kept.parent.iterdir():
        if time.time() - old.stat().st_mtime > _KEPT:
            shutil.rmtree(old)
    unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
    _make(suite, names, unfinished)
    unfinished.rename(kept)
    return kept


def _make(suite: str, names: list[str], folder: Path) -> None:
    # The lists of packages stay away, and sources.list too: an archive that a machine can't reach would fail its apt.
    without = ["--customize-hook=rm -f $1/etc/apt/sources.list $1/etc/apt/sources.list.d/*", "--quiet"]
    # A journal on disk survives a reboot; the docker0 of a test shall be nobody's but the test's.
    kept = ["--customize-hook=mkdir -p $1/var/log/journal", "--customize-hook=rm -f $1/etc/resolv.conf $1/etc/hostname"]
    kept.append(f"--customize-hook=chroot $1 systemctl disable {_STILL}")
    # dpkg without its flushes: the folder gets its name only when all is there.
    fast = ["--dpkgopt=force-unsafe-io", *(f"--aptopt={line}" for line in _settings())]
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(names)}"]
    command += [*without, *kept, *fast, suite, str(folder), "-"]
    done = subprocess.run(
        command, input=_sources(suite), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise NoRoot(f"mmdebstrap could make no {suite}:\n{done.stdout[-4000:]}")
    # The packages' own settings for dpkg are for the building alone.
    for leftover in (folder / "etc/apt/apt.conf.d/99mmdebstrap", folder / "etc/dpkg/dpkg.cfg.d/99mmdebstrap"):
        leftover.unlink(missing_ok=True)


def _settings() -> list[str]:
    """How this machine's apt reaches its archive: proxies, time-outs, checks of dates."""
    return [line for line in _ask("apt-config", "dump").splitlines() if _TAKEN_ALONG.match(line)]


def _sources(suite: str) -> str:
    """This machine's lines for Debian, with `suite` in the place of its own release."""
    own = re.findall(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)[0]
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)"]
    asked += ["Created-By: Packages", "Origin: Debian"]
    if not _ask(*asked).strip():
        _ask("apt-get", "-qq", "update")
    lines = {tuple(line.split()) for line in _ask(*asked).splitlines()}
    found = [(uri, name, part) for uri, name, part in lines if name.partition("-")[0] == own and part == "main"]
    if not found:
        raise NoRoot(f"apt has no archive of Debian {own} here: nothing to make a root from (`apt-get indextargets`)")
    return "".join(f"deb {uri} {suite}{name.removeprefix(own)} main\n" for uri, name, _ in sorted(found))


def _ask(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoRoot(f"{' '.join(str(word) for word in command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout
