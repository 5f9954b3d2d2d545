"""DKIM signatures: what dkimpy, a verifier of another's making, says of them; and what it says after a change."""

import re

import pytest
from dkim_rig import DOMAIN, NOW, key, keys, signer, verified
from hypothesis import given
from hypothesis import strategies as st

from hedwig.dkim.canonical import BodyHash, relaxed_lines
from hedwig.dkim.header import ALWAYS, Header, domain_of
from hedwig.dkim.keys import NO_KEYS, Keys
from hedwig.dkim.sign import Signer, Signing
from hedwig.envelope import Envelope
from hedwig.message import Trace, complete

HEAD = (
    b"Received: from less by robot; Thu, 23 Nov 2023 22:13:20 +0000\r\n"
    b"From: Joe <joe@example.com>\r\nTo: a@b.example\r\nSubject: hi\r\n"
    b"Date: Thu, 23 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@example.com>\r\n"
)
MESSAGE = HEAD + b"\r\nHello.\r\n"
FROM = b"From: joe@example.com\r\n"

SHAPES = {
    "plain": MESSAGE,
    "folded": FROM + b"Subject: one\r\n two\r\n\tthree \r\n  \r\nTo:\r\n a@b.example\r\n\r\nx\r\n",
    "upper case, tabs": b"FROM:\tjoe@example.com\r\nsubJECT:\tx  y\t\r\n\r\nx\r\n",
    "8-bit header": FROM + "Subject: 你好\r\n\r\nx\r\n".encode(),
    "gbk header and body": FROM + "Subject: 你好\r\n\r\n你好\r\n".encode("gbk"),
    "empty body": FROM + b"\r\n",
    "no body": FROM + b"Subject: x\r\n",
    "no end of the last line": FROM + b"\r\none\r\ntwo",
    "blank lines at the end": FROM + b"\r\none\r\n\r\n\r\n\r\n",
    "blanks at the end": FROM + b"\r\none \t\r\n \r\n\t\r\n",
    "blank lines alone": FROM + b"\r\n\r\n\r\n \r\n",
    "blank lines first": FROM + b"\r\n\r\n\r\none\r\n",
    "runs of blanks": FROM + b"\r\n  one \t  two\t\r\n\r\n\tthree\r\n",
    "dots": FROM + b"\r\n.\r\n..\r\n.x\r\n",
    "a field that comes often": FROM + b"".join(b"To: %d@b.example\r\n" % n for n in range(150)) + b"\r\nx\r\n",
    "two of each": FROM + b"Subject: a\r\nSubject: b\r\nTo: a@b.example\r\nTo: c@d.example\r\n\r\nx\r\n",
    "a huge field": FROM + b"References:" + b" <x@example.com>\r\n" * 20_000 + b"\r\nx\r\n",
    "somebody's signature": b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; b=AAAA\r\n" + MESSAGE,
    "a list's": HEAD + b"List-Id: <x.example.com>\r\nList-Unsubscribe: <https://x.example/>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nx\r\n",
}


@pytest.mark.parametrize("message", SHAPES.values(), ids=list(SHAPES))
def test_whatever_the_letter_looks_like_both_signatures_verify(message: bytes) -> None:
    signed = signer().sign(message)
    assert signed.endswith(message)
    assert verified(signed)[:2] == [True, True]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("message", SHAPES.values(), ids=list(SHAPES))
def test_pieces_of_any_size_give_the_same(message: bytes, size: int) -> None:
    if len(message) > 10_000:
        size *= 1_000
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    assert signer().fields(pieces) == signer().fields([message])


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_one_key_makes_one_signature(algorithm: str) -> None:
    signed = signer(algorithms=(algorithm,)).sign(MESSAGE)
    assert verified(signed) == [True]
    assert signed.startswith(b"DKIM-Signature: v=1; a=%b-sha256; c=relaxed/relaxed;" % algorithm.encode())


