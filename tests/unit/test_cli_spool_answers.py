"""`hedwig spool` tells a postoffice that refuses from one that isn't there."""

import pytest

from hedwig.cli.spool import postoffice_by
from hedwig.spool.reasons import Reason
from hedwig.spool.words import State

URL = "https://po.example/"


@pytest.mark.parametrize(
    ("words", "reached", "said"),
    [
        ("the postoffice answered 401: fqdn and key don't fit", True, f"{URL} is reached, and takes nothing"),
        ("the postoffice answered 503: the spool is full", True, f"{URL} is reached, and takes nothing"),
        ("the postoffice answered 502: Bad Gateway", False, f"{URL} can't be reached"),
        ("the postoffice can't be reached: Connection refused", False, f"{URL} can't be reached"),
        ("451 4.3.0 later", True, "answers, and does not take some of it"),
    ],
)
def test_an_answer_is_one_whatever_it_says(words: str, reached: bool, said: str) -> None:
    """nginx's 502 and 504 say that there is no postoffice behind it."""
    found, told = postoffice_by([Reason(State.DEFERRED, words, 1, 0.0, 9, 60.0)], URL)
    assert found is reached
    assert said in told
