"""The manual pages of the configuration files, made from hedwig/settings: mailman.yml(5), postoffice.yml(5),
worker.yml(5), replies.yml(5), and hedwig-clients(5) for the files of clients.d.

`manual("mailman")` is docs/man/mailman.yml.5 to the letter (a test compares them), so the pages can't drift from the
code. The text is roff with the man(7) macros. Pure.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from typing import Any

from hedwig.cli.sample import FILES, RELOAD
from hedwig.config.kinds import written
from hedwig.settings import Client, Replies, key_of

_DATE = "2026-11-24"


@dataclass(frozen=True, slots=True)
class _Page:
    """What differs between the pages. `of`: whose settings these are; `changed`: what makes a change count."""

    settings: type
    name: str
    file: str
    of: str
    intro: str
    changed: str
    unit: str


def _daemons(name: str, intro: str) -> _Page:
    changed = f"After a change: `{RELOAD[name]}`. A file with faults leaves the old settings in force."
    file = f"/etc/hedwig/{name}.yml"
    return _Page(FILES[name], f"{name}.yml", file, f"hedwig's {name}", intro, changed, f"hedwig-{name}")


_PAGES = {
    "mailman": _daemons(
        "mailman",
        "read by `hedwig-mailman` on each host whose containers send mail. Three settings say where letters go: "
        "`fqdn`, `postoffice` and `key`. `hedwig setup` asks for them and writes them; `hedwig key add` prints them on "
        "the postoffice host. Where none of the three is set, they are taken from `local.key` beside this file, which "
        "joins mailman to a postoffice on the same host. Until all three are known, mailman takes mail and keeps it in "
        "its spool, where nothing expires.",
    ),
    "postoffice": _daemons(
        "postoffice", "read by `hedwig-postoffice` on the host that delivers. All settings may be left out."
    ),
    "worker": _daemons(
        "worker", "read by each `hedwig-worker` on the host that delivers. All settings may be left out."
    ),
    "alerts": _daemons(
        "alerts",
        "read by `hedwig-alerts` on each host that has a part of hedwig. It need not be there: then nobody is called, "
        "and `hedwig alert list` shows what there was.",
    ),
    "replies": _Page(
        Replies,
        "replies.yml",
        "/etc/hedwig/replies.yml",
        "hedwig's workers",
        "read by each `hedwig-worker` on the host that delivers, beside worker.yml (or where `replies` there says). "
        "It need not be there: rules for the replies of big receivers, and for what all others say, come with hedwig, "
        "in /usr/share/hedwig/replies.yml, which shows how a rule is written. What hedwig makes of a reply is told by "
        "`hedwig explain-reply`.",
        "A change counts after `systemctl reload 'hedwig-worker@*'`. A file with faults leaves the old rules in force.",
        "hedwig-worker",
    ),
    "client": _Page(
        Client,
        "hedwig-clients",
        "/etc/hedwig/clients.d/FQDN.yml",
        "a host that sends",
        "made by `hedwig key add` on the host that delivers, one for each host that may hand in mail. The other "
        "settings are for you to write; `hedwig key` leaves them as they are.",
        "A change counts at once, for letters that come in from then on. A file with faults leaves the last good one "
        "in force.",
        "hedwig-postoffice",
    ),
}
MANUALS = tuple(_PAGES)
_FORMS = (
    ("sizes", "512K, 25M, 30 MiB, 2 GiB"),
    ("durations", "30s, 6m, 1h30m, 5d"),
    ("lists", "[one, two], or a line `- one` for each"),
    ("addresses", '172.17.0.1:25, docker0:25, "[2001:db8::1]:25", "unix:/run/hedwig/http.sock"; IPv6 in quotes'),
)


def manual(name: str) -> str:
    """The page of NAME.yml, or of a client's file. `name` is one of MANUALS."""
    page = _PAGES[name]
    title = (page.settings.__doc__ or "").splitlines()[0].partition(". `")[0].rstrip(".")
    known = [one for one in fields(page.settings) if one.metadata]
    what = title.partition(": ")[2]
    lines = [
        '.\\" Made by `hedwig config man` from hedwig/settings. Do not edit.',
        f'.TH {page.name.upper()} 5 {_DATE} hedwig "Configuration files"',
        ".SH NAME",
        *_wrapped(f"{_plain(page.name)} {_DASH} settings of {page.of}: {_plain(what)}"),
        ".SH SYNOPSIS",
        f".I {page.file}",
        ".SH DESCRIPTION",
        _text(f"This file is {page.intro}"),
        ".PP",
        _text(
            "It is YAML: a line `key: value` for each setting. A key that does not exist is an error, and so is a "
            "value of the wrong kind: `hedwig config check` names line, key and what would be right."
        ),
        _text(page.changed),
        ".PP",
        "Values are written like this:",
        *(line for label, form in _FORMS for line in (".TP", f".I {label}", _text(form))),
        ".SH SETTINGS",
        *(line for one in sorted(known, key=_is_section) for line in _setting(one, "")),
        ".SH FILES",
        ".TP",
        f".I {page.file}",
        "The file itself, readable for root and group hedwig.",
        *_more_files(name),
        ".SH SEE ALSO",
        f".BR hedwig (1),\n.BR {page.unit} (8)",
    ]
    return "\n".join(lines) + "\n"


