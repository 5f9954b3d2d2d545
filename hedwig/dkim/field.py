"""The field DKIM-Signature (RFC 6376 §3.5), folded at LINE octets. Pure.

`Draft` is made of what is known before the header's hash; `text` is the whole field, for a signature. What is hashed of
it is its relaxed form with an empty b=.
"""

import base64
from collections.abc import Sequence
from functools import lru_cache

from hedwig.dkim.canonical import relaxed_field
from hedwig.dkim.keys import Key

LINE = 76
_FOLD = b"\r\n\t"


class Draft:
    """A signature's field without the signature."""

    def __init__(self, key: Key, names: Sequence[bytes], body_hash: bytes, now: float) -> None:
        first = f"DKIM-Signature: v=1; a={key.algorithm}-sha256; c=relaxed/relaxed;"
        whose = f"d={key.domain}; s={key.selector}; t={int(now)};"
        if len(whose) > LINE:
            whose = f"d={key.domain};\r\n\ts={key.selector}; t={int(now)};"
        self._field = _FOLD.join(
            (
                first.encode("ascii"),
                whose.encode("ascii"),
                _names(tuple(names)),
                b"bh=" + base64.b64encode(body_hash) + b";",
                b"b=",
            )
        )

    @property
    def hashed(self) -> bytes:
        """What is hashed of it, behind the signed fields: no line end (RFC 6376 §3.7)."""
        return relaxed_field(self._field)

    def text(self, signature: bytes) -> bytes:
        """The field with its line end."""
        encoded = base64.b64encode(signature)
        room = LINE - len("\tb=")
        lines = [encoded[start : start + room] for start in range(0, len(encoded), room)]
        return self._field + (_FOLD + b" ").join(lines) + b"\r\n"


@lru_cache(maxsize=256)
def _names(names: tuple[bytes, ...]) -> bytes:
    """The tag h=: a line end may stand behind a colon (§3.5)."""
    lines = [b"h=" + names[0]]
    for name in names[1:]:
        if len(lines[-1]) + len(name) + 2 > LINE:
            lines[-1] += b":"
            lines.append(b" " + name)
        else:
            lines[-1] += b":" + name
    return _FOLD.join(lines) + b";"