def test_the_tags_are_what_they_should_be() -> None:
    """No l=, i= or x=; lines of at most 78 octets; RSA's on top, for it is the one that all receivers know."""
    fields = signer().fields([MESSAGE])
    assert [each.decode() for each in re.findall(rb"a=([a-z0-9-]+);", fields)] == ["rsa-sha256", "ed25519-sha256"]
    assert f"d=example.com; s=rsa; t={int(NOW)};" in fields.decode()
    assert not re.search(rb"[;\s][lix]=", fields)
    assert max(map(len, fields.split(b"\r\n"))) <= 78
    names = re.findall(rb"h=([^;]+);", fields)[0].translate(None, b"\r\n\t ").split(b":")
    assert {name: names.count(name) for name in (b"from", b"subject", b"cc", b"list-id")} == {
        b"from": 2,
        b"subject": 2,
        b"cc": 1,
        b"list-id": 0,
    }
    assert b"received" not in names


@pytest.mark.parametrize("name", ALWAYS, ids=[name.decode() for name in ALWAYS])
@pytest.mark.parametrize("where", ["on top", "below"])
def test_no_field_can_be_added(name: bytes, where: str) -> None:
    """Whether there was one or not: it is named once more than it is there."""
    added = name.title() + b": evil@example.com\r\n"
    signed = signer().sign(MESSAGE)
    altered = added + signed if where == "on top" else signed.replace(b"\r\n\r\n", b"\r\n" + added + b"\r\n", 1)
    assert verified(altered) == [False, False]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello.", b"Hullo."),
        (b"Hello.\r\n", b"Hello.\r\nAnd this.\r\n"),
        (b"Subject: hi", b"Subject: ho"),
        (b"joe@", b"jim@"),
        (b"To: a@b.example\r\n", b""),
        (b"t=%d" % NOW, b"t=1"),
    ],
)
def test_what_is_changed_no_longer_verifies(old: bytes, new: bytes) -> None:
    altered = signer().sign(MESSAGE).replace(old, new)
    assert verified(altered) == [False, False]


def test_what_relays_do_breaks_nothing() -> None:
    """They add Received above, fold anew, and strip blanks at a line's end."""
    signed = signer().sign(HEAD + b"\r\nHello. \r\nYou\tthere\r\n\r\n")
    altered = b"Received: by mx.example\r\n" + signed.replace(b"Subject: hi", b"subject:\r\n\thi")
    altered = altered.replace(b"Hello. \r\nYou\tthere\r\n\r\n", b"Hello.\r\nYou  there\r\n")
    assert verified(altered) == [True, True]


NOBODYS = {
    "no From": b"To: a@b.example\r\n\r\nx\r\n",
    "two From fields": FROM + FROM + b"\r\nx\r\n",
    "no address": b"From: Joe\r\n\r\nx\r\n",
    "an empty From": b"From:\r\n\r\nx\r\n",
    "a group without members": b"From: nobody:;\r\n\r\nx\r\n",
    "an address literal": b"From: joe@[192.0.2.1]\r\n\r\nx\r\n",
    "somebody else's": b"From: joe@example.org\r\n\r\nx\r\n",
    "a sibling's": b"From: joe@badexample.com\r\n\r\nx\r\n",
    "the domain above": b"From: joe@com\r\n\r\nx\r\n",
    "From in the body": b"To: a@b.example\r\n\r\n" + FROM,
    "nothing": b"",
}


@pytest.mark.parametrize("message", NOBODYS.values(), ids=list(NOBODYS))
def test_what_is_nobodys_of_ours_is_not_signed(message: bytes) -> None:
    assert signer().sign(message) == message


