"""DSN's parameters on the way out (RFC 3461 §4, §5.1, §5.2.2): passed on as they came, to hosts that announce DSN."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.options import PLAIN, Notify, Options
from hedwig.smtp import Transaction
from hedwig.smtp.commands import Letter, compose
from hedwig.smtp.notify import original, xtext

ALL = Options(
    ret="HDRS",
    envid="QQ=314+159 x",
    notify=(
        Notify("b@example.org", ("SUCCESS", "DELAY"), "rfc822;Bob+list@Example.ORG"),
        Notify("c@example.org", ("NEVER",)),
        Notify("d@example.org", (), "rfc822;dora@example.org"),
    ),
)
RCPTTOS = tuple(f"{name}@example.org" for name in "bcde")


def sent(options: Options, announced: dict[str, str], rcpttos: tuple[str, ...] = RCPTTOS) -> list[bytes]:
    """The command lines, without CRLF."""
    letter = compose(Transaction("a@example.com", rcpttos, lambda: (b"x",), 1, options=options), announced, False)
    assert isinstance(letter, Letter)
    return [line.removesuffix(b"\r\n") for line in (letter.mail, *letter.rcpts)]


def test_a_host_with_dsn_gets_what_was_asked_and_nothing_else() -> None:
    """§5.1: each parameter as it came, none for the recipient that came without; values are xtext (§4)."""
    assert sent(ALL, {"DSN": "", "SIZE": "99"}) == [
        b"MAIL FROM:<a@example.com> SIZE=1 RET=HDRS ENVID=QQ+3D314+2B159+20x",
        b"RCPT TO:<b@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Blist@Example.ORG",
        b"RCPT TO:<c@example.org> NOTIFY=NEVER",
        b"RCPT TO:<d@example.org> ORCPT=rfc822;dora@example.org",
        b"RCPT TO:<e@example.org>",
    ]


@pytest.mark.parametrize(
    ("options", "announced"), [(ALL, {"SIZE": ""}), (PLAIN, {"DSN": ""}), (Options(), {"DSN": ""})]
)
def test_no_dsn_or_no_wishes_no_parameters(options: Options, announced: dict[str, str]) -> None:
    """§5.2.2 (a), and what was not asked for is not made up."""
    lines = sent(options, announced, ("b@example.org",))
    assert not any(re.search(rb"RET|ENVID|NOTIFY|ORCPT", line) for line in lines)


@pytest.mark.parametrize(
    ("given_value", "wire"),
    [
        ("rfc822;b@example.net", "rfc822;b@example.net"),
        ("rfc822;a b=c+d@example.net", "rfc822;a+20b+3Dc+2Bd@example.net"),
        ("x400;/C=cn/O=nankai/", "x400;/C+3Dcn/O+3Dnankai/"),
        ("utf-8;中文@例子.cn", r"utf-8;\x{4E2D}\x{6587}@\x{4F8B}\x{5B50}.cn"),
        ("UTF-8;a+b=\\c@x", r"UTF-8;a\x{2B}b\x{3D}\x{5C}c@x"),
        ("rfc822;中@x", "rfc822;+E4+B8+AD@x"),
        ("no type at all", ""),
        ("rfc822;", ""),
        ("two words;b@x", ""),
        (";b@x", ""),
    ],
)
def test_an_original_recipient_as_the_wire_has_it(given_value: str, wire: str) -> None:
    """RFC 3461 §4.2 and RFC 6533 §3; one without a type that can be one is left out."""
    assert original(given_value) == wire


@given(st.text(max_size=80), st.text(max_size=80))
def test_nothing_breaks_out_of_its_parameter(envid: str, orcpt: str) -> None:
    """Whatever the words are: one line, printable ASCII, and no blank but those between parameters (I11)."""
    options = Options(envid=envid, notify=(Notify("b@example.org", ("FAILURE",), f"rfc822;{orcpt}"),))
    mail, rcpt = sent(options, {"DSN": ""}, ("b@example.org",))
    assert re.fullmatch(rb"MAIL FROM:<a@example\.com>(?: ENVID=[!-*,-<>-~+]+)?", mail)
    assert re.fullmatch(rb"RCPT TO:<b@example\.org> NOTIFY=FAILURE(?: ORCPT=rfc822;[!-*,-<>-~+]+)?", rcpt)


@given(st.text(st.characters(min_codepoint=32, blacklist_categories=("Cs",)), max_size=80))
def test_xtext_says_what_went_in(text: str) -> None:
    """Decoded by RFC 3461's rule it is the same octets."""
    octets = re.sub(rb"\+([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), xtext(text).encode("ascii"))
    assert octets == text.encode()
