"""The operator's language, by the environment as gettext(3) reads it: Chinese where that asks for it, else English."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hedwig.config import ConfigError, Unfit


def chinese(environ: Mapping[str, str]) -> bool:
    """LANGUAGE, else the first of LC_ALL, LC_MESSAGES and LANG that is set, begins with zh. LANGUAGE doesn't count in
    the locale C."""
    locale = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environ.get(name, ""))), "")
    if locale in ("", "C", "POSIX") or locale.startswith("C."):
        return False
    return (environ.get("LANGUAGE", "") or locale).lower().startswith("zh")


def told(english: str, in_chinese: str) -> str:
    """The one of both that the operator wants."""
    return in_chinese if chinese(os.environ) else english


def told_of(error: "ConfigError | Unfit") -> str:
    """What is wrong, in the language that the operator wants; not cleaned."""
    if not chinese(os.environ):
        return str(error)
    from hedwig.config.chinese import error_in_chinese  # no other command waits for it

    return error_in_chinese(error)