@pytest.mark.parametrize("content", [b"one\ntwo\n", b"one\rtwo\r\n", b"one\r\r\ntwo", b"one\r\n.\r\n\rtwo\n\n\n"])
def test_bare_line_ends_are_made_whole_before(content: bytes) -> None:
    """Signed is what leaves (I6): message.py has mended the line ends by then."""
    envelope = Envelope("joe@example.com", ("a@b.example",))
    trace = Trace("01HFZ6B9T0000000000000000A", "less.example.com", "less", "192.0.2.1", "ESMTP", envelope, NOW)
    whole = complete(b"From: joe@example.com\nSubject: x\n\n" + content, trace).body
    assert verified(signer().sign(whole)) == [True, True]


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b"joe@example.com", "example.com"),
        (b"<joe@EXAMPLE.com>", "example.com"),
        (b"Joe <joe@example.com>", "example.com"),
        (b'"Joe, the <one> at x@y" <joe@example.com>', "example.com"),
        (b"=?utf-8?b?5L2g5aW9?= <joe@example.com>", "example.com"),
        (b"joe@example.com (Joe)", "example.com"),
        (b"joe@example.com, jim@example.org", ""),
        (b"joe@example.com, jim@example.com", ""),
        (b"Joe, the one <joe@example.com>", "example.com"),
        (b"Joe: the one <joe@example.com>", "example.com"),
        (b'"Joe; ""the one" <joe@example.com> (a; b)', "example.com"),
        (b"us: joe@example.com;", ""),
        (b"us: joe@example.com, jim@example.org;", ""),
        (b'Joe ("' + rb"\"" * 100_000 + b" <joe@example.com>", ""),
        ("你好 <joe@例子.example>".encode(), "xn--fsqu00a.example"),
        (b"joe", ""),
        (b"joe@", ""),
        (b"joe@exa_mple..com", ""),
    ],
)
def test_whose_letter_it_is(value: bytes, domain: str) -> None:
    assert domain_of(value) == domain


def test_the_nearest_domain_with_a_key_signs() -> None:
    """Its own, or one above it (relaxed alignment), never a top-level one."""
    above, own = keys("example.com"), keys("mail.example.com")
    both = Keys({"example.com": tuple(above), "mail.example.com": tuple(own)})
    found = {
        name: [each.domain for each in both.of(name)][:1] for name in ("a.mail.example.com", "x.example.com", "com")
    }
    assert found == {"a.mail.example.com": ["mail.example.com"], "x.example.com": ["example.com"], "com": []}
    assert not Keys({"com": (key("rsa", "com"),)}).of("example.com")
    assert not NO_KEYS
    signed = Signer(both).sign(MESSAGE.replace(b"joe@example.com", b"joe@x.example.com"))
    assert b"d=example.com;" in signed
    assert verified(signed) == [True, True]


def test_a_header_is_relaxed_as_the_rfc_shows() -> None:
    """RFC 6376 §3.4.5."""
    assert relaxed_lines(b"A: X\r\nB : Y\t\r\n\tZ  \r\n") == [b"a:X", b"b:Y Z"]


def naive(body: bytes) -> bytes:
    """RFC 6376 §3.4.4 word by word."""
    import hashlib

    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    text = b"\r\n".join(lines)
    text = re.sub(rb"(\r\n)*\Z", b"", text)
    return hashlib.sha256(text + b"\r\n" if text else b"").digest()


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"bc "]), max_size=40), st.integers(1, 9))
def test_a_body_in_pieces_is_relaxed_as_the_rfc_says(parts: list[bytes], size: int) -> None:
    body = b"".join(parts)
    hashed = BodyHash()
    for start in range(0, len(body), size):
        hashed.feed(body[start : start + size])
    assert hashed.digest() == naive(body)


def test_our_own_signature_is_taken_out_and_no_other() -> None:
    """Where a worker has changed the letter."""
    other = b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example;\r\n\ts=x; h=from; bh=x; b=AAAA\r\n"
    signed = signer().sign(other + MESSAGE)
    for size in (1, 50, 10_000):
        pieces = (signed[start : start + size] for start in range(0, len(signed), size))
        assert b"".join(signer().without_ours(pieces)) == other + MESSAGE
    assert b"".join(Signer().without_ours([signed])) == signed


def test_a_letter_that_its_domain_has_signed_is_not_signed_twice() -> None:
    """Reports: a worker signs those that have no signature yet."""
    for message, wanted in ((MESSAGE, True), (signer().sign(MESSAGE), False)):
        signing = Signing(keys(), once=True)
        signing.feed(message)
        assert signing.wanted is wanted


def test_nothing_is_read_beyond_the_header_of_who_has_no_key() -> None:
    """A large letter that nobody signs costs a look at its header."""

    def pieces() -> object:
        yield b"From: joe@other.example\r\n\r\n"
        raise AssertionError("the body was read")

    assert signer().fields(pieces()) == b""


def test_the_header_knows_who_has_signed() -> None:
    assert Header(signer().sign(MESSAGE).split(b"\r\n\r\n")[0] + b"\r\n").signed_by == {DOMAIN}
