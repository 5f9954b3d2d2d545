"""YAML files -> settings: every fault at once, each with its line, its key, and what would be right.

    settings = load_mailman("/etc/hedwig/mailman.yml")

`load_mailman`, `load_postoffice`, `load_worker` and `load_client` return the frozen dataclass of settings.py, or raise
ConfigError, whose `problems` lists all that is wrong with the file; str(error) is one line for each:

    mailman.yml:12: max_sise: unknown key; did you mean max_size?

A mailman.yml that names neither fqdn, postoffice nor key takes them from local.key beside it (localkey.py). What is
still missing then is no error but stands in `Mailman.missing`: mailman starts, and spools.

Nothing else is raised, whatever lies in the file. What is only worth a warning is told by `warnings`. Which keys there
are, and of which kind, stands in settings.py; kinds.py says what a value may look like; document.py reads YAML.
"""

import stat
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import yaml

from hedwig.config.document import Entry, entries, named, parse, read_text
from hedwig.config.kinds import LISTS, NEVER_EMPTY, SCALARS, host_name, written
from hedwig.config.localkey import LocalKey, path_beside, this_host
from hedwig.config.problem import ConfigError, Problem, Unfit
from hedwig.settings import Client, Mailman, Postoffice, Worker

__all__ = [
    "ConfigError",
    "Problem",
    "Unfit",
    "host_name",
    "load_client",
    "load_local_key",
    "load_mailman",
    "load_postoffice",
    "load_worker",
    "pasted_lines",
    "warnings",
]

_PASTED = tuple(one.name for one in fields(Mailman) if one.metadata.get("pasted"))
_FILES: dict[str, type] = {"mailman.yml": Mailman, "postoffice.yml": Postoffice, "worker.yml": Worker}
_NULL = "tag:yaml.org,2002:null"


def load_mailman(path: Path | str) -> Mailman:
    """mailman.yml, with local.key where it names no postoffice; or ConfigError."""
    path = Path(path)
    values = _values(path, Mailman)
    if not any(name in values for name in _PASTED):
        local = load_local_key(path_beside(path))
        values |= {name: value for name in _PASTED if (value := getattr(local, name))}
    missing = tuple(name for name in _PASTED if name not in values)
    return Mailman(**{"fqdn": this_host(), **values, "missing": missing})


def pasted_lines(text: str, where: str) -> dict[str, str]:
    """Those of fqdn, postoffice, key and ca_file that `text` has, as `hedwig key add` printed it; or ConfigError."""
    reading = _Reading(where)
    values = reading.section(Mailman, parse(Path(where), text))
    reading.finish()
    return {name: values[name] for name in (*_PASTED, "ca_file") if name in values}


def load_local_key(path: Path | str) -> LocalKey:
    """local.key, or ConfigError; all empty where there is none."""
    path = Path(path)
    return LocalKey(**_values(path, LocalKey)) if path.exists() else LocalKey()


def load_postoffice(path: Path | str) -> Postoffice:
    """postoffice.yml, or ConfigError."""
    return Postoffice(**_values(Path(path), Postoffice))


def load_worker(path: Path | str) -> Worker:
    """worker.yml, or ConfigError."""
    return Worker(**_values(Path(path), Worker))


def load_client(path: Path | str) -> Client:
    """clients.d/FQDN.yml, or ConfigError. The file's name says whose it is."""
    path = Path(path)
    reading = _Reading(str(path))
    fqdn = path.name.removesuffix(".yml")
    try:
        if path.suffix != ".yml" or host_name(fqdn) != fqdn:
            raise Unfit("the file's name is not FQDN.yml in lower case")
    except Unfit as error:
        reading.problems.append(Problem(str(path), 0, "", error.wrong, "name it after the host: less.example.com.yml"))
    values = reading.section(Client, parse(path, read_text(path)))
    reading.finish()
    return Client(fqdn, **values)


def warnings(path: Path | str) -> list[Problem]:
    """What is dangerous but no error: a mailman.yml with a key, or a local.key beside it, that everybody can read."""
    path = Path(path)
    return [
        Problem(str(file), 0, "key", "every user of this host can read it", f"chmod o-rwx {file}")
        for file in (path, path_beside(path))
        if _shows_a_key(file)
    ]


def _shows_a_key(path: Path) -> bool:
    try:
        open_to_all = path.stat().st_mode & stat.S_IROTH
        return bool(open_to_all) and any(line.lstrip().startswith("key:") for line in read_text(path).split("\n"))
    except (OSError, ConfigError):
        return False  # whoever loads the file is told why it can't be read


def _values(path: Path, cls: type) -> dict[str, Any]:
    """What the file gives for the keys of `cls`, or ConfigError."""
    reading = _Reading(str(path))
    values = reading.section(cls, parse(path, read_text(path)))
    reading.finish()
    return values


