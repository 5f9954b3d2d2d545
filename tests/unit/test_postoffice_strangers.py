"""401s in a loop don't fill postoffice's journal; each client that is turned away is told all the same."""

from collections.abc import Iterator

import pytest

from hedwig import log
from hedwig.postoffice.strangers import Strangers
from hedwig.quiet import LINES, MINUTE


@pytest.fixture
def lines() -> Iterator[list[tuple[str, dict[str, str]]]]:
    found: list[tuple[str, dict[str, str]]] = []
    log.start("test")
    log.capture(lambda _level, message, fields: found.append((message, fields)))
    yield found
    log.start("test")


def test_one_line_a_minute_for_a_name_from_an_address(lines: list[tuple[str, dict[str, str]]]) -> None:
    """A mailman with a revoked key, for three minutes: three lines, the later ones with the count."""
    now = 1000.0
    strangers = Strangers(lambda: now)
    for _ in range(3):
        for _ in range(50):
            strangers.tell("less.example.com", "192.0.2.7")
        now += MINUTE
    told = "401: fqdn 'less.example.com' from 192.0.2.7: no such client, or a wrong key"
    counted = f"{told} (49 more in the minute before)"
    assert [message for message, _ in lines] == [told, counted, counted]
    assert lines[0][1]["HEDWIG_CLIENT"] == "'less.example.com'"
    assert lines[0][1]["HEDWIG_PEER"] == "192.0.2.7"
    assert lines[0][1]["HEDWIG_EVENT"] == "stranger"


def test_another_name_and_another_address_have_lines_of_their_own(lines: list[tuple[str, dict[str, str]]]) -> None:
    strangers = Strangers(lambda: 1000.0)
    for fqdn in ("a.example", "b.example"):
        for peer in ("192.0.2.7", "192.0.2.8"):
            strangers.tell(fqdn, peer)
    assert len(lines) == 4


def test_ever_new_names_from_one_address_are_bounded(lines: list[tuple[str, dict[str, str]]]) -> None:
    """Names cost the one who tries keys nothing: the address is what repeats itself."""
    now = 1000.0
    strangers = Strangers(lambda: now)
    for number in range(900):
        strangers.tell(f"h{number}.example", "192.0.2.7")
    strangers.tell("honest.example", "192.0.2.8")
    assert len(lines) == LINES + 1
    now += MINUTE
    strangers.tell("h0.example", "192.0.2.7")
    assert lines[-1][0].endswith(f"({900 - LINES} more in the minute before)")


def test_a_name_from_outside_stays_within_its_line(lines: list[tuple[str, dict[str, str]]]) -> None:
    """I11; and what is remembered of it is short."""
    Strangers(lambda: 1000.0).tell("a\r\nMESSAGE=forged " + "x" * 5000, "192.0.2.7")
    ((message, fields),) = lines
    assert "\n" not in message and len(message) < 300
    assert "\n" not in fields["HEDWIG_CLIENT"]
