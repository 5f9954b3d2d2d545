"""hedwig.smtp.commands: what a transaction says to which host, and what we refuse without asking it."""

import dataclasses

import pytest

from hedwig.options import Options, TlsWish
from hedwig.reply import Reply, Stage
from hedwig.smtp import Said, Transaction
from hedwig.smtp.commands import Letter, compose, extensions, hello

ALL = {"SIZE": "1000", "8BITMIME": "", "SMTPUTF8": "", "PIPELINING": ""}


def transaction(
    mailfrom: str = "a@example.com", rcptto: str = "b@example.org", size: int = 9, smtputf8: bool = False
) -> Transaction:
    return Transaction(mailfrom, (rcptto,), lambda: (b"x" * size,), size, smtputf8)


@pytest.mark.parametrize(
    ("announced", "eight_bit", "smtputf8", "parameters"),
    [
        ({}, False, False, b""),
        ({"SIZE": ""}, False, False, b" SIZE=9"),
        ({"SIZE": "0"}, False, False, b" SIZE=9"),
        ({"SIZE": "rubbish"}, False, False, b" SIZE=9"),
        ({"8BITMIME": ""}, True, False, b" BODY=8BITMIME"),
        ({"8BITMIME": ""}, None, False, b" BODY=8BITMIME"),
        ({"8BITMIME": ""}, False, False, b""),
        ({}, None, False, b""),
        (ALL, True, True, b" SIZE=9 BODY=8BITMIME SMTPUTF8"),
        (ALL, None, True, b" SIZE=9 BODY=8BITMIME SMTPUTF8"),
        (ALL, False, True, b" SIZE=9"),
        (ALL, False, False, b" SIZE=9"),
    ],
)
def test_mail_has_the_parameters_that_the_host_knows(
    announced: dict[str, str], eight_bit: bool | None, smtputf8: bool, parameters: bytes
) -> None:
    letter = compose(transaction(smtputf8=smtputf8), announced, eight_bit)
    assert isinstance(letter, Letter)
    assert letter.mail == b"MAIL FROM:<a@example.com>" + parameters + b"\r\n"
    assert letter.eight_bit_clean is ("8BITMIME" in announced)


def refusal(asked: Transaction, announced: dict[str, str], eight_bit: bool | None = False) -> tuple[Stage, int, str]:
    said = compose(asked, announced, eight_bit)
    assert isinstance(said, Said)
    assert said.reply is not None
    return said.stage, said.reply.code, said.reply.enhanced


def test_a_message_larger_than_size_is_refused_here() -> None:
    assert refusal(transaction(size=1001), ALL) == (Stage.MAIL, 552, "5.3.4")
    assert isinstance(compose(transaction(size=1000), ALL, False), Letter)
    assert isinstance(compose(transaction(size=10**9), {"SIZE": "0"}, False), Letter)


def test_8bit_content_for_a_7bit_host_is_refused_here() -> None:
    assert refusal(transaction(), {}, True) == (Stage.LOCAL, 554, "5.6.3")


def test_requiretls_is_said_to_a_host_that_has_it_and_to_no_other() -> None:
    """RFC 8689 §4.2.1."""
    asked = dataclasses.replace(transaction(), options=Options(tls=TlsWish.REQUIRED))
    letter = compose(asked, {"REQUIRETLS": "", "DSN": ""}, False)
    assert isinstance(letter, Letter)
    assert letter.mail == b"MAIL FROM:<a@example.com> REQUIRETLS\r\n"
    assert refusal(asked, ALL) == (Stage.LOCAL, 550, "5.7.30")
    plain = compose(transaction(), {"REQUIRETLS": ""}, False)
    assert isinstance(plain, Letter)
    assert plain.mail == b"MAIL FROM:<a@example.com>\r\n"


def test_the_null_sender_is_empty_brackets() -> None:
    letter = compose(transaction(mailfrom=""), {}, False)
    assert isinstance(letter, Letter)
    assert letter.mail == b"MAIL FROM:<>\r\n"


