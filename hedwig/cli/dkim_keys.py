"""What `hedwig dkim` does to the files of keys: made, listed, moved on by a rename each (config/dkim.py).

A rotation goes through three states, so that no letter is signed by a key that DNS does not have: staged (made, its
record being published), signing, retired (its record stays while its mail is under way). New keys sign before old ones
retire: whoever is interrupted in between has both sign, which harms nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click

from hedwig.cli.files import changing, replace
from hedwig.cli.language import told
from hedwig.config import ConfigError, Problem
from hedwig.config.dkim import NAME, KeyFile, State, key_files
from hedwig.config.problem import gathering
from hedwig.dkim import private, record
from hedwig.dkim.keys import ALGORITHMS

KEEP = 7 * 86400  # seconds for which the record of a key that signs no more stays: mail of it is still under way
WORDS = {State.ACTIVE: "signs", State.STAGED: "staged", State.RETIRED: "retired"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A key, for people and programs. `state`: see WORDS; `since`: when it came into it, Unix seconds. `name`: of its
    record in DNS, `value` and `zone`: that as web panels and as zone files take it."""

    domain: str
    selector: str
    algorithm: str
    bits: int
    state: str
    since: float
    file: str
    name: str
    value: str
    zone: str


class Found(Protocol):
    """What DNS has for a key (dkim_look.py)."""

    @property
    def sound(self) -> bool:
        """Whether receivers can verify with it."""


Look = Callable[[Path, Sequence[KeyFile]], Sequence[Found]]


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a call of `rotate` did. `missing`: staged keys that DNS does not show as they are, so that nothing else
    was done."""

    deleted: tuple[Shown, ...] = ()
    made: tuple[Shown, ...] = ()
    missing: tuple[Found, ...] = ()
    activated: tuple[Shown, ...] = ()
    retired: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies in the folder. `faults`: of what was asked for, which is left out then; `elsewhere`: of other domains.
    As long as there is any the daemons keep the keys that they have."""

    files: list[KeyFile]
    faults: list[Problem]
    elsewhere: list[Problem]


def found(config_dir: Path, domain: str | None = None) -> Folder:
    """All keys that can be read, or those of a domain."""
    folder = config_dir / NAME
    named, problems = key_files(folder)
    files = []
    for file in named:
        with gathering(problems):
            file.read()
            files.append(file)
    concerned = [problem for problem in problems if domain is None or _concerns(Path(problem.file), folder, domain)]
    return Folder(
        [file for file in files if domain in (None, file.domain)],
        concerned,
        [problem for problem in problems if problem not in concerned],
    )


def _concerns(file: Path, folder: Path, domain: str) -> bool:
    return file == folder or folder / domain in (file, *file.parents)


def sound_files(config_dir: Path, domain: str) -> list[KeyFile]:
    """The files of a domain's keys; ConfigError where there is a fault among them."""
    folder = found(config_dir, domain)
    if folder.faults:
        raise ConfigError(folder.faults)
    return folder.files


def shown(file: KeyFile) -> Shown:
    """One of them."""
    key = file.read()
    since = file.path.stat().st_ctime  # that of its last rename
    return Shown(
        key.domain,
        key.selector,
        key.algorithm,
        key.bits,
        WORDS[file.state],
        since,
        str(file.path),
        key.name,
        record.value(key),
        record.zone_lines(key),
    )


def new(config_dir: Path, domain: str, selector: str | None, algorithms: Sequence[str]) -> list[Shown]:
    """Keys that sign for `domain`. ClickException where it has one of such an algorithm."""
    folder = config_dir / NAME / domain
    with changing(config_dir / NAME), changing(folder):
        there = sound_files(config_dir, domain)
        for file in there:
            if file.state is not State.RETIRED and (algorithm := file.read().algorithm) in algorithms:
                raise click.ClickException(
                    told(
                        f"{domain} has a key for {algorithm} already ({file.path}): hedwig dkim rotate {domain} "
                        "replaces it",
                        f"{domain} 已有 {algorithm} 密钥（{file.path}）：用 hedwig dkim rotate {domain} 更换",
                    )
                )
        return _made(folder, there, selector, algorithms, State.ACTIVE)


def rotate(config_dir: Path, domain: str, look: Look, *, force: bool) -> Rotated:
    """The next step for `domain`; see the page of hedwig.cli.dkim."""
    folder = config_dir / NAME / domain
    there = sound_files(config_dir, domain)
    if not there:
        raise click.ClickException(
            told(
                f"{domain} has no key here: hedwig dkim new {domain}", f"{domain} 还没有密钥：hedwig dkim new {domain}"
            )
        )
    with changing(config_dir / NAME), changing(folder):
        there = sound_files(config_dir, domain)
        over = [
            file for file in there if file.state is State.RETIRED and file.path.stat().st_ctime < time.time() - KEEP
        ]
        deleted = tuple(shown(file) for file in over)
        for file in over:
            file.path.unlink()
        active = [file for file in there if file.state is State.ACTIVE]
        staged = [file for file in there if file.state is State.STAGED]
        if staged:
            return _moved_on(config_dir, _Step(active, staged, deleted), look, force=force)
        if deleted:
            return Rotated(deleted)
        resting = [file for file in there if file.state is State.RETIRED]
        if resting and not force:  # else whoever asks once too often would have to publish records again
            return Rotated(retired=tuple(shown(file) for file in resting))
        algorithms = tuple(each for each in ALGORITHMS if each in {file.read().algorithm for file in active})
        return Rotated(made=tuple(_made(folder, there, None, algorithms or ALGORITHMS, State.STAGED)))


@dataclass(frozen=True, slots=True)
class _Step:
    active: list[KeyFile]
    staged: list[KeyFile]
    deleted: tuple[Shown, ...]


def _moved_on(config_dir: Path, step: _Step, look: Look, *, force: bool) -> Rotated:
    missing = () if force else tuple(found for found in look(config_dir, step.staged) if not found.sound)
    if missing:
        return Rotated(step.deleted, missing=missing)
    replaced = {file.read().algorithm for file in step.staged}
    old = [file for file in step.active if file.read().algorithm in replaced]
    activated = [_moved(file, State.ACTIVE) for file in step.staged]
    retired = [_moved(file, State.RETIRED) for file in old]
    return Rotated(step.deleted, activated=tuple(map(shown, activated)), retired=tuple(map(shown, retired)))


def _moved(file: KeyFile, state: State) -> KeyFile:
    path = file.path.with_name(file.selector + state)
    file.path.rename(path)
    return KeyFile(file.domain, file.selector, state, path)


def _made(
    folder: Path, there: Sequence[KeyFile], selector: str | None, algorithms: Sequence[str], state: State
) -> list[Shown]:
    taken = {file.selector for file in there}
    made = []
    for algorithm in algorithms:
        name = selector or f"h{time.strftime('%Y%m%d')}"
        if selector is None or len(algorithms) > 1:
            name = f"{name}-{algorithm}"
        if selector and name in taken:
            raise click.ClickException(
                told(
                    f"{folder.name} has a key {name} already: choose another selector",
                    f"{folder.name} 已有密钥 {name}：请换一个 selector",
                )
            )
        name = _free(name, taken)
        path = folder / f"{name}{state}"
        replace(path, private.made(algorithm).decode("ascii"))
        made.append(shown(KeyFile(folder.name, name, state, path)))
    return made


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number behind it where it is taken: a second rotation on one day."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
