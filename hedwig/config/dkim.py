"""The folder of DKIM keys: DOMAIN/SELECTOR.pem beside postoffice.yml and worker.yml, in `dkim`.

A file's name says what becomes of it, so that one rename changes it: SELECTOR.pem signs; SELECTOR.pem.new is staged,
its record being published; SELECTOR.pem.old has signed and does so no more. Files that begin with a dot, or end with
".txt" or "~", are nobody's. Anything else is a fault, for a key that is overlooked would leave mail unsigned; so is a
key that is damaged, that the daemon can't read, or that every user of the host can. All faults are told at once.

Keys may come from systemd instead: `LoadCredential=dkim:FOLDER` hands each file over as dkim_DOMAIN_SELECTOR.pem.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hedwig.config.names import host_name
from hedwig.config.problem import ConfigError, Problem, Unfit
from hedwig.dkim.keys import Key, Keys

NAME = "dkim"
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd.exec(5)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SELECTOR = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_CREDENTIAL = re.compile(r"dkim_([^_]+)_([^_]+)\.pem")
_NAMED = "name it DOMAIN/SELECTOR.pem, as `hedwig dkim new DOMAIN` does"
_MAX_SIZE = 64 * 1024  # octets of a key's file; a PEM has 4 KiB at the most


class State(StrEnum):
    """What becomes of a key; the value is the end of its file's name."""

    ACTIVE = ".pem"
    STAGED = ".pem.new"
    RETIRED = ".pem.old"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key's file."""

    domain: str
    selector: str
    state: State
    path: Path

    def read(self) -> Key:
        """The key; ConfigError."""
        problems: list[Problem] = []
        key = _read(self, problems)
        if key is None:
            raise ConfigError(problems)
        return key


def path_beside(file: Path) -> Path:
    """The folder that belongs to a postoffice.yml or worker.yml."""
    return file.parent / NAME


def keys_beside(file: Path) -> Keys:
    """The keys that sign, of a postoffice.yml or worker.yml; or ConfigError."""
    return load_keys(path_beside(file), os.environ.get(CREDENTIALS, ""))


def load_keys(folder: Path, credentials: str = "") -> Keys:
    """The keys that sign; none where there is no folder. `credentials`: systemd's folder, or "". ConfigError."""
    problems: list[Problem] = []
    found: dict[tuple[str, str], Key] = {}
    for file in (*_files(folder, problems), *_credentials(credentials, problems)):
        if file.state is State.ACTIVE and (key := _read(file, problems)):
            found[file.domain, file.selector] = key
    if problems:
        raise ConfigError(problems)
    by_domain: dict[str, tuple[Key, ...]] = {}
    for (domain, _), key in sorted(found.items()):
        by_domain[domain] = (*by_domain.get(domain, ()), key)
    return Keys(by_domain)


def key_files(folder: Path) -> tuple[list[KeyFile], list[Problem]]:
    """All keys of the folder, in whatever state, and what is wrong with its names. Nothing is read."""
    problems: list[Problem] = []
    return sorted(_files(folder, problems), key=lambda file: (file.domain, file.selector)), problems


def selector_fault(text: str) -> str:
    """Why this can't be a selector (RFC 6376 §3.1), or ""."""
    if len(text) > 100 or not _SELECTOR.fullmatch(text):
        return "a selector has letters, digits and hyphens, like h2026"
    return ""


def _files(folder: Path, problems: list[Problem]) -> Iterator[KeyFile]:
    for place in _entries(folder, problems):
        if not place.is_dir():
            problems.append(Problem(str(place), 0, "", "it is no domain's folder", _NAMED))
            continue
        try:
            named = host_name(place.name) == place.name and "." in place.name
        except Unfit:
            named = False
        if not named:
            right = "name it after the domain, in lower case (an international one as xn--...)"
            problems.append(Problem(str(place), 0, "", "its name is no domain", right))
            continue
        for file in _entries(place, problems):
            state = next(
                (each for each in (State.STAGED, State.RETIRED, State.ACTIVE) if file.name.endswith(each)), None
            )
            selector = file.name.removesuffix(state or "")
            if state is None or selector_fault(selector):
                problems.append(Problem(str(file), 0, "", "its name is not SELECTOR.pem", _NAMED))
            else:
                yield KeyFile(place.name, selector, state, file)


def _entries(folder: Path, problems: list[Problem]) -> list[Path]:
    """What lies in a folder; nothing where it is missing."""
    try:
        entries = sorted(folder.iterdir())
        open_to_all = folder.stat().st_mode & stat.S_IWOTH if entries else 0
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(_unreadable(folder, error))
        return []
    if open_to_all:
        problems.append(Problem(str(folder), 0, "", "every user of this host can put keys here", f"chmod o-w {folder}"))
    return [each for each in entries if not each.name.startswith(".") and not each.name.endswith((".txt", "~"))]


def _credentials(directory: str, problems: list[Problem]) -> Iterator[KeyFile]:
    if not directory:
        return
    for file in _entries(Path(directory), problems):
        found = _CREDENTIAL.fullmatch(file.name)
        if found:
            yield KeyFile(found[1], found[2], State.ACTIVE, file)


def _read(file: KeyFile, problems: list[Problem]) -> Key | None:
    from hedwig.dkim import private  # python3-cryptography comes with the daemons that sign

    path = file.path
    try:
        with path.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            pem = opened.read(_MAX_SIZE)
    except OSError as error:
        problems.append(_unreadable(path, error))
        return None
    if mode & 0o007:
        problems.append(Problem(str(path), 0, "", "every user of this host can use this key", f"chmod o-rwx {path}"))
        return None
    try:
        return private.read(pem, file.domain, file.selector)
    except private.BadKey as error:
        if isinstance(error, private.UnfitSize):
            right = f"delete it and make another: hedwig dkim new {file.domain} --rsa"
        else:
            right = f"put it back from a copy; or delete it and make another: hedwig dkim new {file.domain}"
        problems.append(Problem(str(path), 0, "", str(error), right))
        return None


def _unreadable(path: Path, error: OSError) -> Problem:
    mode = "750" if path.is_dir() else "640"
    right = f"chown root:hedwig {path}; chmod {mode} {path}" if isinstance(error, PermissionError) else ""
    return Problem(str(path), 0, "", f"can't be read: {error.strerror}", right)
