"""requests, without the two libraries that guess a charset from octets: they cost a daemon 3 MB, and only
`Response.text` of a page that does not name its charset asks them; that text is read as UTF-8 then, as requests itself
does where they don't know. Whoever else wants one of them gets the real one.
"""

import sys
from types import ModuleType
from typing import Any


class _Chardet(ModuleType):
    """What requests uses of chardet."""

    __version__ = "5.1.0"  # requests looks whether it is one that it was made for, 3.0.2 to 5

    @staticmethod
    def detect(_octets: bytes) -> dict[str, Any]:
        """It is not known."""
        return {"encoding": None, "confidence": 0.0}


_OURS: dict[str, Any] = {"chardet": _Chardet("chardet"), "charset_normalizer": None}  # None: an import of it fails
_withheld = {name: ours for name, ours in _OURS.items() if name not in sys.modules}
sys.modules.update(_withheld)
try:
    import requests
    from requests.adapters import HTTPAdapter
finally:
    for _name in _withheld:
        del sys.modules[_name]

__all__ = ["HTTPAdapter", "requests"]
