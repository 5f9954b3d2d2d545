"""Receivers that let their replies dribble in, octet by octet: some are only slow, others never come to an end."""

import pytest

from ..farside import Rule
from .ward import Case, Ward

PATIENCE = 4
DEADLINES = dict.fromkeys(("banner", "ehlo", "mail", "rcpt", "data", "dot", "quit"), PATIENCE)
USUAL = {
    "banner": b"220 mx\r\n",
    "ehlo": b"250-mx\r\n250 8BITMIME\r\n",
    "mail": b"250 ok\r\n",
    "rcpt": b"250 ok\r\n",
    "data": b"354 go\r\n",
    "dot": b"250 ok\r\n",
    "quit": b"221 bye\r\n",
}
BEFORE_THE_DOT = [stage for stage in USUAL if stage not in ("dot", "quit")]


@pytest.fixture(scope="module")
def cases(ward: Ward) -> dict[str, Case]:
    slow = {f"slow {stage}": [Rule(stage, raw=raw, drip=0.02)] for stage, raw in USUAL.items()}
    slow["slow everything"] = [Rule(stage, raw=raw, drip=0.02) for stage, raw in USUAL.items()]
    # An octet a second: each one comes long before the deadline, the reply does not.
    times = {"ehlo": 2}
    never = {
        f"endless {stage}": [Rule(stage, raw=raw[:4] + b"x", drip=1.0, endless=True, times=times.get(stage, 1))]
        for stage, raw in USUAL.items()
    }
    return {name: ward.case(*rules) for name, rules in (slow | never).items()}


@pytest.mark.parametrize("stage", [*USUAL, "everything"])
def test_a_slow_reply_is_awaited(cases: dict[str, Case], stage: str) -> None:
    """Old hosts and bad lines: the letter arrives at the first try."""
    cases[f"slow {stage}"].delivered_at_once()


@pytest.mark.parametrize("stage", BEFORE_THE_DOT)
def test_an_endless_dribble_ends_in_time(cases: dict[str, Case], stage: str) -> None:
    """The deadline is for the whole reply: who sends an octet now and then gains nothing. The letter waits, and arrives
    once."""
    case = cases[f"endless {stage}"]
    case.deferred(f"at {stage}; no reply within {PATIENCE} s")
    case.delivered()


def test_a_dribble_after_the_dot_leaves_a_doubt(cases: dict[str, Case]) -> None:
    """The message was sent whole: said to be in doubt, and tried again (I5)."""
    case = cases["endless dot"]
    case.met("in_doubt", "delivered")
    said = case.history()
    assert f"no reply within {PATIENCE} s" in said
    assert said.index("in doubt") < said.rindex("delivered")
    assert len(case.far.letters) == 2


def test_a_dribble_after_quit_changes_nothing(cases: dict[str, Case]) -> None:
    """The letter was delivered before."""
    cases["endless quit"].delivered_at_once()