_DASH = r"\-"


def _is_section(one: Field[Any]) -> bool:
    """Sections come last, or what follows them would look like theirs."""
    return "section" in one.metadata or "named" in one.metadata


def _setting(one: Field[Any], prefix: str) -> Iterator[str]:
    name = f"{prefix}{key_of(one)}"
    about = one.metadata["text"] + (" Takes effect at a restart." if one.metadata.get("at_start") else "")
    inner = one.metadata.get("section")
    if inner:
        yield from (f".SS {_plain(name)}", _text(about), _text("Its keys stand below it, indented."))
        for nested in fields(inner):
            yield from _setting(nested, f"{name}.")
        return
    if "named" in one.metadata:
        yield from _entries(one, name, about)
        return
    yield from (".TP", f".B {_plain(name)}", _text(about))
    if one.metadata.get("pasted"):
        yield "No default."
    elif one.default in ("", (), None):
        yield "Default: empty."
    else:
        yield _text(f"Default: {written(one.metadata['kind'], one.default)}.")


def _entries(one: Field[Any], name: str, about: str) -> Iterator[str]:
    """A section of named entries: its keys, and the entries that are there by default."""
    of, entries = one.metadata["named"], one.default_factory() if callable(one.default_factory) else {}
    yield from (
        f".SS {_plain(name)}",
        _text(about),
        _text("Each has a name of its own below it, and its keys below that."),
    )
    for nested in fields(of):
        yield from _setting(nested, f"{name}.NAME.")
    if entries:
        yield from (".PP", "By default there are:")
    for entry_name, entry in entries.items():
        said = [
            f"{nested.name}: {written(nested.metadata['kind'], getattr(entry, nested.name))}"
            for nested in fields(of)
            if getattr(entry, nested.name) != nested.default
        ]
        yield from (".TP", f".B {_plain(entry_name)}", _text("; ".join(said) or "the defaults above"))


def _more_files(name: str) -> list[str]:
    if name == "replies":
        return [".TP", ".I /usr/share/hedwig/replies.yml", _text("The rules that come with hedwig.")]
    if name != "mailman":
        return []
    return [
        ".TP",
        ".I /etc/hedwig/local.key",
        _text("Made by `hedwig local-key`: fqdn, postoffice and key of this host."),
    ]


def _plain(text: str) -> str:
    """Text as roff takes it literally, but for a dot at a line's start."""
    return text.replace("\\", r"\e").replace("-", r"\-").replace("^", r"\(ha").replace("~", r"\(ti")


def _text(text: str) -> str:
    """A sentence in lines of roff, with what stands in backticks in bold."""
    return "\n".join(_wrapped(re.sub(r"`([^`]+)`", r"\\fB\1\\fR", _plain(text))))


def _wrapped(text: str) -> list[str]:
    """Lines of 80 columns at most; none begins with a character that would make it a request."""
    lines = textwrap.wrap(text, 79, break_long_words=False, break_on_hyphens=False)
    return [rf"\&{line}" if line[0] in ".'" else line for line in lines]
