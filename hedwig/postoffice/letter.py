"""The field `email` of the original form: a JSON object with mailfrom, rcpttos and data (RFC 8259).

Read as a stream: `data` may be 30 MiB of text, which as a Python string would take up to four octets a character, and
its JSON up to six. So its text is decoded in pieces into a temporary file, and all else of the object (at most
MAX_REST) goes through `json`. `data` becomes UTF-8; U+DC80 to U+DCFF stand for raw octets (PEP 383), as json.dumps of
a Python program with undecodable bytes writes them; another lone surrogate is 400. Line ends and other control
characters may stand in a string unescaped, as people write them who call curl by hand.

Raises Refusal: 400 for what is no such object, 413 where `data` is larger than the largest message.
"""

import codecs
import json
import re
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from hedwig.postoffice.refusal import Refusal, malformed
from hedwig.settings import MIB

PIECE = 64 * 1024
MAX_REST = 16 * MIB
MAX_DEPTH = 50
_IN_MEMORY = 1 * MIB
_SYNTAX = re.compile(rb'[^"{}\[\]:,]*+')
_STRING = re.compile(rb'(?s)(?:[^"\\]++|\\.)*+')
_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")
_DECODER = json.JSONDecoder(strict=False)
_NOT_JSON = "the field email is not JSON: it must be an object with mailfrom, rcpttos and data"


@dataclass(slots=True)
class Letter:
    """`text`: the message as it was submitted, at its start, for reading; `size` octets."""

    mailfrom: str
    rcpttos: list[str]
    text: IO[bytes]
    size: int


def read_letter(stream: IO[bytes], max_size: int) -> Letter:
    """Read the object. The caller closes `text`."""
    reading = _Reading(stream, max_size)
    try:
        reading.run()
        return _letter(reading)
    except BaseException:
        reading.text.close()
        raise


def _letter(reading: "_Reading") -> Letter:
    try:
        rest = _DECODER.decode(reading.rest.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise malformed(_NOT_JSON) from error
    if not isinstance(rest, dict):
        raise malformed("the field email is not a JSON object")
    mailfrom, rcpttos = _string(rest, "mailfrom"), rest.get("rcpttos")
    if not isinstance(rcpttos, list) or not all(isinstance(rcptto, str) for rcptto in rcpttos):
        raise malformed("rcpttos in the field email must be a list of strings")
    _string(rest, "data")
    reading.text.seek(0)
    return Letter(mailfrom, rcpttos, reading.text, reading.size)


def _string(rest: dict[str, Any], key: str) -> str:
    value = rest.get(key)
    if not isinstance(value, str):
        raise malformed(f"{key} in the field email must be a string" + ("" if key in rest else "; it is missing"))
    return value


class _Reading:
    """Goes through the JSON once. `rest` is the same JSON with an empty string for data, `text` what data said."""

    def __init__(self, stream: IO[bytes], max_size: int) -> None:
        self.rest = bytearray()
        self.text: IO[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 -- the caller closes it
        self.size = 0
        self._stream = stream
        self._max_size = max_size
        self._buffer = b""
        self._at = 0

    def run(self) -> None:
        """Read to the end. Whether `rest` is JSON at all is left to json, but its depth is bounded here."""
        depth = 0
        last = key = b""
        while token := self._token():
            if token == b'"':
                if depth == 1 and _is_data(key):
                    self._data()
                    last = b""
                else:
                    last = self._string()
            elif token in b"{[":
                depth += 1
                if depth > MAX_DEPTH:
                    raise malformed("the field email is nested too deeply")
            elif token in b"}]":
                depth -= 1
            elif depth == 1:
                key = last if token == b":" else b""
            if len(self.rest) > MAX_REST:
                raise Refusal(413, "5.3.4", "the field email has too much beside its data")

    def _more(self) -> bool:
        piece = self._stream.read(PIECE)
        self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return bool(piece)

    def _token(self) -> bytes:
        """The next of the characters that give JSON its shape; all up to it, and itself, goes to `rest`."""
        while True:
            found = _SYNTAX.match(self._buffer, self._at)
            end = found.end() if found else self._at
            if end < len(self._buffer):
                token = self._buffer[end : end + 1]
                self.rest += self._buffer[self._at : end + 1]
                self._at = end + 1
                return token
            self.rest += self._buffer[self._at :]
            self._at = end
            if not self._more():
                return b""
            if len(self.rest) > MAX_REST:
                raise Refusal(413, "5.3.4", "the field email has too much beside its data")

    def _chunk(self) -> tuple[bytes, bool]:
        """The next part of a string, as written, never ending between a backslash and what it escapes; whether the
        string ends with it."""
        found = _STRING.match(self._buffer, self._at)
        end = found.end() if found else self._at
        chunk = self._buffer[self._at : end]
        self._at = end
        if self._buffer[end : end + 1] == b'"':
            self._at = end + 1
            return chunk, True
        if not self._more():
            raise malformed(_NOT_JSON + "; a string in it has no end")
        return chunk, False

    def _string(self) -> bytes:
        start, ended = len(self.rest), False
        while not ended:
            chunk, ended = self._chunk()
            self.rest += chunk
            if len(self.rest) > MAX_REST:
                raise Refusal(413, "5.3.4", "the field email has too much beside its data")
        content = bytes(self.rest[start:])
        self.rest += b'"'
        return content

    def _data(self) -> None:
        self.text.seek(0)
        self.text.truncate()  # of a key that comes twice the last one counts, as in Python's json
        self.size = 0
        decode = codecs.getincrementaldecoder("utf-8")().decode
        held, ended = b"", False
        while not ended:
            chunk, ended = self._chunk()
            chunk = held + chunk
            held = b"" if ended else chunk[_safe_end(chunk) :]
            chunk = chunk[: len(chunk) - len(held)]
            try:
                text: str = _DECODER.decode('"' + decode(chunk, ended) + '"')
                octets = text.encode("utf-8", "surrogateescape")
            except UnicodeDecodeError as error:
                raise malformed("the field email is not UTF-8") from error
            except UnicodeEncodeError as error:
                raise malformed("data has half a surrogate pair in it, which is no character") from error
            except ValueError as error:
                raise malformed(_NOT_JSON + "; data has a wrong escape in it") from error
            self.size += len(octets)
            if self.size > self._max_size:
                raise Refusal(
                    413, "5.3.4", f"the message is larger than {self._max_size} octets, the most that is taken"
                )
            self.text.write(octets)
        self.rest += b'"'


def _is_data(key: bytes) -> bool:
    if key == b"data":
        return True
    try:
        return b"\\" in key and _DECODER.decode(f'"{key.decode()}"') == "data"
    except ValueError:
        return False


def _safe_end(chunk: bytes) -> int:
    r"""Where to cut a string's text so that neither \uXXXX nor a surrogate pair of two of them is cut in two."""
    start = chunk.rfind(b"\\u", max(0, len(chunk) - 6))
    if start < 0 or not _is_escape(chunk, start):
        return len(chunk)
    if len(chunk) - start == 6:
        return start if _HIGH.search(chunk) else len(chunk)
    before = start - 6
    return before if before >= 0 and _HIGH.search(chunk[before:start]) and _is_escape(chunk, before) else start


def _is_escape(chunk: bytes, at: int) -> bool:
    """Whether the backslash at `at` is not itself escaped."""
    backslashes = len(chunk[: at + 1]) - len(chunk[: at + 1].rstrip(b"\\"))
    return backslashes % 2 == 1
