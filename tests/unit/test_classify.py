"""The first digit decides, and what is not understood means retry."""

import pytest

from hedwig.classify import Weight, understood, weigh
from hedwig.reply import Reply


@pytest.mark.parametrize(
    ("code", "weight", "known"),
    [
        (200, Weight.POSITIVE, True),
        (250, Weight.POSITIVE, True),
        (299, Weight.POSITIVE, True),
        (354, Weight.TEMPORARY, False),
        (399, Weight.TEMPORARY, False),
        (400, Weight.TEMPORARY, True),
        (421, Weight.TEMPORARY, True),
        (499, Weight.TEMPORARY, True),
        (500, Weight.PERMANENT, True),
        (554, Weight.PERMANENT, True),
        (599, Weight.PERMANENT, True),
        (0, Weight.TEMPORARY, False),
        (55, Weight.TEMPORARY, False),
        (100, Weight.TEMPORARY, False),
        (600, Weight.TEMPORARY, False),
        (999, Weight.TEMPORARY, False),
        (5500, Weight.TEMPORARY, False),
        (-250, Weight.TEMPORARY, False),
    ],
)
def test_weight_of_a_code(code: int, weight: Weight, known: bool) -> None:
    """Nothing outside 2yz is a yes, nothing outside 5yz a no."""
    assert weigh(Reply(code, "", "words")) is weight
    assert understood(Reply(code, "", "words")) is known


def test_words_and_status_do_not_outweigh_the_code() -> None:
    """An enhanced status that contradicts the code is the receiver's slip."""
    assert weigh(Reply(450, "5.1.1", "no such user")) is Weight.TEMPORARY
    assert weigh(Reply(550, "4.2.1", "try later")) is Weight.PERMANENT
