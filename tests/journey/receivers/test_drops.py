"""The connection is lost: at each stage, closed or reset, pipelined or in lock-step, in mid-reply, between letters."""

import itertools

import pytest

from ..farside import Rule
from ..waiting import until
from .ward import LETTER, Case, Ward

LARGE = LETTER + b"and more, and more, and more\r\n" * 100_000
STAGES = ("mail", "rcpt", "data", "body")
HOW = {"closed": False, "reset": True}
EXTENSIONS = {"pipelining": ("PIPELINING", "8BITMIME"), "lock-step": ("8BITMIME",)}
EACH = list(itertools.product(STAGES, HOW, EXTENSIONS))
DOT = list(itertools.product(HOW, EXTENSIONS))
MID_REPLY = {
    "MAIL": Rule("mail", raw=b"250 o", hang_up=True, times=1),
    "RCPT": Rule("rcpt", raw=b"550-5.1.1 no\r\n", hang_up=True, times=1),
    "DATA": Rule("data", raw=b"35", hang_up=True, times=1),
}


@pytest.fixture(scope="module")
def cases(ward: Ward) -> dict[str, Case]:
    made = {}
    for stage, how, extensions in EACH:
        rule = Rule(stage, hang_up=True, reset=HOW[how], after=100, times=1)
        large = stage == "body"  # too large for the kernel to take it whole, so that its dot is still here
        details = {"extensions": EXTENSIONS[extensions], "content": LARGE if large else LETTER, "narrow": large}
        made[f"{stage} {how} {extensions}"] = ward.case(rule, **details)
    for how, extensions in DOT:
        rule = Rule("dot", hang_up=True, reset=HOW[how], times=1)
        made[f"dot {how} {extensions}"] = ward.case(rule, extensions=EXTENSIONS[extensions])
    for name, rule in MID_REPLY.items():
        made[f"in mid-reply to {name}"] = ward.case(rule)
    made["in mid-reply to the dot"] = ward.case(Rule("dot", raw=b"250 2.0.0 tak", hang_up=True, times=1))
    made["quit"] = ward.case(Rule("quit", hang_up=True, reset=True))
    return made


@pytest.mark.parametrize(("stage", "how", "extensions"), EACH)
def test_before_the_dot_nothing_was_handed_over(cases: dict[str, Case], stage: str, how: str, extensions: str) -> None:
    """No doubt, no second copy: the letter waits for its next try, and arrives once."""
    case = cases[f"{stage} {how} {extensions}"]
    case.deferred("connection closed by the far side" if how == "closed" else "connection ")
    case.delivered()


@pytest.mark.parametrize("name", MID_REPLY)
def test_half_a_reply_is_none(cases: dict[str, Case], name: str) -> None:
    case = cases[f"in mid-reply to {name}"]
    case.deferred("connection closed by the far side")
    case.delivered()


@pytest.mark.parametrize("name", [*(f"dot {how} {extensions}" for how, extensions in DOT), "in mid-reply to the dot"])
def test_after_the_dot_it_is_in_doubt(cases: dict[str, Case], name: str) -> None:
    """Said so, and tried again; the second copy has the same Message-ID, so that a receiver can know it (I5)."""
    case = cases[name]
    case.met("in_doubt", "delivered")
    said = case.history()
    assert said.index("in doubt") < said.rindex("delivered")
    assert [letter.reply for letter in case.far.letters] == ["", "250 2.0.0 taken"]
    assert len({letter.field("Message-ID") for letter in case.far.letters}) == 1
    assert case.far.copies() == dict.fromkeys(case.rcpttos, 1)


def test_after_quit_all_is_said(cases: dict[str, Case]) -> None:
    cases["quit"].delivered_at_once()


@pytest.mark.parametrize("word", ["", "421 4.4.2 idle too long", "250 2.0.0 once more"])
def test_between_letters_it_costs_no_try(ward: Ward, word: str) -> None:
    """A kept connection that has ended, or on which the host speaks out of turn, says nothing about the next letter:
    that goes over a new one, at once."""
    domain, address = ward.place()
    said = f"250 2.0.0 taken\r\n{word}\r\n".encode() if word else b"250 2.0.0 taken\r\n"
    far = ward.world.far(address, *([Rule("dot", raw=said)] if word else []))
    first, second = f"user0@{domain}", f"user1@{domain}"
    ids = [ward.send(LETTER, first)]
    until("the first letter", lambda: far.has(first))
    if not word:
        far.cut()
    ids.append(ward.send(LETTER, second))
    until("the second letter", lambda: far.has(second))
    until("both outcomes", lambda: not ward.waiting() & {first, second})
    assert [ward.kinds(queue_id, rcptto) for queue_id, rcptto in zip(ids, (first, second), strict=True)] == [
        ["delivered"],
        ["delivered"],
    ]
    assert far.connections == 2
    assert far.copies() == {first: 1, second: 1}
