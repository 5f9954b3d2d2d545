"""The text of clients.d/FQDN.yml, edited by place: a hash goes in or out, and every other character stays.

An admin may have comments and other settings in such a file, and PyYAML, which drops comments, never writes it. The
marks of the parsed text say where the `key:` list stands; the change is made there, and then the new text is read
back: unless it holds exactly the keys that were meant, and all else unchanged, the edit is refused (Misshapen) and the
admin is asked to make it by hand. Pure: text in, text out.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from hedwig.cli.sample import of_client
from hedwig.cli.yamltext import Misshapen
from hedwig.config import ConfigError
from hedwig.config.document import parse

HEADER = of_client()

_HEADER_LINES = frozenset(HEADER.splitlines())
_ITEM = r'- (?:"sha256:[0-9a-f]{64}"|\{hash: "sha256:[0-9a-f]{64}", expires: [^\s{}]+\})(?:\s+# added [0-9-]{10})?'
_GENERATED_LINE = re.compile(rf"\s*(?:key:(?:\s*\[\])?|{_ITEM})?\s*")


def with_key(path: Path, text: str, hashed: str, day: str, expires: str = "") -> str:
    """`text` with the hash added behind those that are there. `path` is for errors; `day` becomes a comment;
    `expires`: as the file says it."""
    root = parse(path, text)
    value = _key_value(root)
    entry = _entry(hashed, expires)
    item = f"- {entry}  # added {day}\n"
    if root is None:
        new = (text or HEADER) + ("" if not text or text.endswith("\n") else "\n") + f"key:\n  {item}"
    elif value is None:
        indent = " " * root.start_mark.column
        new = _spliced(text, root.start_mark.index, root.start_mark.index, f"key:\n{indent}  {item}{indent}")
    elif isinstance(value, yaml.SequenceNode) and not value.flow_style:
        line_end = text.find("\n", _end(text, value.value[-1]))
        at = len(text) if line_end < 0 else line_end + 1
        before = "\n" if line_end < 0 else ""
        new = _spliced(text, at, at, before + " " * value.start_mark.column + item)
    elif isinstance(value, yaml.SequenceNode):
        end = value.end_mark.index - 1
        comma = "" if not value.value or text[:end].rstrip().endswith(",") else ", "
        new = _spliced(text, end, end, f"{comma}{entry}")
    elif isinstance(value, yaml.MappingNode) and not value.flow_style:
        raise _misshapen(path, text)
    else:
        start, end = value.start_mark.index, value.end_mark.index
        old = text[start:end]
        new = _spliced(text, start, end, f"[{old}, {entry}]" if old else f" [{entry}]")
    return _checked(path, text, new, [*_entries(path, text), (hashed, expires)])


def with_expiry(path: Path, text: str, hashed: str, expires: str) -> str:
    """`text` with another end for the key of this hash; "": it has none."""
    node = next((item for item in _items(parse(path, text)) if _hash_in(item).lower() == hashed), None)
    if node is None:
        raise _misshapen(path, text)
    start, end = node.start_mark.index, _end(text, node)
    if "#" in text[start:end]:
        raise _misshapen(path, text)  # a comment among the lines of a mapping would be lost
    new = _spliced(text, start, end, _entry(hashed, expires))
    meant = [(key, expires if key.lower() == hashed else old) for key, old in _entries(path, text)]
    return _checked(path, text, new, meant)


def without_keys(path: Path, text: str, hashes: Sequence[str]) -> str:
    """`text` without these hashes; "" where nothing is left that `with_key` had not written itself."""
    root = parse(path, text)
    value = _key_value(root)
    if value is None:
        return text
    kept = [entry for entry in _entries(path, text) if entry[0].lower() not in hashes]
    if isinstance(value, yaml.SequenceNode) and not value.flow_style and kept:
        new = _without_lines(text, [item for item in value.value if _hash_in(item).lower() in hashes])
    elif isinstance(value, yaml.SequenceNode) and value.flow_style:
        if "#" in text[value.start_mark.index : value.end_mark.index]:
            raise _misshapen(path, text)  # a comment among the items would be lost
        items = [item for item in value.value if _hash_in(item).lower() not in hashes]
        listed = ", ".join(text[item.start_mark.index : item.end_mark.index] for item in items)
        new = _spliced(text, value.start_mark.index, value.end_mark.index, f"[{listed}]")
    elif isinstance(value, yaml.SequenceNode):
        new = _without_lines(text, value.value)
        key_end = next(key.end_mark.index for key, _ in _pairs(root) if key.value == "key")
        new = _spliced(new, key_end + 1, key_end + 1, " []")
    elif isinstance(value, yaml.MappingNode) and not value.flow_style:
        raise _misshapen(path, text)
    else:
        new = _spliced(text, value.start_mark.index, value.end_mark.index, "[]")
    new = _checked(path, text, new, kept)
    if not kept and all(_GENERATED_LINE.fullmatch(line) or line in _HEADER_LINES for line in new.splitlines()):
        return ""
    return new


def keys_in(path: Path, text: str) -> list[str]:
    """The hashes as they stand in the text."""
    return [_hash_in(item) for item in _items(parse(path, text))]


def _entries(path: Path, text: str) -> list[tuple[str, str]]:
    """Hash and expiry of each."""
    return [(_hash_in(item), _of_entry(item, "expires")) for item in _items(parse(path, text))]


def _entry(hashed: str, expires: str) -> str:
    return f'{{hash: "{hashed}", expires: {expires}}}' if expires else f'"{hashed}"'


def _items(root: yaml.MappingNode | None) -> list[yaml.Node]:
    """The entries of `key:`, each a scalar or a mapping."""
    value = _key_value(root)
    if value is None or (isinstance(value, yaml.ScalarNode) and not value.value):
        return []
    return list(value.value) if isinstance(value, yaml.SequenceNode) else [value]


def _hash_in(item: yaml.Node) -> str:
    return _of_entry(item, "hash") if isinstance(item, yaml.MappingNode) else str(item.value)


def _of_entry(item: yaml.Node, name: str) -> str:
    pairs = item.value if isinstance(item, yaml.MappingNode) else []
    return next((str(value.value) for key, value in pairs if key.value == name), "")


def _key_value(root: yaml.MappingNode | None) -> yaml.Node | None:
    return next((value for key, value in _pairs(root) if key.value == "key"), None)


def _pairs(root: yaml.MappingNode | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(root.value) if root else []


def _spliced(text: str, start: int, end: int, piece: str) -> str:
    return text[:start] + piece + text[end:]


def _without_lines(text: str, items: Sequence[yaml.Node]) -> str:
    """`text` without the lines on which these list items stand; comments behind them go with them."""
    gone: set[int] = set()
    for item in items:
        first = int(item.start_mark.line)
        gone.update(range(first, first + 1 + text.count("\n", item.start_mark.index, _end(text, item))))
    lines = text.splitlines(keepends=True)
    return "".join(line for number, line in enumerate(lines) if number not in gone)


def _end(text: str, node: yaml.Node) -> int:
    """Where a node's text ends. The parser ends a block where the next thing begins: comments before that are none of
    it."""
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        return int(node.end_mark.index)
    return int(node.value[-1][1].end_mark.index)


def _checked(path: Path, old: str, new: str, keys: Sequence[tuple[str, str]]) -> str:
    """`new`, if it reads as meant: these keys, and every other setting and comment as before."""
    try:
        same = _others(path, old) == _others(path, new) and _entries(path, new) == list(keys)
    except ConfigError as error:
        raise _misshapen(path, old) from error
    if not same:
        raise _misshapen(path, old)
    return new


def _others(path: Path, text: str) -> list[tuple[str, str]]:
    root = parse(path, text)
    return [(yaml.serialize(key), yaml.serialize(value)) for key, value in _pairs(root)
            if key.value != "key"]  # fmt: skip


def _misshapen(path: Path, text: str) -> Misshapen:
    lines = (number for number, line in enumerate(text.split("\n"), 1) if line.lstrip().startswith("key"))
    return Misshapen(
        f"{path}:{next(lines, 1)}: the `key:` list has a form that can't be edited safely; edit it by hand"
    )
