"""How the operator's command writes what comes from outside."""

import pytest

from hedwig.cli.terminal import clean


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\ufeff", "\u3164", "\u034f", "\U000e0041"]
)
def test_what_hides_or_turns_a_line_is_escaped(hidden: str) -> None:
    """Also what Python calls printable and no screen shows."""
    escape = ascii(hidden)[1:-1]
    assert clean(f"a{hidden}b é 中文 e\u0301") == f"a{escape}b é 中文 e\u0301"
