"""hedwig.mime.fields: raw 8-bit octets in a header, as programs write them without a thought, in forms that travel."""

import email
import email.policy
from email.headerregistry import AddressHeader
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.mime import Unconvertible
from hedwig.mime.fields import seven_bit

WORD = st.text("你好世界 abé,:;-=?_", min_size=1, max_size=60).map(str.split).map(" ".join).filter(bool)


def made(field: str | bytes, charset: str = "") -> bytes:
    raw = field.encode() if isinstance(field, str) else field
    octets = seven_bit(raw + b"\r\n", charset)
    assert octets.isascii()
    assert octets.endswith(b"\r\n")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    return octets


def read(octets: bytes) -> EmailMessage:
    return email.message_from_bytes(octets + b"\r\n", EmailMessage, policy=email.policy.default)


def value(field: str | bytes, charset: str = "") -> str:
    """The field as Python's email package reads it."""
    [text] = read(made(field, charset)).values()
    return str(text)


def test_what_is_ascii_is_not_touched() -> None:
    field = b"Subject : a  b\t=?gbk?B?xOO6ww==?=\r\n  folded \r\n"
    assert seven_bit(field, "gbk") is field


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Subject: 你好", "你好"),
        ("Subject:你好", "你好"),
        ("Subject: Re: 你好 world 再 见", "Re: 你好 world 再 见"),
        ("X-Anything: a 好", "a 好"),
        ("Subject: 你\r\n 好\r\n\tx", "你 好\tx"),
        ("Subject: " + "很长的标题" * 40, "很长的标题" * 40),
        ("Comments: 你好 " + "x" * 200, "你好 " + "x" * 200),
    ],
)
def test_text_becomes_encoded_words(field: str, text: str) -> None:
    assert value(field) == text


@given(WORD)
def test_any_text_says_the_same(text: str) -> None:
    """And each encoded word is short enough, as is each line that holds one (RFC 2047 §2)."""
    octets = made(f"Subject: {text} 。")
    assert " ".join(str(read(octets)["Subject"]).split()) == f"{text} 。"
    assert all(len(word) <= 75 for word in octets.split() if word.startswith(b"=?"))
    assert all(len(line) <= 76 for line in octets.split(b"\r\n") if b"=?utf-8?B" in line)


def test_the_charset_is_the_bodys_where_it_is_not_utf_8() -> None:
    gbk = "Subject: 你好，世界".encode("gbk")
    assert made(gbk, "GB2312") == b"Subject: =?gb2312?B?xOO6w6OsysC95w==?=\r\n"
    assert made(gbk, "no-such-charset") == made(gbk) == b"Subject: =?unknown-8bit?B?xOO6w6OsysC95w==?=\r\n"
    assert made("Subject: é", "gb2312") == b"Subject: =?utf-8?B?w6k=?=\r\n"
    assert made(b"Subject: \xff\xff", "gb2312") == b"Subject: =?unknown-8bit?B?//8=?=\r\n"
    assert made(gbk, "x\r\ny: z") == made(gbk)


ADDRESSES = [
    ("From: 张三 <z@example.org>", [("张三", "z@example.org")]),
    ("From:张三<z@example.org>", [("张三", "z@example.org")]),
    ('To: "张三, 经理" <z@example.org>, b@example.org', [("张三, 经理", "z@example.org"), ("", "b@example.org")]),
    ('To: "a \\"张\\"" <z@example.org>', [('a "张"', "z@example.org")]),
    ("Cc: Dr 张 三 <z@example.org>", [("Dr 张 三", "z@example.org")]),
    ("To: b@例子.中国, <c@例子.中国>", [("", "b@xn--fsqu00a.xn--fiqs8s"), ("", "c@xn--fsqu00a.xn--fiqs8s")]),
    ("Reply-To: z@example.org (张三), b@example.org", [("", "z@example.org"), ("", "b@example.org")]),
    ("To: 朋友: 张 <z@example.org>, b@example.org;", [("张", "z@example.org"), ("", "b@example.org")]),
    ("To: " + ", ".join(f"张{n} <z{n}@x.org>" for n in range(99)), [(f"张{n}", f"z{n}@x.org") for n in range(99)]),
]


@pytest.mark.parametrize(("field", "expected"), ADDRESSES)
def test_names_beside_addresses_become_encoded_words(field: str, expected: list[tuple[str, str]]) -> None:
    """RFC 2047 §5 (3); and an address is no word."""
    [header] = read(made(field)).values()
    assert isinstance(header, AddressHeader)
    assert [(each.display_name, each.addr_spec) for each in header.addresses] == expected


def test_comments_are_kept() -> None:
    assert made("To: z@example.org (张三)") == b"To: z@example.org (=?utf-8?B?5byg5LiJ?=)\r\n"


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ('Content-Disposition: attachment; filename="报告 2024.pdf"', "报告 2024.pdf"),
        ("Content-Disposition: attachment; filename=报告.pdf; size=5", "报告.pdf"),
        ('Content-Disposition: attachment;\r\n\tfilename="a\\"报告\\\\.pdf"', 'a"报告\\.pdf'),
        ('Content-Type: application/pdf; name="报告.pdf"', "报告.pdf"),
        ("Content-Disposition: attachment; filename*=utf-8''报%E5%91%8A", "报告"),
        ('Content-Disposition: attachment; filename="' + "报告" * 300 + '"', "报告" * 300),
    ],
)
def test_a_files_name_gets_rfc_2231s_form(field: str, name: str) -> None:
    assert read(made(field)).get_filename() == name


def test_other_parameters_stay() -> None:
    field = 'Content-Type: text/plain; charset="gbk"; name="报.txt"; format=flowed'
    part = read(made(field))
    assert (part.get_content_type(), part.get_content_charset(), part.get_param("format")) == (
        "text/plain",
        "gbk",
        "flowed",
    )


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("To: 用户@例子.中国", "an address that needs SMTPUTF8"),
        ('To: "用户"@example.org', "an address"),
        ("To: a <用户@example.org>", "an address that needs SMTPUTF8"),
        (b"To: a <\xc4\xe3@example.org>", "8-bit octets in an address"),
        ("To: <a@b@例>", "8-bit octets in an address"),
        ("Message-ID: <例@x>", "the field Message-ID"),
        ("Received: from 例 by x; y", "the field Received"),
        ("DKIM-Signature : 例", "the field DKIM-Signature"),
        ("Content-Type: 例/x", "the field Content-Type that no form is known for"),
        (b"\xe4-Field: x", "the field"),
        ("Cc: (" + "例" * 400 + ") a@x", "the field Cc that is too long"),
    ],
)
def test_what_has_no_form_is_refused(field: str | bytes, why: str) -> None:
    with pytest.raises(Unconvertible, match=why.replace("the field Cc that", "a field Cc that")):
        made(field)


@given(
    st.sampled_from(["Subject", "From", "To", "Content-Type", "Content-Disposition", "X-A"]), st.binary(max_size=120)
)
def test_nothing_breaks_out_of_its_field(name: str, octets: bytes) -> None:
    """I11: whatever the octets, it is one field in ASCII, or refused."""
    raw = octets.translate(None, b"\r\n\0")
    try:
        lines = made(f"{name}: ".encode() + raw, "gbk").split(b"\r\n")
    except Unconvertible:
        return
    assert lines[0].startswith(f"{name}:".encode())
    assert all(line[:1] in (b" ", b"\t") and line.strip() for line in lines[1:-1])
