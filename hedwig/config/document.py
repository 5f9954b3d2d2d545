"""A YAML file as a tree of text with line numbers, read strictly.

A configuration file is one mapping of words to texts, lists of texts, or one more mapping. PyYAML's composer gives the
nodes with their marks; the constructor, which turns `0123` into 83, `yes` into True and `12:30` into 750, is never
used: a value is the text that the admin wrote, and its key's kind decides what it means.

Refused: what isn't UTF-8, tabs as indentation, several documents, a key named twice, anchors and aliases (with which a
small file unfolds into gigabytes), tags, deep nesting, files over 1 MiB. Anything that can't be read raises
ConfigError, never OSError or YAMLError. YAML's own error messages are translated, as they repeat the file's text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from hedwig.config.problem import ConfigError, Problem

_MAX_FILE = 1 << 20
_MAX_DEPTH = 8

# The problem or context in PyYAML's words (it has no error codes) -> ours. The first that fits is taken.
_TRANSLATED = (
    (r"character '\t'", "there is a tab here", "indent with spaces"),
    ("could not find expected ':'", "this line has no colon", "write `key: value`"),
    ("mapping values are not allowed", "there is a second `: ` in this line, or the line is indented too far",
     "put a value that has a colon and a space in quotes, and begin each key at the start of its line"),
    ("sequence entries are not allowed", "a list item stands where none can be", "write each item as `  - value`"),
    ("expected the node content, but found ':'", "an address that begins with : or [ must stand in quotes",
     'write "::1" or "[::1]:25"'),
    ("quoted scalar", "a quoted text is not closed, or has a backslash that means nothing", "write '…' without \\"),
    ("flow mapping", "a { is not closed", "close it with }"),
    ("flow sequence", "a [ is not closed", "close it with ]"),
    ("that cannot start any token", "a value begins with a character that is special in YAML", "put it in quotes"),
    ("found another document", "a second document begins here", "keep one document, without `---`"),
    ("block collection", "a list item and a key stand on the same level", "indent list items below their key"),
    ("block mapping", "this line is indented otherwise than the one before", "begin each key at the start of its line"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a mapping."""

    key: str
    line: int
    node: yaml.Node


def _unreadable(path: Path, wrong: str, right: str = "", line: int = 0) -> ConfigError:
    return ConfigError([Problem(str(path), line, "", wrong, right)])


def read_text(path: Path) -> str:
    """The file's text (UTF-8, a byte order mark taken off), or ConfigError."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_FILE + 1)
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file") from None
    except PermissionError:
        raise _unreadable(path, "no permission to read it", "run as root, or as a member of group hedwig") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unreadable(path, f"can't be read: {reason}") from None
    if len(raw) > _MAX_FILE:
        raise _unreadable(path, "larger than 1 MiB: no configuration file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, "not UTF-8", "save the file as UTF-8", line) from None


def parse(path: Path, text: str) -> yaml.MappingNode | None:
    """The top mapping of `text`, which came from `path`; None where there is nothing but comments. Or ConfigError."""
    return _parsed(path, text, yaml.SafeLoader)


def parse_long(path: Path, text: str) -> yaml.MappingNode | None:
    """The same for a file of hundreds of lines: libyaml reads it, in a tenth of the time. Where it has anything to
    object PyYAML's own parser is asked, whose words are known here."""
    try:
        return _parsed(path, text, yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)
    except ConfigError:
        return parse(path, text)


def _parsed(path: Path, text: str, loader: "type[yaml.SafeLoader | yaml.CSafeLoader]") -> yaml.MappingNode | None:
    try:
        _refuse_tricks(path, text, loader)
        node = yaml.compose(text, Loader=loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _unreadable(path, "there is a control character here", "remove it", line) from None
    except yaml.MarkedYAMLError as error:
        raise _translated(path, error) from None
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        return None
    if not isinstance(node, yaml.MappingNode):
        raise _unreadable(path, "not a list of settings", "write lines of `key: value`", node.start_mark.line + 1)
    return node


def line_of(path: Path, key: str) -> int:
    """The line of a key of the top mapping, 0 where it isn't there; or ConfigError."""
    root = parse(path, read_text(path))
    return next((name.start_mark.line + 1 for name, _ in (root.value if root else []) if name.value == key), 0)


def _refuse_tricks(path: Path, text: str, loader: "type[yaml.SafeLoader | yaml.CSafeLoader]") -> None:
    """Anchors, aliases, tags and deep nesting are seen in the events, before the composer recurses into them."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _unreadable(path, "& and * begin something that isn't used here", "put the value in quotes", line)
        if getattr(event, "tag", None):
            raise _unreadable(path, "! begins something that isn't used here", "put the value in quotes", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise _unreadable(path, "this is nested too deep", "no setting has more than two levels", line)


def _translated(path: Path, error: yaml.MarkedYAMLError) -> ConfigError:
    """PyYAML's error in our words, at the line where the fault begins."""
    said = f"{error.context or ''} {error.problem or ''}"
    mark = error.problem_mark
    if error.context_mark and ("expected ':'" in said or "quoted" in said or "flow" in said):
        mark = error.context_mark
    line = mark.line + 1 if mark else 0
    for words, wrong, right in _TRANSLATED:
        if words in said:
            return _unreadable(path, wrong, right, line)
    return _unreadable(path, "this is not valid YAML", "see the lines above it, too", line)


def entries(file: str, prefix: str, node: yaml.MappingNode, problems: list[Problem]) -> Iterator[Entry]:
    """The mapping's entries; keys that are no words or stand there twice go to `problems` instead."""
    first: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
            problems.append(Problem(file, line, prefix, "a key here is not a word", "write `key: value`"))
            continue
        key = key_node.value
        if key in first:
            problems.append(Problem(file, line, named(prefix, key), f"named twice, first in line {first[key]}",
                                    "keep one of the two"))  # fmt: skip
            continue
        first[key] = line
        yield Entry(key, line, value_node)


def named(prefix: str, key: str) -> str:
    """The key's full name for an error. What is no plain word may be a secret in the wrong place: it isn't repeated."""
    plain = key.isascii() and key.replace("_", "").replace("-", "").isalnum() and len(key) <= 24
    word = key if plain else "(a key)"
    return f"{prefix}.{word}" if prefix else word
