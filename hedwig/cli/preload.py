"""Import at the start what Python, the libraries and we ourselves import only when it is needed.

An upgrade replaces files under a running daemon. What it would load from them later is of another release, or gone; so
it is loaded before the daemon says that it is ready. `import` lines at the top of our modules do most of it. This page
has the rest: codecs (a charset named in a letter, idna in a lookup), dnspython's record types, what `email`, `requests`
and `concurrent.futures` put off. What is missing here is found by tests/journey/test_upgrade_underneath.py, which sends
letters and watches for imports.

Costs about 0.1 s and 4 MB in each daemon.
"""

import encodings
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from types import ModuleType

# What letters are written in: the Unicode family and the charsets of WHATWG's Encoding Standard. Python's other codecs
# (EBCDIC, DOS, old Macs) would cost each daemon 1 MB; one that is asked for after an upgrade may be unknown.
_CHARSETS = re.compile(
    r"aliases|ascii|charmap|utf_.+|latin_1|iso8859_.+|cp125\d|cp(866|874|932|949|950)|tis_620|koi8_[ru]|mac_(roman|cyrillic)"
    r"|gb.+|hz|big5.*|shift_jis|euc_(jp|kr)|iso2022_.+|johab|idna|punycode|(raw_)?unicode_escape"
)
_EVERYWHERE = (
    # Our own modules put these off, so that commands start sooner.
    *("difflib", "hedwig.address", "hedwig.log", "idna", "socket"),
    *(
        "_strptime",
        "asyncio.taskgroups",
        "concurrent.futures.thread",
        "email.generator",
        "email.message",
        "email.policy",
    ),
    *("encodings.idna", "linecache", "locale", "pwd", "stringprep", "traceback", "unicodedata"),
)
# A daemon that has no DKIM key yet may get one at a reload; cryptography loads its other half with the first key.
_SIGNING = ("cryptography.hazmat.backends.openssl.backend", "hedwig.dkim.private")
_OF_A_ROOM = {
    "alerts": ("idna.uts46data",),
    "mailman": ("http.cookies", "idna.uts46data", "netrc", "requests", "urllib3.util.ssl_match_hostname"),
    "postoffice": (*_SIGNING, "bottle", "html", "http.cookies", "idna.uts46data", "waitress"),
    "worker": (
        "hedwig.classify.said",
        "hedwig.classify.table",
        *_SIGNING,
        "idna.uts46data",
        "dns.rdtypes",
        "dns.rdtypes.ANY",
        "dns.rdtypes.IN",
    ),
}


def preload(room: str) -> None:
    """All that a daemon of this room ("mailman", "postoffice", "worker", "alerts") may come to need."""
    for name in (*_codecs(), *_EVERYWHERE, *_OF_A_ROOM[room]):
        module = importlib.import_module(name)
        if name.startswith("dns.rdtypes."):
            _load(name, module)


def _codecs() -> Iterator[str]:
    return (f"encodings.{name}" for name in _names(encodings.__path__) if _CHARSETS.fullmatch(name))


def _load(package: str, module: ModuleType) -> None:
    for name in _names(module.__path__):
        importlib.import_module(f"{package}.{name}")


def _names(path: Iterable[str]) -> list[str]:
    return [found.name for found in pkgutil.iter_modules(path)]
