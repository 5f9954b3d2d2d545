"""Receivers that take so many recipients in one transaction, and no more."""

import itertools

import pytest

from .ward import Case, Ward

EVERYONE = tuple(f"user{number:02}" for number in range(34))
MOST = 10
EXTENSIONS = {"pipelining": ("PIPELINING", "8BITMIME"), "lock-step": ("8BITMIME",)}
BEYOND = ["452 4.5.3 too many recipients", "452 too many recipients", "552 5.5.3 too many", "552 too many recipients"]


@pytest.fixture(scope="module", params=itertools.product(EXTENSIONS, BEYOND), ids=" ".join)
def limited(ward: Ward, request: pytest.FixtureRequest) -> Case:
    kind, beyond = request.param
    details = {"extensions": EXTENSIONS[kind], "most_rcpttos": MOST, "beyond": beyond}
    return ward.case(users=EVERYONE, **details)


def test_the_rest_goes_in_transactions_of_its_own(limited: Case) -> None:
    """RFC 5321 §4.5.3.1.10: 452, and 552 by old hosts, at RCPT is about the transaction. Who did not fit gets the
    letter in the next one, which follows at once; nobody gets it twice."""
    limited.delivered_at_once()
    assert [len(letter.rcpttos) for letter in limited.far.accepted()] == [10, 10, 10, 4]
