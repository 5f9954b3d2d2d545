"""What of a transaction fits one host, before an octet is sent: its body, its header's need, its command lines.

A body of up to IN_MEMORY octets is held and checked whole. Content with octets above 127 for a host without 8BITMIME is
converted (hedwig/mime), where the transaction allows it and nothing of it needs SMTPUTF8; else it is refused, 554
5.6.3. A conversion breaks DKIM signatures: ours is made anew. A report of ours is signed here, too, for many processes
make such reports, and this one has the keys. To convert a body that isn't held, it is read three times: to see what it
has, to know its size when converted, and to send it. Each time other tasks have their turn between blocks (I9).

What `body` raises comes out of `fit`.
"""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping

from hedwig.mime import Unconvertible
from hedwig.mime.convert import convert
from hedwig.mime.survey import Survey, Surveyor
from hedwig.reply import Reply, Stage
from hedwig.smtp import Said, Transaction
from hedwig.smtp.commands import Letter, compose, header_matters
from hedwig.smtp.content import Streamed, Whole, check_size, header_is_ascii
from hedwig.smtp.stuffing import BodyError, Stuffer, blocks

IN_MEMORY = 256 << 10
STEP = 64 << 10  # octets that are looked through, or converted, at a time


@dataclasses.dataclass(frozen=True, slots=True)
class Fitted:
    """A transaction ready to be carried: what is said, and what is sent. `size`: octets of the content. `note`: what
    was done to it, for the history, or ""."""

    letter: Letter
    content: Whole | Streamed
    size: int
    note: str = ""


async def fit(transaction: Transaction, announced: Mapping[str, str]) -> Fitted | Said:
    """The transaction made ready for a host that announced this, or our own refusal, which holds for all recipients."""
    try:
        return await _fit(transaction, announced)
    except BodyError as error:
        return Said(Stage.LOCAL, error.reply)


async def _fit(transaction: Transaction, announced: Mapping[str, str]) -> Fitted | Said:
    if transaction.signer and not transaction.mailfrom:
        transaction = await _signed(transaction)
    whole = _held(transaction)
    eight_bit = whole.eight_bit if whole else None
    utf8_header = eight_bit is not False and header_matters(transaction, announced) and _has_utf8_header(transaction)
    note = ""
    if eight_bit is not False and "8BITMIME" not in announced and transaction.convert and not utf8_header:
        survey = await _surveyed(transaction)
        eight_bit = False
        if survey.eight_bit:
            transaction, signed = await _converted(transaction, survey)
            whole = _held(transaction)
            note = _NOTE + (_SIGNED if signed else _BROKEN if survey.dkim else "")
    letter = compose(transaction, announced, eight_bit, utf8_header=utf8_header)
    if isinstance(letter, Said):
        return letter
    content = whole or Streamed(transaction.body(), transaction.size, eight_bit_clean=letter.eight_bit_clean)
    return Fitted(letter, content, transaction.size, note)


_NOTE = "its 8-bit content was sent as 7-bit, since the host does not offer 8BITMIME"
_SIGNED = "; it was signed (DKIM) again"
_BROKEN = "; that breaks its DKIM signature"


def _held(transaction: Transaction) -> Whole | None:
    return Whole(transaction.body(), transaction.size) if transaction.size <= IN_MEMORY else None


def _has_utf8_header(transaction: Transaction) -> bool:
    return not header_is_ascii(transaction.body())


async def _surveyed(transaction: Transaction) -> Survey:
    """What the message has. Raises BodyError where it must not leave (I6), or is not as long as it should be."""
    surveyor = Surveyor()
    stuffer = Stuffer()
    async for block in _turns(transaction.body()):
        stuffer.feed(block)
        surveyor.feed(block)
    stuffer.finish()
    check_size(stuffer.size, transaction.size)
    return surveyor.end()


async def _converted(transaction: Transaction, survey: Survey) -> tuple[Transaction, bool]:
    """The same message in 7 bits, and whether it was signed again: our own signature, which the conversion has broken,
    has gone then. Raises BodyError where it can't be converted."""
    signer = transaction.signer

    def pieces() -> Iterable[bytes]:
        converted = convert(blocks(transaction.body(), STEP), survey)
        return signer.without_ours(converted) if signer else converted

    signing = signer.begin()
    size = 0
    try:
        async for piece in _turns(pieces()):
            size += len(piece)
            if signing.wanted:
                signing.feed(piece)
    except Unconvertible as error:
        text = f"the host does not offer 8BITMIME, and the message can't be converted: it {error}"
        raise BodyError(Reply(554, "5.6.3", text)) from None
    fields = signer.finish(signing)
    return _headed(dataclasses.replace(transaction, body=pieces, size=size), fields), bool(fields)


async def _signed(transaction: Transaction) -> Transaction:
    """With signatures, where its author's domain has keys and it has no signature of that domain."""
    signing = transaction.signer.begin(once=True)
    async for block in _turns(transaction.body()):
        signing.feed(block)
        if not signing.wanted:
            return transaction
    return _headed(transaction, transaction.signer.finish(signing))


def _headed(transaction: Transaction, fields: bytes) -> Transaction:
    if not fields:
        return transaction
    rest = transaction.body
    size = transaction.size + len(fields)
    return dataclasses.replace(transaction, body=lambda: itertools.chain((fields,), rest()), size=size)


async def _turns(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Block by block, with the event loop's other tasks in between."""
    for block in blocks(pieces, STEP):
        yield block
        await asyncio.sleep(0)
