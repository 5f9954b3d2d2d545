"""The original form and its JSON, read as streams, mean what urllib and json say they mean."""

import io
import json
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.postoffice import forms, letter
from hedwig.postoffice.forms import Form
from hedwig.postoffice.letter import read_letter
from hedwig.postoffice.refusal import Refusal

URLENCODED = "application/x-www-form-urlencoded"
PIECES = st.integers(1, 40)


def parse(body: bytes, content_type: str = URLENCODED) -> tuple[dict[str, str], bytes | None]:
    form = Form.read(io.BytesIO(body), content_type)
    try:
        return form.short, form.email.read() if form.email else None
    finally:
        form.close()


@given(st.text(max_size=200), st.text(max_size=60), PIECES)
def test_urlencoded_in_any_pieces(email: str, key: str, piece: int) -> None:
    """Wherever a read ends, in a %XX or a name, the fields come out whole."""
    with patch.object(forms, "PIECE", piece):
        body = urlencode({"email": email, "fqdn": "a.example", "other": "x" * 50, "key": key}).encode()
        assert parse(body) == ({"fqdn": "a.example", "key": key}, email.encode())


@given(st.binary(max_size=100).filter(lambda octets: b"&" not in octets), PIECES)
def test_octets_that_are_no_escape_stay(octets: bytes, piece: int) -> None:
    """Raw octets in a value: only %XX and + mean something else (WHATWG URL §5.1)."""
    from urllib.parse import unquote_to_bytes

    with patch.object(forms, "PIECE", piece):
        assert parse(b"email=" + octets)[1] == unquote_to_bytes(octets.replace(b"+", b" "))


@given(st.binary(max_size=300), PIECES)
def test_multipart_in_any_pieces(email: bytes, piece: int) -> None:
    """Octets stay octets, also such as look like half a boundary; a filename is ignored."""
    body = (
        b'--XX\r\nContent-Disposition: form-data; name="email"; filename="../../etc/passwd"\r\n'
        b"Content-Type: application/json\r\n\r\n" + email + b'\r\n--XX\r\nContent-Disposition: form-data; name="key"'
        b"\r\n\r\nsesame\r\n--XX--\r\n"
    )
    if b"\r\n--XX" in b"\r\n" + email:
        return
    with patch.object(forms, "PIECE", piece):
        assert parse(body, "multipart/form-data; boundary=XX") == ({"key": "sesame"}, email)


@pytest.mark.parametrize(
    ("body", "content_type", "says"),
    [
        (b"x", "text/plain", "send a form"),
        (b"x", "", "send a form"),
        (b"x", "multipart/form-data", "no boundary"),
        (b"--XX\r\n\r\n", "multipart/form-data; boundary=XX", "no name"),
        (
            b"--XX\r\nContent-Disposition: form-data; name=key\r\n\r\nabc",
            "multipart/form-data; boundary=XX",
            "ends before",
        ),
        (b"--XX\r\n" + b"x" * 100_000, "multipart/form-data; boundary=XX", "no end of its header"),
        (b"", "multipart/form-data; boundary=XX", "ends before"),
        (b"key=a&key=b", URLENCODED, "twice"),
        (b"email=a&email=b", URLENCODED, "twice"),
        (b"key=" + b"x" * 5000, URLENCODED, "longer than"),
        (b"x" * 5000 + b"=1", URLENCODED, "far too long"),
        (b"key=%ff", URLENCODED, "UTF-8"),
    ],
)
def test_what_is_no_such_form_is_refused(body: bytes, content_type: str, says: str) -> None:
    with pytest.raises(Refusal, match=says) as caught:
        parse(body, content_type)
    assert caught.value.code == 400


def test_an_empty_body_has_no_fields() -> None:
    assert parse(b"") == ({}, None)


def read(raw: bytes, max_size: int = 1 << 20) -> tuple[str, list[str], bytes]:
    found = read_letter(io.BytesIO(raw), max_size)
    with found.text:
        content = found.text.read()
    assert found.size == len(content)
    return found.mailfrom, found.rcpttos, content


TEXTS = st.text(st.characters() | st.sampled_from('"\\u/\n😀你\ud83d'), max_size=80)


