"""Whom a From field names: what is plain is read, what receivers may read in two ways is not."""

import contextlib
import time

import pytest

from hedwig.header import read
from hedwig.header.mailboxes import MAX_FIELD, Unreadable, mailboxes
from hedwig.header.names import Undecodable, addresses_shown

GBK = "张三".encode("gbk")


@pytest.mark.parametrize(
    ("value", "addresses", "name"),
    [
        (b" a@x.example\r\n", ["a@x.example"], ""),
        (b"a@x.example", ["a@x.example"], ""),
        (b" <a@x.example>\r\n", ["a@x.example"], ""),
        (b" Robot <a@x.example>\r\n", ["a@x.example"], "Robot"),
        (b' "Robot, the 2nd" <a@x.example>\r\n', ["a@x.example"], '"Robot, the 2nd"'),
        (b' "ceo@bank.example" <a@x.example>\r\n', ["a@x.example"], '"ceo@bank.example"'),
        (b' "a \\" <b@y.example> \\\\" <a@x.example>\r\n', ["a@x.example"], '"a \\" <b@y.example> \\\\"'),
        (b" John Q. Public <a@x.example>\r\n", ["a@x.example"], "John Q. Public"),
        (b" =?utf-8?b?5byg5LiJ?= <a@x.example>\r\n", ["a@x.example"], "=?utf-8?b?5byg5LiJ?="),
        (
            b" =?utf-8?q?ceo=40bank=2Eexample?=\r\n <a@x.example>\r\n",
            ["a@x.example"],
            "=?utf-8?q?ceo=40bank=2Eexample?=",
        ),
        ("张三 <a@x.example>".encode(), ["a@x.example"], "张三"),
        (GBK + b" <a@x.example>", ["a@x.example"], GBK.decode("utf-8", "surrogateescape")),
        (b" a@x.example (Robot)\r\n", ["a@x.example"], ""),
        (b" (one (two) \\) <b@y.example>) Robot (x) <a@x.example> (end)\r\n", ["a@x.example"], "Robot"),
        (b" Robot\r\n\t<a@x.example>\r\n", ["a@x.example"], "Robot"),
        (b' "odd name"@x.example', ['"odd name"@x.example'], ""),
        (b' Odd <"a@b"@x.example>', ['"a@b"@x.example'], "Odd"),
        (b" a@[192.0.2.1]", ["a@[192.0.2.1]"], ""),
        ("a@例子.cn".encode(), ["a@例子.cn"], ""),
        ("张@x.example".encode(), ["张@x.example"], ""),
        (b" a@x.example, B <b@y.example>\r\n", ["a@x.example", "b@y.example"], ""),
        (b" < a@x.example >", ["a@x.example"], ""),
    ],
)
def test_what_is_plain(value, addresses, name):
    found = mailboxes(value)
    assert [str(each.address) for each in found] == addresses
    assert found[0].name == name


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"\r\n", "no address"),
        (b" Robot\r\n", "no address"),
        (b" <>\r\n", "no address"),
        (b" Robot <robot>\r\n", "no address"),
        (b" a@x.example,\r\n", "empty place"),
        (b" friends: a@x.example;\r\n", "a group"),
        (b" undisclosed:;\r\n", "a group"),
        (b" <@a.example,@b.example:a@x.example>\r\n", "a route"),
        (b" ceo@bank.example <a@x.example>\r\n", "malformed"),
        (b" <a@x.example> <b@y.example>\r\n", "malformed"),
        (b" <a@x.example> b@y.example\r\n", "malformed"),
        (b" <a@x.example\r\n", "malformed"),
        (b" a@x.example>\r\n", "within its address"),
        (b" a@b@x.example\r\n", "within its address"),
        (b" a (b)@x.example\r\n", "within its address"),
        (b" <a(@bank.example)@x.example>\r\n", "within its address"),
        (b" a@x.example b@y.example\r\n", "within its address"),
        (b" a@x.example.\r\n", "the domain is malformed"),
        (b" a..b@x.example\r\n", "malformed"),
        (b" a@x_\xffy.example\r\n", "control character"),
        (GBK + b"@x.example", "control character"),
        (b" =?utf-8?q?ceo=40bank.example?=@x.example\r\n", "encoded word"),
        (b" a@x.example (open\r\n", "without an end"),
        (b' "open <a@x.example>\r\n', "malformed"),
        (b" a\0@x.example\r\n", "control character"),
        (b" a@x.example\x0b\r\n", "control character"),
        (b" a@x.example]\r\n", "malformed"),
        (b" " + b"a" * MAX_FIELD + b"@x.example\r\n", "longer than"),
    ],
)
def test_what_is_not(value, said):
    with pytest.raises(Unreadable, match=said):
        mailboxes(value)


