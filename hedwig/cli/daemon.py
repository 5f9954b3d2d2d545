"""What the daemons' commands have in common: options, configuration, log, the bell, and the word to systemd.

    hedwig-mailman [--config FILE]        hedwig-postoffice [--config FILE]        hedwig-worker [--config FILE] [N]
    hedwig-alerts [--config FILE]

Each runs in the foreground, as any user, on the files that its configuration names. Exit status: 0 after SIGTERM; 2 for
a wrong option; 78 (EX_CONFIG of sysexits.h) when the configuration can't be used, after every fault of it was logged;
else what the room's `run` returns.

Where alerts.yml lies beside FILE, what is alarming is laid into its folder, too (hedwig/bell). Nothing waits for that,
and nothing fails by it: where the file is broken, which hedwig-alerts says, the usual folder is taken.

All modules are imported before anything runs (preload.py): during an upgrade the files change underneath.
"""

import argparse
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from hedwig import __version__, log
from hedwig.bell import HEARD, Bell, Edge, Reading, new_folder
from hedwig.cli.preload import preload
from hedwig.config import ConfigError, load_alerts, warnings
from hedwig.settings import Alerts, Mailman, Postoffice, Worker
from hedwig.supervisor import Supervisor

EX_CONFIG = 78
MAX_WORKERS = 999

S = TypeVar("S", Mailman, Postoffice, Worker, Alerts)


@dataclass(frozen=True, slots=True)
class Start(Generic[S]):
    """What a room's `run` is given.

    `reload()` reads `config_file` again: new settings, or None where it is broken, which has been logged then, and the
    old settings stay. `supervisor` is systemd; without it, it does nothing. `number` is N.
    """

    settings: S
    config_file: Path
    reload: Callable[[], S | None]
    supervisor: Supervisor
    number: int = 1


def main_for(
    name: str,
    load: Callable[[Path], S],
    run: Callable[[Start[S]], int],
    *,
    numbered: bool = False,
    argv: Sequence[str] | None = None,
) -> int:
    """The whole of a daemon's command; returns its exit status. `numbered`: it takes N, and is one of several."""
    options = _options(name, numbered).parse_args(argv)
    identifier = f"hedwig-{name}@{options.number}" if numbered else f"hedwig-{name}"
    file: Path = options.config
    # SIGHUP ends a process that has no handler for it yet: until `run` has set its own, it is ignored.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log.start(identifier)
    supervisor = Supervisor.of_this_process()
    preload(name)
    try:
        settings = load(file)
    except ConfigError as error:
        _report(error)
        count = len(error.problems)
        supervisor.status(f"{file}: {count} {'fault' if count == 1 else 'faults'}, see `hedwig config check`")
        return EX_CONFIG
    log.start(identifier, settings.debug)
    _warn(file)

    def reload() -> S | None:
        try:
            new = load(file)
        except ConfigError as error:
            _report(error)
            text = f"{file} is broken: the old settings stay"
            log.event(log.Matter.CONFIG_BROKEN, text, log.Level.ERROR, file=file)
            return None
        log.start(identifier, new.debug)
        _warn(file)
        log.say(log.Level.NOTICE, f"{file} was read again")
        return new

    with _bell(file.with_name("alerts.yml"), identifier, supervisor) as end:
        status = run(Start(settings, file, reload, supervisor, options.number))
        if status == 0:
            end()
    return status


@contextmanager
def _bell(file: Path, identifier: str, supervisor: Supervisor) -> Iterator[Callable[[], object]]:
    """What `log` tells of goes to whoever is called by alerts, meanwhile. Gives what says that the end is orderly."""
    if not file.exists():
        yield lambda: None
        return
    try:
        folder = load_alerts(file).folder
    except ConfigError:
        folder = Alerts().folder
    bell = Bell(new_folder(folder), identifier)
    supervisor.when_ready(lambda: bell.ring(Reading("", Edge.STARTED)))
    log.listen(bell.hear, HEARD)
    try:
        yield lambda: bell.ring(Reading("", Edge.ENDED))
    finally:
        log.listen(None)
        bell.close()


def _options(name: str, numbered: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"hedwig-{name}", description="A part of hedwig, the outbound mail queue.", allow_abbrev=False
    )
    default = Path(f"/etc/hedwig/{name}.yml")
    parser.add_argument("--config", metavar="FILE", type=Path, default=default, help=f"default: {default}")
    parser.add_argument("--version", action="version", version=f"hedwig-{name} {__version__}")
    if numbered:
        parser.add_argument(
            "number", metavar="N", nargs="?", type=_number, default=1, help=f"which one this is, 1 to {MAX_WORKERS}"
        )
    else:
        parser.set_defaults(number=1)
    return parser


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_WORKERS):
        raise argparse.ArgumentTypeError(f"write a number from 1 to {MAX_WORKERS}")
    return int(text)


def _report(error: ConfigError) -> None:
    for problem in error.problems:
        log.event(log.Matter.CONFIG_BROKEN, str(problem), log.Level.ERROR, file=problem.file)


def _warn(file: Path) -> None:
    for problem in warnings(file):
        log.event(log.Matter.KEY_READABLE, str(problem), log.Level.WARNING, file=problem.file)
