"""Which of two languages an operator is spoken to in: Chinese where the locale is a Chinese one, else English.

As GNU programs choose it (gettext(3)): LANGUAGE where the locale is not C, else the first of LC_ALL, LC_MESSAGES and
LANG that is set. What programs read (--json, exit statuses, settings, DNS records) is the same in both.
"""

import os
from collections.abc import Mapping


def is_chinese(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the reader would have it in Chinese."""
    locale = next((set_ for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (set_ := environment.get(name))), "C")
    plain = locale.partition(".")[0] in ("C", "POSIX")
    first = "" if plain else environment.get("LANGUAGE", "").partition(":")[0]
    return (first or locale).lower().startswith("zh")


def told(english: str, chinese: str) -> str:
    """The one of both that the reader wants."""
    return chinese if is_chinese() else english
