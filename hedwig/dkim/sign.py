"""Letters are signed: one pass over each, in pieces of any size, and nothing of the body is kept.

`Signing` is of one letter: fed, then asked for the fields that go on top of it. `Signer` is what is handed around: the
keys in force and a clock. Pure but for that clock.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator

from hedwig.dkim.canonical import BodyHash, relaxed_field
from hedwig.dkim.field import Draft
from hedwig.dkim.header import Header
from hedwig.dkim.keys import NO_KEYS, Key, Keys

_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_OURS = re.compile(rb"dkim-signature[ \t]*:", re.IGNORECASE)


class Signing:
    """Of one letter. `wanted`: whether there is a key for its author, as far as is known by now; where it is False the
    rest need not be fed. `keys`: those that sign it, once its header is known."""

    def __init__(self, keys: Keys, *, once: bool = False) -> None:
        """`once`: not where there is a signature of the same domain."""
        self.wanted = bool(keys)
        self.keys: tuple[Key, ...] = ()
        self._all = keys
        self._once = once
        self._header: Header | None = None
        self._gathered: list[bytes] = []
        self._body = BodyHash()

    def feed(self, piece: bytes) -> None:
        """The next piece of the letter."""
        if self._header is not None:
            if self.wanted:
                self._body.feed(piece)
            return
        self._gathered.append(piece)
        text = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
        end = header_end(text)
        if end is None:
            self._gathered = [text]
            return
        self._begin(text[:end])
        self.feed(text[end + 2 :])

    def fields(self, now: float) -> bytes:
        """When the letter is over: the fields with their line ends, "" where nobody signs it. `now`: Unix time."""
        if self._header is None:  # it is a header alone
            self._begin(b"".join(self._gathered))
        if not self.wanted or self._header is None:
            return b""
        names, lines = self._header.chosen()
        body = self._body.digest()
        drafts = ((key, Draft(key, names, body, now)) for key in self.keys)
        return b"".join(draft.text(key.sign(lines + draft.hashed)) for key, draft in drafts)

    def _begin(self, header: bytes) -> None:
        self._gathered = []
        self._header = Header(header)
        self.keys = self._all.of(self._header.author)
        self.wanted = bool(self.keys) and not (self._once and self.keys[0].domain in self._header.signed_by)


class Signer:
    """The keys in force, and a clock (Unix time)."""

    def __init__(self, keys: Keys = NO_KEYS, clock: Callable[[], float] = time.time) -> None:
        self.keys = keys
        self._clock = clock

    def __bool__(self) -> bool:
        return bool(self.keys)

    def fields(self, pieces: Iterable[bytes]) -> bytes:
        """The signatures of a letter, as the fields that go on top of it; "" where nobody signs it."""
        signing = Signing(self.keys)
        for piece in pieces:
            signing.feed(piece)
            if not signing.wanted:
                return b""
        return self.finish(signing)

    def sign(self, content: bytes) -> bytes:
        """The letter with its signatures."""
        fields = self.fields((content,)) if self.keys else b""
        return fields + content if fields else content

    def begin(self, *, once: bool = False) -> Signing:
        """For a letter that is fed by whoever asks."""
        return Signing(self.keys, once=once)

    def finish(self, signing: Signing) -> bytes:
        """Its fields."""
        return signing.fields(self._clock())

    def without_ours(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """A letter without the signatures of the domain that signs it here: it was changed, and they are broken."""
        return without_signatures(pieces, self.keys)


NOBODY = Signer()


def without_signatures(pieces: Iterable[bytes], keys: Keys) -> Iterator[bytes]:
    """See Signer.without_ours."""
    rest = iter(pieces)
    text = b""
    end = None
    for piece in rest:
        text = text + piece if text else piece
        end = header_end(text)
        if end is not None:
            break
    header = text if end is None else text[:end]
    signing = keys.of(Header(header).author)
    if signing:
        fields = _FIELD.findall(header)
        header = b"".join(field for field in fields if not _is_of(field, signing[0].domain))
    yield header
    if end is not None:
        yield text[end:]
    yield from rest


def _is_of(field: bytes, domain: str) -> bool:
    return bool(_OURS.match(field)) and domain in Header(relaxed_field(field) + b"\r\n").signed_by


def header_end(text: bytes) -> int | None:
    """Where the blank line begins; None where there is none yet."""
    if text.startswith(b"\r\n"):
        return 0
    found = text.find(b"\r\n\r\n")
    return None if found < 0 else found + 2