BAD = [
    "a@b\r\nRCPT TO:<evil@example.com>",
    "a\n@example.com",
    "a\r@example.com",
    "a\0@example.com",
    "a b@example.com",
    "a@exam ple.com",
    "a@example.com> SIZE=1",
    "<a@example.com",
    "a@b@example.com",
    '"a@example.com',
    '"a"b"@example.com',
    '"a\r\n"@example.com',
    '"a\\\r"@example.com',
    "a@[1.2.3.4] X",
    "a\x7f@example.com",
    "a\u2028@example.com",
    "a\ud800@example.com",
    "a",
    "@example.com",
    "a@",
]


@pytest.mark.parametrize("address", BAD)
@pytest.mark.parametrize("smtputf8", [False, True])
def test_an_address_cannot_leave_its_brackets(address: str, smtputf8: bool) -> None:
    """I11: as sender it ends the transaction, as a recipient only itself."""
    assert refusal(transaction(mailfrom=address, smtputf8=smtputf8), ALL) == (Stage.LOCAL, 553, "5.1.7")
    asked = Transaction("", ("x@example.org", address, "y@example.org"), lambda: (b"",), 0, smtputf8)
    letter = compose(asked, ALL, False)
    assert isinstance(letter, Letter)
    assert letter.rcpts == (b"RCPT TO:<x@example.org>\r\n", b"RCPT TO:<y@example.org>\r\n")
    refused = letter.said[1]
    assert letter.said[0] is letter.said[2] is None
    assert refused is not None
    assert refused.stage is Stage.LOCAL
    assert refused.reply is not None
    assert (refused.reply.code, refused.reply.enhanced) == (553, "5.1.3")


@pytest.mark.parametrize(
    ("address", "smtputf8", "path"),
    [
        ("b@example.org", False, b"b@example.org"),
        ('"b c"@example.org', False, b'"b c"@example.org'),
        ('"b\\"c"@example.org', False, b'"b\\"c"@example.org'),
        ("b@[192.0.2.1]", False, b"b@[192.0.2.1]"),
        ("b@[IPv6:2001:db8::1]", False, b"b@[IPv6:2001:db8::1]"),
        ("b@例子.中国", False, b"b@xn--fsqu00a.xn--fiqs8s"),
        ("b@例子.中国", True, "b@例子.中国".encode()),
        ("用户@例子.中国", True, "用户@例子.中国".encode()),
    ],
)
def test_an_address_goes_out_as_the_host_can_read_it(address: str, smtputf8: bool, path: bytes) -> None:
    letter = compose(transaction(rcptto=address, smtputf8=smtputf8), ALL, False)
    assert isinstance(letter, Letter)
    assert letter.rcpts == (b"RCPT TO:<" + path + b">\r\n",)


def test_a_local_part_outside_ascii_needs_smtputf8() -> None:
    letter = compose(transaction(rcptto="用户@example.org"), ALL, False)
    assert isinstance(letter, Letter)
    assert letter.rcpts == ()
    assert letter.said[0] is not None
    assert letter.said[0].reply == Reply(
        550, "5.6.7", "the address needs SMTPUTF8, which the message was not accepted with"
    )


def test_extensions_are_read_in_any_case() -> None:
    lines = ("host greets you SIZE 5", "size 35882577", "8bitmime", "AUTH PLAIN LOGIN", "", "XXXX ")
    assert extensions(lines) == {"SIZE": "35882577", "8BITMIME": "", "AUTH": "PLAIN LOGIN", "": "", "XXXX": ""}


@pytest.mark.parametrize("name", ["", "a b", "a\r\nMAIL", "a\0", "é.example", "x" * 256])
def test_a_name_that_does_not_fit_into_ehlo_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="EHLO"):
        hello("EHLO", name)


def test_hello() -> None:
    assert hello("EHLO", "robot.genee.cn") == b"EHLO robot.genee.cn\r\n"
    assert hello("HELO", "[192.0.2.1]") == b"HELO [192.0.2.1]\r\n"
