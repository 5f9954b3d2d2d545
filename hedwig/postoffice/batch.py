r"""The body of `POST /v1/batch`: frames, each a line of JSON and then a message's bytes as they are.

    {"id": "01J...", "mailfrom": "a@example.com", "rcpttos": ["b@example.net"], "size": 3}\n
    ...exactly `size` octets...

further keys: "accepted_at" (Unix seconds, when mailman said 250), "sent_at" (the same clock when the request was made),
"smtputf8", "options" and "submitter" (objects, see options.py) and "message_id"; keys that are not known are ignored,
so that a newer mailman can talk to an older postoffice. At most MAX_MESSAGES; where it is more than one message at most
MAX_TOGETHER octets of them, MAX_LINE of their lines and MAX_RECIPIENTS; a larger message travels alone. Lines of over
MANY octets are read when it is the request's turn to fill so much memory (`turn`).

A frame that is malformed makes the whole body so (Refusal, nothing is registered): nobody can say where the next frame
would begin. A frame that is well-formed but can't be accepted (an address, a size, line ends, an option) has a verdict
of its own. A submitter or a message_id that can't be read is left out: they only tell, and no letter is lost for them.
Bodies over IN_MEMORY octets stay in the file that waitress put the request into, and are read from there in pieces.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import UnsupportedOperation
from typing import IO, Any

from hedwig import queueid
from hedwig.envelope import digest
from hedwig.message import MAX_MESSAGE_ID, message_id_of
from hedwig.options import MAX_MOMENT, PLAIN, BadOption, Options, read, read_submitter
from hedwig.postoffice.refusal import Refusal, Unacceptable, malformed
from hedwig.postoffice.submission import InFile, Submission, envelope_of, fault_of, needs_smtputf8
from hedwig.reply import Reply
from hedwig.settings import MIB, Postoffice
from hedwig.spool import Body, Bytes

# What only mailman and the form read and take out (wishes.py) would go to the recipient, and mean nothing.
_WISH = re.compile(rb"(?:(?!hedwig[-_])[^\r\n]+\r\n)*(hedwig[-_][\x21-\x39\x3b-\x7e]{0,50})", re.IGNORECASE)
MAX_LINE = 4 * MIB  # of one line, and of all of a batch together: what is in memory at once is bounded
MANY = 1 * MIB
MAX_RECIPIENTS = 100_000
MAX_MESSAGES = 100
MAX_TOGETHER = 2 * MIB  # the promise is 1 MiB; how exactly that is counted shall not matter
IN_MEMORY = 1 * MIB


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of the body: its ID, and a Submission or the Reply that refuses it."""

    queue_id: str
    content: Submission | Reply


