"""What is changed on its way is signed (DKIM) again; a report that nobody has signed yet is signed as it goes."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from dkim_rig import signer, verified

from hedwig.dkim.sign import NOBODY
from hedwig.smtp import Transaction
from hedwig.smtp.fitting import IN_MEMORY, Fitted, fit

HEAD = b"From: joe@example.com\r\nDate: Thu, 23 Nov 2023 22:13:20 +0000\r\n"
GBK = HEAD + b"Content-Type: text/plain; charset=gbk\r\n\r\n" + "你好，斯泰诺特！\r\n".encode("gbk")
SIZES = [0, IN_MEMORY // 2, 3_000_000]
EIGHT = {"8BITMIME": ""}


def of(message: bytes, mailfrom: str = "joe@example.com") -> Transaction:
    cuts = range(0, len(message), 99_991)
    pieces: Callable[[], Iterable[bytes]] = lambda: (message[start : start + 99_991] for start in cuts)  # noqa: E731
    return Transaction(mailfrom, ("b@example.org",), pieces, len(message), signer=signer())


async def sent(transaction: Transaction, *, eight: bool = True) -> tuple[bytes, str]:
    """What would go over the wire, unstuffed, and the note."""
    fitted = await fit(transaction, EIGHT if eight else {})
    assert isinstance(fitted, Fitted)
    content = b"".join(fitted.content.blocks())
    assert len(content) == fitted.size, "no line of these begins with a dot"
    return content, fitted.note


@pytest.mark.parametrize("size", SIZES)
async def test_a_converted_letter_is_signed_again(size: int) -> None:
    """Our own signature, which the conversion has broken, is taken out."""
    letter = signer().sign(GBK + "再见。\r\n".encode("gbk") * (size // 8))
    assert verified(letter) == [True, True]
    content, note = await sent(of(letter), eight=False)
    assert content.isascii()
    assert verified(content) == [True, True]
    assert note.endswith("; it was signed (DKIM) again")


async def test_another_signature_stays_though_it_is_broken() -> None:
    """It is not ours to take out."""
    other = b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; h=from; bh=x; b=AAAA\r\n"
    content, _ = await sent(of(signer().sign(other + GBK)), eight=False)
    assert other in content
    assert verified(content) == [True, True, False]


async def test_without_a_key_it_is_said_that_a_signature_broke() -> None:
    content, note = await sent(replace(of(signer().sign(GBK)), signer=NOBODY), eight=False)
    assert verified(content) == [False, False]
    assert note.endswith("; that breaks its DKIM signature")


@pytest.mark.parametrize("eight", [True, False])
@pytest.mark.parametrize("size", SIZES)
async def test_a_report_is_signed(size: int, eight: bool) -> None:
    content, _ = await sent(of(GBK + "再见。\r\n".encode("gbk") * (size // 8), ""), eight=eight)
    assert verified(content) == [True, True]


async def test_a_report_that_is_signed_is_left_alone() -> None:
    """A null sender of a client's: postoffice has signed it."""
    letter = signer().sign(HEAD + b"\r\nx\r\n")
    assert await sent(of(letter, "")) == (letter, "")


async def test_a_letter_goes_as_it_was_accepted() -> None:
    """Whoever it is from: signing is postoffice's (I6)."""
    for letter in (HEAD + b"\r\nx\r\n", signer().sign(HEAD + b"\r\nx\r\n")):
        assert await sent(of(letter)) == (letter, "")
