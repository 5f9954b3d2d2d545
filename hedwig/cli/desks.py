"""Where the operator's commands find their spools: those that the files in CONFIGDIR name, postoffice's, mailman's or
both. Nothing is written by looking, and no file is made; no daemon needs to run.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from hedwig.cli.terminal import clean
from hedwig.config import ConfigError, load_mailman, load_postoffice, load_worker
from hedwig.settings import Mailman, Postoffice, Worker
from hedwig.spool.desk import SqliteDesk, open_desk
from hedwig.spool.words import SpoolTrouble

LOADERS: dict[str, Callable[[Path], Mailman | Postoffice | Worker]] = {
    "postoffice": load_postoffice,
    "worker": load_worker,
    "mailman": load_mailman,
}


class Source(NamedTuple):
    """One spool, and the daemon whose file names it."""

    daemon: str
    spool: str


@contextmanager
def desk_at(path: str) -> Iterator[SqliteDesk]:
    """The desk at the spool `path`; raises SpoolTrouble with a sentence that says what is wrong."""
    try:
        Path(path).stat()
        with Path(path).open("rb"):
            pass
    except FileNotFoundError:
        raise SpoolTrouble(f"{path}: there is no spool yet; its daemon makes it when it first starts") from None
    except PermissionError:
        raise SpoolTrouble(f"{path}: no permission to read it; run as root, or as the user hedwig") from None
    except OSError as error:
        raise SpoolTrouble(f"{path}: {error.strerror}") from None
    with closing(open_desk(path)) as desk:
        yield desk


def sources(config_dir: Path, only: str | None = None) -> Iterator[Source | ConfigError]:
    """The spools that CONFIGDIR's files name, each once; a ConfigError for each file that can't be read."""
    met = set()
    for daemon, load in LOADERS.items():
        file = config_dir / f"{daemon}.yml"
        if (only and daemon != only) or not file.exists():
            continue
        try:
            spool = load(file).spool
        except ConfigError as error:
            yield error
            continue
        if spool not in met:
            met.add(spool)
            yield Source(daemon, spool)


def each(
    config_dir: Path, only: str | None, read: Callable[[SqliteDesk], Any]
) -> tuple[list[tuple[Source, Any]], bool]:
    """What `read` makes of each spool, and whether one of them couldn't be read (which has been said then)."""
    found: list[tuple[Source, Any]] = []
    failed = False
    nothing = True
    for one in sources(config_dir, only):
        nothing = False
        try:
            if isinstance(one, ConfigError):
                raise one
            with desk_at(one.spool) as desk:
                found.append((one, read(desk)))
        except (ConfigError, SpoolTrouble) as error:
            click.echo(clean_lines(str(error)), err=True)
            failed = True
    if nothing:
        files = f"{only}.yml" if only else "postoffice.yml, worker.yml or mailman.yml"
        click.echo(f"{clean(str(config_dir))}: there is no {files} here, which would name the spool", err=True)
    return found, failed or nothing


def nowhere(word: str, looked: Sequence[Source], failed: bool) -> str:
    """That nothing is known of `word` in these spools. mailman's own has only what had to wait here: where it is the
    only one, the postoffice is the one to ask. `failed`: another could not be read. Pure."""
    spools = " or ".join(clean(one.spool) for one in looked) or "any spool"
    said = f"{clean(word)} is not in {spools}; what happened is kept for 30 days"
    if looked and not failed and all(one.daemon == "mailman" for one in looked):
        return f"{said}. What did not have to wait on this host went straight to the postoffice: ask there"
    return f"{said}. What never came so far may wait, or have ended, at its sending host: see `hedwig trace` there"


@contextmanager
def the_desk(config_dir: Path, *daemons: str) -> Iterator[SqliteDesk]:
    """The desk of the first of these daemons that is configured here; every trouble becomes a ClickException."""
    try:
        for daemon in daemons:
            file = config_dir / f"{daemon}.yml"
            if file.exists():
                with desk_at(LOADERS[daemon](file).spool) as desk:
                    yield desk
                return
    except (ConfigError, SpoolTrouble) as error:
        raise click.ClickException(clean_lines(str(error))) from None
    files = " or ".join(f"{daemon}.yml" for daemon in daemons)
    elsewhere = "; `hedwig spool` is for what waits at mailman" if (config_dir / "mailman.yml").exists() else ""
    raise click.ClickException(f"{clean(str(config_dir))}: there is no {files} here, which names the spool{elsewhere}")


def clean_lines(text: str) -> str:
    """Several sentences, a line each, safe for a terminal (I11)."""
    return "\n".join(clean(line) for line in text.splitlines())


def named(source: Source, content: dict[str, Any]) -> dict[str, Any]:
    """JSON about one spool."""
    return {"daemon": source.daemon, "spool": source.spool, **content}