@given(TEXTS, st.lists(st.text(max_size=20), max_size=3), st.booleans(), PIECES)
def test_letters_in_any_pieces(data: str, rcpttos: list[str], escaped: bool, piece: int) -> None:
    """Wherever a read ends, in an escape or a surrogate pair or a UTF-8 character, data is what json says it is."""
    fields = {"mailfrom": 'a"}{@b', "x": {"data": ["no", {"data": 1}]}, "data": data, "rcpttos": rcpttos}
    raw = json.dumps(fields, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    try:
        expected = json.loads(raw.decode("utf-8"))["data"].encode("utf-8", "surrogateescape")
    except UnicodeError:
        expected = None
    with patch.object(letter, "PIECE", piece):
        if expected is None:
            with pytest.raises(Refusal) as caught:
                read(raw)
            assert caught.value.code == 400
        else:
            assert read(raw) == ('a"}{@b', rcpttos, expected)


@given(st.binary(max_size=60), PIECES)
def test_any_octets_are_a_letter_or_refused(raw: bytes, piece: int) -> None:
    """Nothing but Refusal leaves the reader, whatever comes."""
    with patch.object(letter, "PIECE", piece), pytest.raises(Refusal):
        read(b'{"data": "' + raw)


def email(**fields: object) -> bytes:
    return json.dumps({"mailfrom": "a@b.example", "rcpttos": ["c@d.example"], "data": "x", **fields}).encode()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not JSON"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'"data"', "not a JSON object"),
        (b'{"data": "x', "no end"),
        (b'{"data": "\\x"}', "wrong escape"),
        (b'{"data": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "too deeply"),
        (b'{"data":' * 100_000, "too deeply"),
        (email(data=5), "data in the field email must be a string"),
        (email(data=None), "data in the field email must be a string"),
        (email(data={"data": "x"}), "data in the field email must be a string"),
        (b'{"mailfrom": "", "rcpttos": []}', "it is missing"),
        (email(mailfrom=["a@b"]), "mailfrom in the field email must be a string"),
        (email(rcpttos="c@d.example"), "must be a list of strings"),
        (email(rcpttos=[1]), "must be a list of strings"),
        (email(data="\ud800"), "surrogate"),
        (email() + b"}", "not JSON"),
        ("﻿".encode() * 2 + email(), "not JSON"),
        (email().decode().encode("utf-16"), "not JSON"),
    ],
)
def test_what_is_no_letter_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(Refusal, match=says) as caught:
        read(raw)
    assert caught.value.code == 400


def test_raw_octets_come_through_as_surrogates() -> None:
    """U+DC80 to U+DCFF stand for octets that were no UTF-8 (PEP 383): GBK from a Python program."""
    gbk = "你好".encode("gbk")
    assert read(email(data=gbk.decode("utf-8", "surrogateescape")))[2] == gbk


def test_the_key_data_may_be_escaped_and_the_last_one_counts() -> None:
    raw = b'{"mailfrom": "", "data": "first, longer", "rcpttos": [], "d\\u0061ta": "last"}'
    assert read(raw) == ("", [], b"last")


def test_line_ends_may_stand_unescaped() -> None:
    """As people write it who call curl by hand."""
    assert read(b'{"mailfrom": "", "rcpttos": [], "data": "a\nb\tc"}')[2] == b"a\nb\tc"


def test_too_large_data_is_413_and_counts_decoded() -> None:
    assert len(read(email(data="你" * 100), max_size=300)[2]) == 300
    with pytest.raises(Refusal) as caught:
        read(email(data="你" * 100 + "x"), max_size=300)
    assert caught.value.code == 413


@pytest.mark.parametrize("key", ["x" * 17_000_000, "mailfrom"])
def test_too_much_beside_data_is_413(key: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(json.dumps({key: "y" * 17_000_000}).encode())
    assert caught.value.code == 413


@pytest.mark.parametrize("count", [3, 5000])
def test_names_of_other_fields_are_kept_and_not_without_end(count: int) -> None:
    body = "&".join(f"other{number}=x" for number in range(count)).encode() + b"&key=sesame"
    form = Form.read(io.BytesIO(body), URLENCODED)
    assert form.others == {f"other{number}" for number in range(min(count, forms.MAX_OTHERS))}
    assert form.short == {"key": "sesame"}
