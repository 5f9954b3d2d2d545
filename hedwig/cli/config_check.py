"""`hedwig config check`: every fault of every file, at once, of the DKIM keys, and of the certificates that the daemons
shall trust.
`config sample` and `config man` print what comes from hedwig/settings: a file with all defaults, and its manual page.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from hedwig.cli import ca_file as ca_files
from hedwig.cli.manual import MANUALS, manual
from hedwig.cli.readable import readable
from hedwig.cli.sample import FILES, sample
from hedwig.cli.terminal import clean
from hedwig.config import (
    ConfigError,
    Problem,
    Unfit,
    load_alerts,
    load_client,
    load_delivery,
    load_mailman,
    load_reception,
    sites_named,
    warnings,
)
from hedwig.config.document import line_of
from hedwig.config.replies import NAME as REPLIES
from hedwig.config.replies import load_rules, own_file
from hedwig.settings import SITES, Alerts, Mailman, Postoffice, Worker

Settings = Mailman | Postoffice | Worker | Alerts

_LOADERS: Mapping[str, Callable[[Path], Settings]] = {
    "mailman.yml": load_mailman,
    "postoffice.yml": load_reception,
    "worker.yml": load_delivery,
}
_ALERTS = "alerts.yml"


@click.group()
def config() -> None:
    """The configuration: check it, or print a sample with every default."""


@config.command("sample")
@click.argument("name", type=click.Choice(list(FILES)))
def print_sample(name: str) -> None:
    """Print a NAME.yml with every key, its meaning and its default."""
    click.echo(sample(name), nl=False)


@config.command("man")
@click.argument("name", type=click.Choice(MANUALS))
def print_manual(name: str) -> None:
    """Print the manual page NAME.yml(5), or that of a client's file, as man(1) reads it."""
    click.echo(manual(name), nl=False)


@config.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the faults as JSON.")
@click.pass_obj
def check(config_dir: Path, files: tuple[Path, ...], as_json: bool) -> None:
    """Check the configuration files: all of CONFIGDIR's that exist, or the FILEs.

    A FILE's name says what it is: mailman.yml, postoffice.yml, worker.yml, alerts.yml, replies.yml or
    clients.d/FQDN.yml. Exit
    status 1 when one of them can't be used.
    """
    if not files:
        readable(config_dir)
    report = _Report()
    loaded: dict[str, Settings] = {}
    chosen = list(files) or _files_of(config_dir, report)
    for file in chosen:
        settings = report.check(file)
        if settings is not None:
            loaded[file.name] = settings
    report.compare(loaded)
    report.write(as_json)
    raise SystemExit(1 if report.faults else 0)


def _files_of(config_dir: Path, report: "_Report") -> list[Path]:
    files = []
    for name in _LOADERS:
        if (config_dir / name).exists():
            files.append(config_dir / name)
        else:
            report.absent.append(str(config_dir / name))
    if (config_dir / _ALERTS).exists():
        files.append(config_dir / _ALERTS)
    if not files:
        report.faults.append(Problem(str(config_dir), 0, "", "there is no configuration file in this directory"))
    directory = config_dir / "clients.d"
    try:
        files += sorted(file for file in directory.iterdir() if file.suffix == ".yml" and file.name[0] != ".")
    except FileNotFoundError:
        pass  # no client yet
    except OSError as error:
        report.faults.append(Problem(str(directory), 0, "", f"can't be read: {error.strerror}"))
    return files


class _Report:
    """What was found, gathered until all files have been read."""

    def __init__(self) -> None:
        self.sound: list[str] = []
        self.absent: list[str] = []
        self.faults: list[Problem] = []
        self.cautions: list[str] = []

    def check(self, file: Path) -> Settings | None:
        """Read one file; its settings where it is sound and no client's."""
        settings = None
        try:
            if file.name in _LOADERS:
                settings = _LOADERS[file.name](file)
            elif file.absolute().parent.name == "clients.d":
                load_client(file)
            elif file.name == _ALERTS:
                settings = load_alerts(file)
            elif file.name == REPLIES:
                load_rules(file, _sites_beside(file))
            else:
                known = f"name it {', '.join(_LOADERS)}, {_ALERTS}, {REPLIES} or clients.d/FQDN.yml"
                raise ConfigError([Problem(str(file), 0, "", "its name doesn't say what it is", known)])
        except ConfigError as error:
            self.faults += [fault for fault in error.problems if fault not in self.faults]  # a DKIM key is of two files
            return None
        if settings is not None:
            told = map(str, warnings(file))
            self.cautions += [one for one in told if one not in self.cautions]  # local.key lies beside several
        if isinstance(settings, Mailman) and settings.missing:
            missing = ", ".join(settings.missing)
            self.cautions.append(
                f"{file}: no postoffice ({missing} missing): mailman keeps all mail; `hedwig setup` asks for it"
            )
        if not isinstance(settings, Mailman | Worker) or self._ca_file_serves(file, settings.ca_file):
            self.sound.append(str(file))
        if isinstance(settings, Worker) and (replies := own_file(file, settings.replies)):
            self.sound.append(str(replies))
        return settings

    def _ca_file_serves(self, file: Path, ca_file: str) -> bool:
        if not ca_file:
            return True
        if hidden := ca_files.hidden(Path(ca_file), file.stem):
            self.cautions.append(f"{file}: ca_file: {hidden}")
        try:
            ca_files.look_at(Path(ca_file))
        except Unfit as error:
            line = line_of(file, "ca_file")
            self.faults.append(Problem(str(file), line, "ca_file", error.wrong, error.right))
            return False
        return True

    def compare(self, loaded: Mapping[str, Settings]) -> None:
        """What only shows when two files lie side by side."""
        postoffice, worker = loaded.get("postoffice.yml"), loaded.get("worker.yml")
        if not isinstance(postoffice, Postoffice) or not isinstance(worker, Worker):
            return
        for key in ("spool", "queue"):
            theirs, ours = getattr(postoffice, key), getattr(worker, key)
            if theirs != ours:
                self.cautions.append(
                    f"{key}: postoffice.yml says {theirs} and worker.yml says {ours}; "
                    "what one puts there the other doesn't find: make both the same"
                )

    def write(self, as_json: bool) -> None:
        """To stdout; faults and warnings to stderr unless it is JSON."""
        if as_json:
            faults = [asdict(fault) for fault in self.faults]
            whole = {"sound": self.sound, "absent": self.absent, "faults": faults, "warnings": self.cautions}
            click.echo(json.dumps(whole, indent=2))
            return
        for file in self.sound:
            click.echo(f"{clean(file)}: fine")
        for file in self.absent:
            click.echo(f"{clean(file)}: not there (needed only where that daemon runs)")
        for caution in self.cautions:
            click.echo(f"warning: {clean(caution)}", err=True)
        for fault in self.faults:
            click.echo(clean(str(fault)), err=True)


def _sites_beside(replies: Path) -> Collection[str] | None:
    """The names of receivers that a replies.yml may use: those of the worker.yml beside it, or else the known ones."""
    worker = replies.parent / "worker.yml"
    return sites_named(worker) if worker.exists() else SITES
