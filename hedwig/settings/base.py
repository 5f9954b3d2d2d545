"""What all settings are made of: units, and how a key, a section and a section of named entries are said.

Sizes are octets, durations seconds (in the files: `25 MiB`, `30m`).
"""

from dataclasses import Field, field, fields
from typing import Any, TypedDict, Unpack

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class _More(TypedDict, total=False):
    """What else may be said of a key."""

    pasted: bool
    secret: bool
    at_start: bool


def setting(text: str, *, default: Any = None, kind: str, **more: Unpack[_More]) -> Any:
    """One key. `kind` names the parser in config/kinds.py (there is one for each: size, duration, listen ...).

    `pasted`: no default works; it is one of the lines that `hedwig key add` prints. `secret`: it appears in no repr and
    no error. `at_start`: a restart takes it, a reload does not.
    """
    metadata = {"text": text, "kind": kind, "pasted": False, "secret": False, "at_start": False, **more}
    return field(default=default, repr=not metadata["secret"], metadata=metadata)


def section(of: type, text: str, *, at_start: bool = False) -> dict[str, Any]:
    """The metadata of a key that holds a mapping of further keys, those of the dataclass `of`."""
    return {"text": text, "section": of, "at_start": at_start}


def named(of: type, text: str, *, names: str = "word", at_start: bool = False) -> dict[str, Any]:
    """The metadata of a key that holds entries under names: each is a mapping of keys of the dataclass `of`.

    Its value is a dict. An entry of the file changes the default one of that name key by key; else it begins with the
    defaults of `of`. `names`: what kind the names are of (config/kinds.py, NAMES).
    """
    return {"text": text, "named": of, "names": names, "at_start": at_start}


def key_of(one: Field[Any]) -> str:
    """The key by which a file names a setting: the field's name, but that `class_` is `class`, which Python keeps."""
    return one.name.removesuffix("_")


def needs_restart(old: Any, new: Any) -> list[str]:
    """The names of the settings in which two objects of one kind differ, and which a running daemon does not take."""
    at_start = [each.name for each in fields(old) if each.metadata.get("at_start")]
    return [name for name in at_start if getattr(old, name) != getattr(new, name)]