@pytest.mark.parametrize("piece", [b"(", b'"', b"\\(", b"a ", b"a@b,", b"<", b"a", b"(x)", b"a@b.example "])
def test_no_field_takes_long(piece):
    """Linear, whatever stands there (I9)."""
    began = time.perf_counter()
    with pytest.raises(Unreadable):
        mailboxes(piece * (MAX_FIELD // len(piece)))
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    "piece", ["=?a?q?", "=?a?q?x?= ", "a@b.", "a@", "\\", "=?utf-8?b?YQ==?=", "\uff20", "<", "\udcc4"]
)
def test_no_name_takes_long(piece):
    began = time.perf_counter()
    with contextlib.suppress(Undecodable):
        list(addresses_shown(piece * (MAX_FIELD // len(piece))))
    assert time.perf_counter() - began < 0.5


def test_what_gbk_shows_is_seen():
    """Raw octets, which a Chinese program reads as GBK."""
    name = "总经理ceo＠bank.example".encode("gbk").decode("utf-8", "surrogateescape")
    assert ("总经理ceo@bank.example", "总经理ceo@bank.example") in list(addresses_shown(name))


def test_a_name_that_is_shown_turned_round_is_read_so_too():
    shown = ("ceo@bank.example", "ceo@bank.example")
    assert shown in list(addresses_shown("\u202eelpmaxe.knab@oec"))
    assert shown in list(addresses_shown("=?utf-8?q?=E2=80=AEelpmaxe.knab@oec?="))


def test_comments_are_kept_as_what_they_say():
    (one,) = mailboxes(b" (one (two) \\) <b@y.example>) Robot (x) <a@x.example> (end)\r\n")
    assert one.comment == "one (two) ) <b@y.example> x end"
    (two,) = mailboxes(b" a@x.example (Robot)\r\n")
    assert (two.name, two.comment, two.called) == ("", "Robot", "Robot")


def test_what_only_some_take_for_a_field_is_told():
    for odd in (
        b" From: a\r\n",
        b"\tX: 1\r\n",
        b"\xef\xbb\xbfFrom: a\r\n",
        b"X: 1\r\n\x0bResent-From: a\r\n",
        b"From\x7f : a\r\n",
    ):
        assert read(odd + b"From: a@x.example\r\n\r\n").odd
    for plain in (
        b"X: 1\r\n From: a\r\n",
        b"X-From: a\r\n",
        b"Fromage: a\r\n",
        "总: from: a\r\n".encode(),
        b"From : a\r\n",
    ):
        assert not read(plain + b"From: a@x.example\r\n\r\n \xffFrom: body\r\n").odd


def test_fields_are_found_in_any_form_and_nowhere_else():
    """In any case, with blanks before the colon, folded, first or last, below a line that is no field; not in a folded
    line, not in another name, not in the body."""
    content = (
        b"FROM: a@x.example\r\nX-From: no@x.example\r\nSubject: x\r\n From: no@x.example\r\nno field here\r\n"
        b"from \t:\r\n b@x.example\r\n\t(x)\r\nSender: s@x.example\r\n\r\nFrom: body@x.example\r\n"
    )
    header = read(content)
    assert [field.value for field in header.get(b"from")] == [b" a@x.example\r\n", b"\r\n b@x.example\r\n\t(x)\r\n"]
    assert header.raw == content[: content.index(b"\r\n\r\n") + 2]
    assert header.edited([b"from"], b"New: 1\r\n") == (
        b"X-From: no@x.example\r\nSubject: x\r\n From: no@x.example\r\nno field here\r\n"
        b"Sender: s@x.example\r\nNew: 1\r\n"
    )
    assert read(b"\r\nFrom: a@x.example\r\n").fields == {}
    assert read(b"From: a@x.example\r\n").get(b"from")
    assert read(b"").raw == b""
    assert read(b"A: 1\r\nFrom: x").edited([b"from"], b"New: 1\r\n") == b"A: 1\r\nNew: 1\r\n"
    assert read(b"From: x\r\nA: 1").edited([b"from"], b"New: 1\r\n") == b"A: 1\r\nNew: 1\r\n"
    assert read(b"\r\nbody").edited([b"from"], b"New: 1\r\n") == b"New: 1\r\n"
    assert not read(b"X: " + b"x" * (600 << 10)).whole
