"""An admin's YAML file, edited by place: one value goes in, and every other character stays.

PyYAML drops comments, so it never writes such a file: the marks of the parsed text say where a value stands, the change
is made there, and the new text is read back. Unless it holds what was meant, and all other settings unchanged, the edit
is refused (Misshapen) and the admin is asked to make it by hand. Pure: text in, text out. `path` is for errors.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from hedwig.config import ConfigError
from hedwig.config.document import parse


class Misshapen(Exception):
    """The file's shape isn't understood well enough to edit it; str() says where to do it by hand."""


def with_value(path: Path, text: str, key: str, written: str) -> str:
    """`text` with `key: written`: in the key's place, else in place of the sample's line `#key: …`, else at the end."""
    root = parse(path, text)
    value = _value(root, key)
    wanted = _node(written)
    texts: list[str] = []
    if value is not None:
        if not _is_block(value):
            start, end = value.start_mark.index, value.end_mark.index
            texts.append(text[:start] + (written if end > start else f" {written}") + text[end:])
    else:
        sampled = re.compile(rf"^#{re.escape(key)}:.*$", re.MULTILINE)
        texts.append(sampled.sub(lambda _: f"{key}: {written}", text, count=1) if sampled.search(text) else "")
        texts.append(text + ("" if not text or text.endswith("\n") else "\n") + f"{key}: {written}\n")
    for new in texts:
        if new and _holds(path, text, new, key, lambda node: _same(node, wanted)):
            return new
    raise _misshapen(path, text, key)


def with_item(path: Path, text: str, key: str, item: str, default: Sequence[str]) -> str:
    """`text` with one more item in the list `key`; where the key is absent, its default list and the item.

    `item` is written as YAML would have it (quoted if need be).
    """
    value = _value(parse(path, text), key)
    if value is None:
        return with_value(path, text, key, f"[{', '.join([*default, item])}]")
    if isinstance(value, yaml.ScalarNode):
        return with_value(path, text, key, f"[{text[value.start_mark.index : value.end_mark.index]}, {item}]")
    if not isinstance(value, yaml.SequenceNode):
        raise _misshapen(path, text, key)
    if value.flow_style:
        end = value.end_mark.index - 1
        comma = "" if not value.value or text[:end].rstrip().endswith(",") else ", "
        new = text[:end] + comma + item + text[end:]
    else:
        line_end = text.find("\n", value.value[-1].end_mark.index)
        at = len(text) if line_end < 0 else line_end + 1
        before = "\n" if line_end < 0 else ""
        new = f"{text[:at]}{before}{' ' * value.start_mark.column}- {item}\n{text[at:]}"
    wanted = [*items(path, text, key), *_texts(_node(item))]
    if not _holds(path, text, new, key, lambda node: _texts(node) == wanted):
        raise _misshapen(path, text, key)
    return new


def with_items_changed(path: Path, text: str, key: str, change: Callable[[str], str]) -> str:
    """`text` with each item of the list `key` as `change` wants it; what stays the same isn't touched."""
    value = _value(parse(path, text), key)
    if value is None:
        return text
    nodes = list(value.value) if isinstance(value, yaml.SequenceNode) else [value]
    new = text
    for node in reversed(nodes):
        if (changed := change(node.value)) != node.value:
            start, end = node.start_mark.index, node.end_mark.index
            new = new[:start] + new[start:end].replace(node.value, changed) + new[end:]
    wanted = [change(item) for item in items(path, text, key)]
    if not _holds(path, text, new, key, lambda node: _texts(node) == wanted):
        raise _misshapen(path, text, key)
    return new


def items(path: Path, text: str, key: str) -> list[str]:
    """The list's items as they stand in the text; a single value is a list of one, an absent key an empty one."""
    value = _value(parse(path, text), key)
    return [] if value is None else _texts(value)


def has(path: Path, text: str, key: str) -> bool:
    """Whether the key stands in the file."""
    return _value(parse(path, text), key) is not None


def _value(root: yaml.MappingNode | None, key: str) -> yaml.Node | None:
    return next((value for name, value in (root.value if root else []) if name.value == key), None)


def _node(written: str) -> yaml.Node:
    node = yaml.compose(written, Loader=yaml.SafeLoader)
    if node is None:
        raise ValueError("an empty value can't be written")
    return node


def _texts(node: yaml.Node) -> list[str]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return [str(one.value) for one in nodes]


def _is_block(node: yaml.Node) -> bool:
    """A list or a section in lines of its own: where it ends is not told by the marks."""
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _same(one: yaml.Node, other: yaml.Node) -> bool:
    if isinstance(one, yaml.MappingNode):
        return type(one) is type(other) and bool(yaml.serialize(one) == yaml.serialize(other))
    return type(one) is type(other) and _texts(one) == _texts(other)


def _holds(path: Path, old: str, new: str, key: str, is_meant: Callable[[yaml.Node], bool]) -> bool:
    """Whether `new` reads as meant: the key so, and every other setting as before."""
    try:
        value = _value(parse(path, new), key)
        return value is not None and is_meant(value) and _others(path, old, key) == _others(path, new, key)
    except ConfigError:
        return False


def _others(path: Path, text: str, key: str) -> list[tuple[str, str]]:
    root = parse(path, text)
    pairs = root.value if root else []
    return sorted((yaml.serialize(name), yaml.serialize(value)) for name, value in pairs if name.value != key)


def _misshapen(path: Path, text: str, key: str) -> Misshapen:
    lines = (number for number, line in enumerate(text.split("\n"), 1) if line.startswith(key))
    return Misshapen(f"{path}:{next(lines, 1)}: `{key}:` has a form that can't be edited safely; edit it by hand")
