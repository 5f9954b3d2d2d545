"""The files of etc/, made from hedwig/settings: each key with its text and its default, commented out.

`sample("mailman")` is etc/mailman.yml to the letter (a test compares them), so the files can't drift from the code.
Whoever takes the `#` from the front of a setting's line gets a file that means the same as before.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any

from hedwig.config.kinds import written
from hedwig.settings import Alerts, Client, Mailman, Postoffice, Worker

FILES: dict[str, type] = {"mailman": Mailman, "postoffice": Postoffice, "worker": Worker, "alerts": Alerts}

_WIDTH = 100
RELOAD = {
    "mailman": "systemctl reload hedwig-mailman",
    "postoffice": "systemctl reload hedwig-postoffice",
    "worker": "systemctl reload 'hedwig-worker@*'",
    "alerts": "systemctl reload hedwig-alerts",
}
_PASTED = (
    "Where postoffice runs on this host too, these three may stay out: local.key beside this file has them then.",
    "Else `hedwig setup` asks for them, or paste here what `hedwig key add FQDN` prints on the postoffice host.",
)
_EXAMPLES = {"fqdn": "less.example.com", "postoffice": "http://192.0.2.1:8025/", "key": "…"}


def sample(name: str) -> str:
    """The sample of NAME.yml. `name` is one of FILES."""
    settings = FILES[name]
    lines = [
        f"# {(settings.__doc__ or '').splitlines()[0]}",
        "#",
        "# A line that begins with `#` and a key shows that key's default.",
        "# Sizes: 512K, 25M, 30 MiB. Durations: 30s, 6m, 1h30m, 5d. IPv6 in quotes.",
        f"# After a change: hedwig config check && {RELOAD[name]}",
    ]
    pasted = [one for one in fields(settings) if one.metadata.get("pasted")]
    if pasted:
        lines += ["", *(f"# {line}" for line in _PASTED)]
        for one in pasted:
            lines += ["", *_comment(one.metadata["text"], ""), f"#{one.name}: {_EXAMPLES[one.name]}"]
        lines += ["", "# The rest works as it is."]
    for one in fields(settings):
        if one.metadata and not one.metadata.get("pasted"):
            lines += ["", *_setting(one, "")]
    return "\n".join(lines) + "\n"


def of_client() -> str:
    """The comments of a new clients.d/FQDN.yml: what may stand there beside the keys that `hedwig key` writes."""
    lines = ["# A host that may hand in mail; `hedwig key` adds and removes keys and leaves all else as it is."]
    for one in fields(Client):
        if one.metadata and one.name != "key":
            lines += ["#", *_setting(one, "")]
    return "\n".join(lines) + "\n"


def _setting(one: Field[Any], indent: str) -> Iterator[str]:
    restart = " Takes effect at a restart." if one.metadata.get("at_start") else ""
    yield from _comment(one.metadata["text"] + restart, indent)
    inner = one.metadata.get("section")
    if inner:
        yield f"#{indent}{one.name}:"
        for nested in fields(inner):
            yield from _setting(nested, indent + "  ")
    elif "named" in one.metadata:
        yield from _entries(one, indent)
    else:
        yield f"#{indent}{one.name}: {written(one.metadata['kind'], one.default)}"


def _entries(one: Field[Any], indent: str) -> Iterator[str]:
    """A section of named entries: the default ones, of which the first shows every key; where there is none, the keys
    in words."""
    of, entries = one.metadata["named"], one.default_factory() if callable(one.default_factory) else {}
    if not entries:
        for nested in fields(of):
            yield from _comment(f"  NAME.{nested.name} - {nested.metadata['text']}", indent)
        yield f"#{indent}{one.name}: {{}}"
        return
    yield f"#{indent}{one.name}:"
    for number, (name, entry) in enumerate(entries.items()):
        yield f"#{indent}  {name}:"
        for nested in fields(of):
            value = getattr(entry, nested.name)
            if not number:
                yield from _comment(nested.metadata["text"], indent + "    ")
            if not number or value != nested.default:
                yield f"#{indent}    {nested.name}: {written(nested.metadata['kind'], value)}"


def _comment(text: str, indent: str) -> list[str]:
    begin = f"{indent}# "
    return textwrap.wrap(text, _WIDTH, initial_indent=begin, subsequent_indent=begin, break_on_hyphens=False)
