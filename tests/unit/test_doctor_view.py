"""How doctor's findings are shown: the table's lines, and one line each for the journal."""

import pytest

from hedwig.cli.doctor_view import line_of, text_of
from hedwig.doctor.finding import NOTHING, Check, Finding, Text, in_file

CHECK = Check("spf", "d.example")
SEEN = Text("it is wrong", "不对")


@pytest.mark.parametrize(
    ("found", "english", "chinese"),
    [
        (CHECK.passed(SEEN), "pass: spf d.example: it is wrong", "通过: spf d.example: 不对"),
        (
            CHECK.fail(SEEN, "a: b", in_file("x.yml")),
            *("FAIL: spf d.example: it is wrong; into x.yml: a: b", "失败: spf d.example: 不对; 写入 x.yml: a: b"),
        ),
        (
            CHECK.warn(SEEN, where=Text("did you mean x?", "是不是 x？")),
            *("WARN: spf d.example: it is wrong; did you mean x?", "注意: spf d.example: 不对; 是不是 x？"),
        ),
        (
            CHECK.fail(SEEN, "a: b", NOTHING),
            "FAIL: spf d.example: it is wrong; a: b",
            "失败: spf d.example: 不对; a: b",
        ),
    ],
)
def test_a_line_for_the_journal(found: Finding, english: str, chinese: str) -> None:
    assert (line_of(found, chinese=False), line_of(found, chinese=True)) == (english, chinese)


def test_below_a_finding_stands_what_to_do() -> None:
    """A sentence ends as it does; one before a line ends in a colon."""
    two = [CHECK.fail(SEEN, "a: b", in_file("x.yml")), CHECK.warn(SEEN, where=Text("ask them", "请询问对方"))]
    assert text_of(two, chinese=True) == [
        *("失败  spf  d.example", "    不对", "    -> 写入 x.yml：", "       a: b"),
        *("注意  spf  d.example", "    不对", "    -> 请询问对方", "", "共 2 项：1 注意，1 失败"),
    ]