class _BadFrame(Exception):
    """str(error) says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class _Head:
    queue_id: str
    mailfrom: str
    rcpttos: list[str]
    size: int
    more: Mapping[str, Any]


def frames(stream: IO[bytes], settings: Postoffice, turn: Callable[[], None]) -> list[Frame]:
    """Read the whole body. Refusal where it is malformed or holds too much. `turn` is called once, before what it has
    read takes much memory; it may wait, or raise Refusal."""
    found: list[Frame] = []
    together = recipients = 0
    for head, body in _read(stream, turn):
        together += body.size
        recipients += len(head.rcpttos)
        if len(found) == MAX_MESSAGES:
            raise Refusal(413, "5.3.4", f"more than {MAX_MESSAGES} messages in one batch: send them in several")
        if found and together > MAX_TOGETHER:
            raise Refusal(413, "5.3.4", "more than 1 MiB of messages in one batch: send a larger message alone")
        if found and recipients > MAX_RECIPIENTS:
            raise Refusal(413, "5.5.3", f"more than {MAX_RECIPIENTS} recipients in one batch: send them in several")
        try:
            found.append(Frame(head.queue_id, _submission(head, body, settings)))
        except Unacceptable as error:
            found.append(Frame(head.queue_id, error.reply))
    return found


def _read(stream: IO[bytes], turn: Callable[[], None]) -> Iterator[tuple[_Head, Body]]:
    number = lines = 0
    waited = False
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        lines += len(line)
        if lines > MAX_LINE and number > 1:
            raise Refusal(413, "5.3.4", "more than 4 MiB of addresses in one batch: send the messages in several")
        if lines > MANY and not waited:
            turn()
            waited = True
        try:
            head = _head(line)
        except _BadFrame as error:
            raise malformed(f"frame {number}: {error}") from error
        yield head, _body(stream, head.size, number)


def _head(line: bytes) -> _Head:
    if not line.endswith(b"\n"):
        raise _BadFrame("its line of JSON has no end, or is longer than 4 MiB")
    try:
        fields = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _BadFrame("its first line is not JSON in UTF-8; or the size of the frame before was wrong") from error
    if not isinstance(fields, dict):
        raise _BadFrame("its first line is not a JSON object")
    queue_id, mailfrom, rcpttos = fields.get("id"), fields.get("mailfrom"), fields.get("rcpttos")
    size, accepted_at = fields.get("size"), fields.get("accepted_at")
    if not isinstance(queue_id, str) or not queueid.is_valid(queue_id):
        raise _BadFrame("id must be a queue ID: 26 characters of Crockford's base 32")
    if not isinstance(mailfrom, str):
        raise _BadFrame('mailfrom must be a string ("" for the null sender)')
    if not isinstance(rcpttos, list) or not all(isinstance(rcptto, str) for rcptto in rcpttos):
        raise _BadFrame("rcpttos must be a list of strings")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _BadFrame("size must be the number of octets that follow")
    if not (accepted_at is None or _is_number(accepted_at)):
        raise _BadFrame("accepted_at must be Unix seconds")
    return _Head(queue_id, mailfrom, rcpttos, size, fields)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _body(stream: IO[bytes], size: int, number: int) -> Body:
    if size <= IN_MEMORY:
        content = stream.read(size)
        if len(content) == size:
            return Bytes(content)
    else:
        start = stream.tell()
        length = stream.seek(0, 2) - start
        if length >= size:
            stream.seek(start + size)
            try:
                return InFile(stream.fileno(), start, size)
            except UnsupportedOperation:  # a stream in memory
                stream.seek(start)
                return Bytes(stream.read(size))
    raise malformed(f"frame {number}: the body ends before its {size} octets are over")


def _submission(head: _Head, body: Body, settings: Postoffice) -> Submission:
    if head.size > settings.max_size:
        raise Unacceptable(552, "5.3.4", f"{head.size} octets; messages of up to {settings.max_size} are taken")
    envelope = envelope_of(head.mailfrom, head.rcpttos, settings.max_recipients)
    fault = fault_of(body.pieces())
    if fault:
        raise Unacceptable(554, "5.6.0", fault)
    if found := _WISH.match(next(iter(body.pieces()), b"")):
        name = found[1].decode("ascii")
        raise Unacceptable(
            554, "5.6.0", f"the header has a line {name}: in a batch that belongs into the frame's options"
        )
    more = head.more
    return Submission(
        head.queue_id,
        envelope,
        body,
        digest(envelope, body.pieces()),
        more.get("smtputf8") is True or needs_smtputf8(envelope),
        _moment(more, "accepted_at"),
        _moment(more, "sent_at"),
        _options(more, len(envelope.rcpttos)),
        _message_id(more, body),
        _submitter(more),
    )


def _moment(more: Mapping[str, Any], name: str) -> float | None:
    """Unix seconds; None for what no clock can say, such as NaN."""
    value: Any = more.get(name)
    return float(value) if _is_number(value) and abs(value) < MAX_MOMENT else None


def _options(more: Mapping[str, Any], recipients: int) -> Options:
    asked = more.get("options")
    if asked is None:
        return PLAIN
    try:
        return read(asked).bounded(recipients)
    except BadOption as error:
        raise Unacceptable(554, "5.5.4", str(error)) from error


def _message_id(more: Mapping[str, Any], body: Body) -> str:
    told = more.get("message_id")
    if isinstance(told, str) and len(told) <= MAX_MESSAGE_ID and told.isprintable():
        return told
    return message_id_of(next(iter(body.pieces()), b""))


def _submitter(more: Mapping[str, Any]) -> str:
    try:
        return read_submitter(more.get("submitter", {})).packed()
    except BadOption:
        return ""
