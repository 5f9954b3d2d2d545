"""The first pass over a message: where octets above 127 are, and so what must be done (see the package's page). Pure.

Whether a body has any is seen only at its end, when its header has long gone by: so there are two passes.
"""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hedwig.mime import Unconvertible
from hedwig.mime.walk import Body, Entity, Head, Token, Walker, name_of
from hedwig.mime.words import ASCII


@dataclass(slots=True)
class Survey:
    """What is known of a message that was seen whole. `eight_bit`: there are octets above 127. `bodies`: the leaves
    whose bodies have some, by number, and whether those are UTF-8. `charset`: the first that a part names, apart from
    ASCII, or "". `dkim`: the message is signed as a whole. `broken`: why its structure can't be followed, as in
    Unconvertible."""

    eight_bit: bool = False
    bodies: dict[int, bool] = field(default_factory=dict)
    charset: str = ""
    dkim: bool = False
    broken: str = ""


class Surveyor:
    """Feed it the message, then call `end`."""

    def __init__(self) -> None:
        self._found = Survey()
        self._walker = Walker()
        self._leaf = -1
        self._decoder: codecs.IncrementalDecoder | None = None  # of the leaf at hand, as long as it may be UTF-8

    def feed(self, piece: bytes) -> None:
        """See this piece of it."""
        self._found.eight_bit = self._found.eight_bit or not piece.isascii()
        self._walk(lambda: self._walker.feed(piece))

    def end(self) -> Survey:
        """What was found."""
        self._walk(self._walker.end)
        self._end_leaf()
        return self._found

    def _walk(self, tokens: Callable[[], Iterator[Token]]) -> None:
        if self._found.broken:
            return
        try:
            for token in tokens():
                self._see(token)
        except Unconvertible as error:
            self._found.broken = str(error)

    def _see(self, token: Token) -> None:
        if isinstance(token, Body):
            if not token.octets.isascii() or token.entity.number in self._found.bodies:
                self._see_body(token.entity, token.octets)
            return
        self._end_leaf()
        if isinstance(token, Head):
            if self._found.charset in ASCII:
                self._found.charset = token.entity.charset
            if not token.entity.number:
                self._found.dkim = any(name_of(line) == b"dkim-signature" for line in token.fields)

    def _see_body(self, entity: Entity, octets: bytes) -> None:
        if entity.number != self._leaf:
            self._leaf = entity.number
            self._found.bodies[entity.number] = True
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._decode(octets)

    def _decode(self, octets: bytes, *, final: bool = False) -> None:
        if self._decoder is not None:
            try:
                self._decoder.decode(octets, final)
            except UnicodeDecodeError:
                self._decoder = None
                self._found.bodies[self._leaf] = False

    def _end_leaf(self) -> None:
        self._decode(b"", final=True)
        self._decoder = None
