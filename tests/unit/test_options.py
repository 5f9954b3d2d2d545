"""What travels with a message: packed and read back, and refused with a sentence where it makes no sense."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.options import (
    PLAIN,
    BadOption,
    Notify,
    OnDoubt,
    Options,
    Priority,
    Submitter,
    TlsWish,
    priority_of,
    read,
    read_submitter,
    submitter_of,
    unpacked,
)

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=50)
NOTIFY = st.builds(
    Notify, WORDS, st.sampled_from([(), ("NEVER",), ("SUCCESS", "DELAY"), ("FAILURE",)]), WORDS.map("rfc822;".__add__)
)
OPTIONS = st.builds(
    Options,
    deadline=st.floats(0, 1e10),
    supersede=WORDS,
    priority=st.sampled_from([None, *Priority]),
    on_doubt=st.sampled_from(OnDoubt),
    ret=st.sampled_from(["", "FULL", "HDRS"]),
    envid=WORDS,
    notify=st.lists(NOTIFY, max_size=3).map(tuple),
    tls=st.sampled_from(TlsWish),
)


@given(OPTIONS)
def test_there_and_back(options: Options) -> None:
    assert unpacked(options.packed()) == options


@given(st.builds(Submitter, WORDS, WORDS, WORDS, WORDS))
def test_submitters_there_and_back(submitter: Submitter) -> None:
    assert submitter_of(submitter.packed()) == submitter


def test_nothing_asked_is_nothing() -> None:
    """The rule costs nothing: an empty text, and one object for all."""
    assert PLAIN.packed() == "" == Options().packed() == Submitter().packed()
    assert unpacked("") is PLAIN


def test_what_a_newer_release_adds_is_ignored() -> None:
    assert read({"supersede": "otp", "colour": "blue"}) == Options(supersede="otp")
    assert read_submitter({"peer": "172.17.0.2", "pod": "x"}) == Submitter("172.17.0.2")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([], "options must be a JSON object"),
        ({"deadline": "soon"}, "deadline must be Unix seconds"),
        ({"deadline": True}, "deadline must be Unix seconds"),
        ({"deadline": float("nan")}, "deadline must be Unix seconds"),
        ({"priority": "high"}, "priority must be urgent, normal or bulk, not 'high'"),
        ({"on_doubt": "panic"}, "on_doubt must be retry, hold or retry-once"),
        ({"supersede": "x" * 201}, "supersede must be printable text of at most 200 characters"),
        ({"supersede": "a\nb"}, "supersede must be printable"),
        ({"ret": "ALL"}, "ret must be FULL or HDRS"),
        ({"envid": 5}, "envid must be printable text"),
        ({"notify": {}}, "notify must be a list"),
        ({"notify": [["a@b", ["NEVER"], ""]] * 5001}, "notify must be a list of at most 5000 recipients"),
        ({"notify": [["a@b", ["NEVER", "DELAY"], ""]]}, "each of notify must be"),
        ({"notify": [["a@b", ["OFTEN"], ""]]}, "each of notify must be"),
        ({"notify": [["a@b", [], "x\r\n"]]}, "each of notify must be"),
        ({"notify": [["a@b", [[]], ""]]}, "each of notify must be"),
    ],
)
def test_nonsense_is_named(fields: Any, words: str) -> None:
    with pytest.raises(BadOption) as caught:
        read(fields)
    assert words in str(caught.value)


def test_a_key_is_for_few() -> None:
    """Each recipient is a row more of the transaction that takes the letter."""
    for options, recipients in ((Options(supersede="otp"), 1000), (PLAIN, 1001)):
        assert options.bounded(recipients) is options
    with pytest.raises(BadOption, match="up to 1000 recipients, not 1001"):
        Options(supersede="otp").bounded(1001)


def test_a_submitter_that_makes_no_sense() -> None:
    for fields in ([], {"peer": 1}, {"container": "a\nb"}, {"image": "x" * 256}):
        with pytest.raises(BadOption):
            read_submitter(json.loads(json.dumps(fields)))


def test_wishes_by_recipient() -> None:
    asked = Notify("b@example.net", ("NEVER",))
    assert Options(notify=(asked,)).of("b@example.net") is asked
    assert Options(notify=(asked,)).of("c@example.net") == Notify("c@example.net")
    assert Options(notify=(asked, Notify("b@example.net", ("DELAY",)))).of("b@example.net") is asked
    assert replace(Options(ret="HDRS"), notify=(asked,)).of("b@example.net") is asked


def test_priorities_by_word() -> None:
    assert priority_of("Urgent") is Priority.URGENT < priority_of("normal") < priority_of("BULK")


def test_a_submitter_in_words() -> None:
    assert str(Submitter("172.17.0.4", "web", "nginx:1.27", "shop")) == "web (nginx:1.27, project shop) 172.17.0.4"
    assert str(Submitter("172.17.0.4")) == "172.17.0.4"


def test_what_a_message_says_of_tls_for_people() -> None:
    assert str(Options(tls=TlsWish.REQUIRED, priority=Priority.BULK)) == "bulk, TLS required"
    assert str(Options(tls=TlsWish.OPTIONAL)) == "TLS-Required: No"
    assert Options(tls=TlsWish.REQUIRED).fields()["require_tls"] == "required"
    with pytest.raises(BadOption, match="tls must be"):
        read({"tls": "always"})


def test_what_is_asked_of_reports_is_told() -> None:
    """As SMTP has it, of a few recipients; who asked for nothing is told nothing of."""
    assert str(PLAIN) == ""
    notify = tuple(Notify(f"{name}@x.example", ("FAILURE", "DELAY")) for name in "abcde")
    asked = Options(ret="FULL", envid="QQ 314", notify=(Notify("o@x.example", (), "rfc822;old@y.example"), *notify))
    assert str(asked) == (
        "RET=FULL, ENVID=QQ 314, ORCPT=rfc822;old@y.example for o@x.example, NOTIFY=FAILURE,DELAY for a@x.example, "
        "NOTIFY=FAILURE,DELAY for b@x.example, and wishes for 3 more"
    )
    both = Options(notify=(Notify("o@x.example", ("NEVER",), "rfc822;old@y.example"),))
    assert both.reports() == ["NOTIFY=NEVER ORCPT=rfc822;old@y.example for o@x.example"]