class _Reading:
    """One file while it is read: values come back, faults gather in `problems`."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def finish(self) -> None:
        """Raise what has gathered."""
        if self.problems:
            raise ConfigError(self.problems)

    def section(self, cls: type, node: yaml.Node | None, prefix: str = "") -> dict[str, Any]:
        """The values that a mapping gives for the keys of `cls`. Keys with faults are left out."""
        known: dict[str, Field[Any]] = {one.name: one for one in fields(cls) if one.metadata}
        values: dict[str, Any] = {}
        if isinstance(node, yaml.MappingNode):
            for entry in entries(self.file, prefix, node, self.problems):
                if entry.key not in known:
                    self._unknown(cls, prefix, entry)
                else:
                    self._entry(known[entry.key], prefix, entry, values)
        return values

    def _unknown(self, cls: type, prefix: str, entry: Entry) -> None:
        names = [one.name for one in fields(cls) if one.metadata]
        import difflib

        near = difflib.get_close_matches(entry.key.lower().replace("-", "_"), names, n=1)
        if near:
            right = f"did you mean {near[0]}?"
        else:
            homes = _homes(entry.key, cls) if not prefix else []
            right = f"it belongs {' or '.join(homes)}" if homes else f"known here: {', '.join(names)}"
        self._fault(entry.line, named(prefix, entry.key), Unfit("unknown key", right))

    def _entry(self, one: Field[Any], prefix: str, entry: Entry, values: dict[str, Any]) -> None:
        name = f"{prefix}.{one.name}" if prefix else one.name
        before = len(self.problems)
        if entry.node.tag == _NULL:
            self._fault(entry.line, name, Unfit("has no value", _instead(one)))
        elif "section" in one.metadata:
            if isinstance(entry.node, yaml.MappingNode):
                values[one.name] = one.metadata["section"](**self.section(one.metadata["section"], entry.node, name))
            else:
                right = "write its keys below it, indented by two spaces"
                self._fault(entry.line, name, Unfit("has no keys of its own", right))
        elif one.metadata["kind"] in LISTS:
            value = self._list(one.metadata["kind"], name, entry.node)
            if len(self.problems) == before:
                values[one.name] = value
        elif not isinstance(entry.node, yaml.ScalarNode):
            self._fault(entry.line, name, Unfit("is a list or a section", "write a single value"))
        else:
            try:
                values[one.name] = SCALARS[one.metadata["kind"]](entry.node.value)
            except Unfit as error:
                self._fault(entry.line, name, error)

    def _list(self, kind: str, name: str, node: yaml.Node) -> tuple[object, ...]:
        """A list's values in order; a single value is a list of one."""
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        values: list[object] = []
        for item in items:
            line = item.start_mark.line + 1
            try:
                if not isinstance(item, yaml.ScalarNode) or item.tag == _NULL:
                    raise Unfit(
                        "a list's item is not a single value", 'put IPv6 in quotes: ["[::1]:25", 172.17.0.1:25]'
                    )
                if "," in item.value:
                    raise Unfit("several values in one", f"write a list: [{_listed(item.value)}]")
                value = LISTS[kind](item.value)
                if kind != "durations" and value in values:
                    raise Unfit("the same value twice in the list", "remove one of them")
                values.append(value)
            except Unfit as error:
                self._fault(line, name, error)
        if not items and kind in NEVER_EMPTY:
            self._fault(node.start_mark.line + 1, name, Unfit("the list is empty", "leave it out for the default"))
        return tuple(values)

    def _fault(self, line: int, name: str, error: Unfit) -> None:
        self.problems.append(Problem(self.file, line, name, error.wrong, error.right))


def _listed(text: str) -> str:
    return "…" if len(text) > 40 or not text.isprintable() else ", ".join(part.strip() for part in text.split(","))


def _instead(one: Field[Any]) -> str:
    if one.metadata.get("pasted"):
        return f"`hedwig key add FQDN` on the postoffice host prints the `{one.name}:` line to paste here"
    if "section" in one.metadata:
        return "write its keys below it, or leave it out"
    return f"leave the line out for the default, {written(one.metadata['kind'], one.default)}"


def _homes(key: str, cls: type) -> list[str]:
    """Where `key` is known, when not at the top of `cls`'s file."""
    homes = []
    for file, other in _FILES.items():
        for one in fields(other):
            if one.name == key and other is not cls:
                homes.append(f"into {file}")
            inner = one.metadata.get("section")
            if inner and key in {nested.name for nested in fields(inner)}:
                homes.append(f"below {one.name}:" if other is cls else f"below {one.name}: in {file}")
    return homes
