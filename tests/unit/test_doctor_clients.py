"""The doctor's rules for hosts that hand in mail: whom their letters may be from, and their keys' last days."""

import time
from typing import Any

import pytest
from doctor_rig import same

from hedwig.choices import FromMismatch
from hedwig.doctor.client_rules import judge_keys, judge_senders
from hedwig.settings import Client, ClientKey

NOW = time.mktime((2026, 11, 30, 12, 0, 0, 0, 0, -1))
DAY = 86400.0
NAME = "a.b.example"


@pytest.mark.parametrize(
    ("facts", "grade", "words", "mend"),
    [
        ({}, "warn", "as anybody", 'senders: ["*@b.example"]'),
        ({"senders": ("x@b.example",)}, "pass", "1 named", ""),
        ({"senders": ("x@b.example",), "from_mismatch": FromMismatch.REWRITE}, "pass", "1 named", ""),
        (
            {"senders": ("x@b.example",), "from_mismatch": FromMismatch.WARN},
            *("warn", "`from_mismatch: warn` lets it", "from_mismatch: reject"),
        ),
    ],
)
def test_senders(facts: dict[str, Any], grade: str, words: str, mend: str) -> None:
    same(judge_senders(Client(NAME, **facts), "/f.yml"), grade, words, mend)


def test_the_line_that_lets_anybody_through_is_named() -> None:
    client = Client(NAME, senders=("x@b.example",), from_mismatch=FromMismatch.WARN, lines={"from_mismatch": 7})
    assert "/f.yml:7" in judge_senders(client, "/f.yml").where.en


def key(letter: str, days: float | None = None) -> ClientKey:
    return ClientKey(f"sha256:{letter * 64}", 0.0 if days is None else NOW + days * DAY)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), [("fail", "it has no key", "hedwig key add a.b.example")]),
        ((key("a"),), [("pass", "1 valid", "")]),
        ((key("a"), key("b", 40)), [("pass", "2 valid", "")]),
        ((key("a", 14),), [("pass", "1 valid", "")]),
        ((key("a", 13.9),), [("warn", "aaaaaaaa ends in 14 days, on 2026-12-14", "hedwig key add a.b.example")]),
        ((key("a", 1), key("b", 3)), [("warn", "bbbbbbbb ends in 3 days", "hedwig key add a.b.example")]),
        ((key("a", -1), key("b", -9)), [("fail", "aaaaaaaa ended on 2026-11-29", "hedwig key add a.b.example")]),
        ((key("a", -1), key("b", 3)), [("warn", "bbbbbbbb ends in 3 days", "hedwig key add a.b.example")]),
        (
            (key("a", -1), key("b", 3), key("c")),
            [
                ("warn", "aaaaaaaa ended on", "hedwig key revoke a.b.example --id aaaaaaaa"),
                ("warn", "bbbbbbbb ends on", "hedwig key revoke a.b.example --id bbbbbbbb"),
            ],
        ),
    ],
)
def test_keys(keys: tuple[ClientKey, ...], expected: list[tuple[str, str, str]]) -> None:
    """A host whose last key ends is told of 14 days before, and one that is replaced until the old key is gone."""
    found = judge_keys(Client(NAME, keys), NOW)
    assert len(found) == len(expected), found
    for each, (grade, words, mend) in zip(found, expected, strict=True):
        same(each, grade, words, mend)
        assert each.check == "client-key" and each.subject == NAME
