"""One file while it is read: the tree of document.py becomes the values of a settings class; faults gather."""

from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, replace
from typing import Any

import yaml

from hedwig.config.document import Entry, entries, named
from hedwig.config.kinds import LISTS, NAMES, NEVER_EMPTY, OF_ENTRIES, REPEATABLE, SCALARS, WITH_COMMAS, written
from hedwig.config.problem import ConfigError, Problem, Unfit
from hedwig.settings import Alerts, ClientKey, Mailman, Postoffice, Replies, Worker, key_of

_FILES: dict[str, type] = {
    "mailman.yml": Mailman,
    "postoffice.yml": Postoffice,
    "worker.yml": Worker,
    "replies.yml": Replies,
    "alerts.yml": Alerts,
}
_NULL = "tag:yaml.org,2002:null"


class Reading:
    """One file while it is read: values come back, faults gather in `problems`. `known`: the entries that a section of
    named ones has already, where these are not its default ones."""

    def __init__(self, file: str, known: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.file = file
        self._known_entries = known or {}
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}  # of each key that was read, by its full name

    def finish(self) -> None:
        """Raise what has gathered."""
        if self.problems:
            raise ConfigError(self.problems)

    def disagree(self, faults: Iterable[tuple[str, Unfit]]) -> None:
        """What doesn't fit together, by keys; one whose value could not be read has been told of already."""
        told = {problem.key for problem in self.problems}
        for key, error in faults:
            if key not in told:
                self._fault(self.line(key), key, error)

    def line(self, key: str) -> int:
        """Where a key stands, or the nearest section around it; 0 where that isn't in the file."""
        while key not in self.lines and "." in key:
            key = key.rpartition(".")[0]
        return self.lines.get(key, 0)

    def section(self, cls: type, node: yaml.Node | None, prefix: str = "") -> dict[str, Any]:
        """The values that a mapping gives for the keys of `cls`. Keys with faults are left out."""
        known: dict[str, Field[Any]] = {key_of(one): one for one in fields(cls) if one.metadata}
        values: dict[str, Any] = {}
        if isinstance(node, yaml.MappingNode):
            for entry in entries(self.file, prefix, node, self.problems):
                if entry.key not in known:
                    self._unknown(cls, prefix, entry)
                else:
                    self._entry(known[entry.key], prefix, entry, values)
        return values

    def _unknown(self, cls: type, prefix: str, entry: Entry) -> None:
        names = _names(cls)
        import difflib  # it takes a while to load

        near = difflib.get_close_matches(entry.key.lower().replace("-", "_"), names, n=1)
        if near:
            right = f"did you mean {near[0]}?"
        else:
            homes = _homes(entry.key, cls) if not prefix else []
            right = f"it belongs {' or '.join(homes)}" if homes else f"known here: {_known(cls)}"
        self._fault(entry.line, named(prefix, entry.key), Unfit("unknown key", right))

    def _entry(self, one: Field[Any], prefix: str, entry: Entry, values: dict[str, Any]) -> None:
        name = f"{prefix}.{key_of(one)}" if prefix else key_of(one)
        before = len(self.problems)
        self.lines[name] = entry.line
        if entry.node.tag == _NULL:
            self._fault(entry.line, name, Unfit("has no value", _instead(one)))
        elif "named" in one.metadata:
            if isinstance(entry.node, yaml.MappingNode):
                values[one.name] = self._named(one, name, entry.node)
            else:
                right = "write a name below it, indented by two spaces, and its keys below that"
                self._fault(entry.line, name, Unfit("has no entries of its own", right))
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

    def _named(self, one: Field[Any], prefix: str, node: yaml.MappingNode) -> dict[str, Any]:
        """The entries of a section in which each has a name; the default ones that the file says nothing of stay."""
        of, name_of = one.metadata["named"], NAMES[one.metadata["names"]]
        found: dict[str, Any] = dict(one.default_factory()) if callable(one.default_factory) else {}
        found |= self._known_entries.get(prefix, {})
        for entry in entries(self.file, prefix, node, self.problems):
            try:
                name = name_of(entry.key)
            except Unfit as error:
                self._fault(entry.line, prefix, error)
                continue
            full = f"{prefix}.{name}"
            self.lines[full] = entry.line
            if not isinstance(entry.node, yaml.MappingNode):
                right = f"write its keys below it, indented by two spaces more; known here: {_known(of)}"
                self._fault(entry.line, full, Unfit("has no keys of its own", right))
                continue
            found[name] = replace(found.get(name) or of(), **self.section(of, entry.node, full))
        return found

    def _list(self, kind: str, name: str, node: yaml.Node) -> tuple[object, ...]:
        """A list's values in order; a single value is a list of one."""
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        values: list[object] = []
        for item in items:
            line = item.start_mark.line + 1
            if kind in OF_ENTRIES and isinstance(item, yaml.MappingNode):
                values.append(self._item(OF_ENTRIES[kind], name, item))
                continue
            try:
                if not isinstance(item, yaml.ScalarNode) or item.tag == _NULL:
                    raise Unfit(
                        "a list's item is not a single value", 'put IPv6 in quotes: ["[::1]:25", 172.17.0.1:25]'
                    )
                if "," in item.value and kind not in WITH_COMMAS:
                    raise Unfit("several values in one", f"write a list: [{_listed(item.value)}]")
                value = LISTS[kind](item.value)
                if isinstance(value, ClientKey):
                    value = replace(value, line=line)
                if kind not in REPEATABLE and value in values:
                    raise Unfit("the same value twice in the list", "remove one of them")
                values.append(value)
            except Unfit as error:
                self._fault(line, name, error)
        if not items and kind in NEVER_EMPTY:
            self._fault(node.start_mark.line + 1, name, Unfit("the list is empty", "leave it out for the default"))
        return tuple(values)

    def _item(self, of: type, name: str, node: yaml.MappingNode) -> object:
        """An item of a list that is a mapping, with the line in which it begins; its first key can't be left out."""
        line = node.start_mark.line + 1
        values = self.section(of, node, name)
        first = fields(of)[0].name
        if not any(key.value == first for key, _ in node.value):
            self._fault(line, f"{name}.{first}", Unfit("is missing", f"write {{{first}: ..., ...}}"))
        return of(**values, line=line)

    def _fault(self, line: int, name: str, error: Unfit) -> None:
        self.problems.append(Problem(self.file, line, name, error.wrong, error.right))


def _names(cls: type) -> list[str]:
    return [key_of(one) for one in fields(cls) if one.metadata]


def _known(cls: type) -> str:
    return ", ".join(_names(cls))


def _listed(text: str) -> str:
    return "…" if len(text) > 40 or not text.isprintable() else ", ".join(part.strip() for part in text.split(","))


def _instead(one: Field[Any]) -> str:
    if one.metadata.get("pasted"):
        return f"`hedwig key add FQDN` on the postoffice host prints the `{one.name}:` line to paste here"
    if "section" in one.metadata or "named" in one.metadata:
        return "write its keys below it, or leave it out"
    return f"leave the line out for the default, {written(one.metadata['kind'], one.default)}"


def _homes(key: str, cls: type) -> list[str]:
    """Where `key` is known, when not at the top of `cls`'s file."""
    homes = []
    for file, other in _FILES.items():
        for one in fields(other):
            if one.name == key and other is not cls:
                homes.append(f"into {file}")
            inner = one.metadata.get("section") or one.metadata.get("named")
            if inner and key in _names(inner):
                homes.append(f"below {one.name}:" if other is cls else f"below {one.name}: in {file}")
    return homes
