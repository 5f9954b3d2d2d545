"""The table of failure with rulings: what a rule of replies.yml changes in a verdict, and what it can't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_verdict import reply_of

from hedwig.classify import UNRULED, Ruling
from hedwig.reply import Reply, Stage
from hedwig.settings.replies import DECISIONS, About, Action
from hedwig.verdict import HOLD_WAIT, Outcome, Scope, SiteWord, Verdict, decide, one_too_many, site_word

DEFERRED, FAILED = Outcome.DEFERRED, Outcome.FAILED
RECIPIENT, MESSAGE, SESSION = Scope.RECIPIENT, Scope.MESSAGE, Scope.SESSION
HOST = (Stage.BANNER, Stage.EHLO, Stage.STARTTLS)


def ruling(action: Action | None, scope: About = About.MESSAGE, seconds: float = 0.0) -> Ruling:
    return Ruling(rule="it", meaning="x", scope=scope, decision=action, seconds=seconds)


FREE = {"counted": False}
RATE = ruling(Action.BACK_OFF, About.ADDRESS, 60)
AUTH = ruling(Action.HOLD, About.SENDER)
WORN = ruling(Action.NEW_CONNECTION, About.CONNECTION)
TABLE: list[tuple[Stage, str, Ruling, Verdict]] = [
    # fail: also a 4yz, for receivers reuse their codes
    (Stage.MAIL, "450 MI:SPB", ruling(Action.FAIL, About.SENDER), Verdict(FAILED, MESSAGE)),
    (Stage.RCPT, "450 RP:FRL", ruling(Action.FAIL, About.RECIPIENT), Verdict(FAILED, RECIPIENT)),
    (Stage.DOT, "554 DT:SPM", ruling(Action.FAIL), Verdict(FAILED, MESSAGE)),
    (Stage.MAIL, "421 MI:SPB", ruling(Action.FAIL, About.SENDER), Verdict(FAILED, MESSAGE, close=True)),
    # but a 421 that is about one recipient is the answer to all that were not asked about yet
    (Stage.RCPT, "421 RP:FRL", ruling(Action.FAIL, About.RECIPIENT), Verdict(DEFERRED, SESSION, close=True, **FREE)),
    # and nothing that is said before MAIL fails a message
    *[
        (stage, "554 no", ruling(Action.FAIL, About.SENDER), Verdict(DEFERRED, SESSION, next_host=True, close=True))
        for stage in HOST
    ],
    # retry: also a 5yz
    (Stage.RCPT, "550 busy", ruling(Action.RETRY, About.RECIPIENT, 3600), Verdict(DEFERRED, RECIPIENT, wait=3600)),
    (Stage.MAIL, "550 quota", ruling(Action.RETRY, About.SENDER, 900), Verdict(DEFERRED, MESSAGE, wait=900, **FREE)),
    (Stage.RCPT, "450 grey", ruling(Action.RETRY, About.RECIPIENT), Verdict(DEFERRED, RECIPIENT)),
    # back-off: costs no try; a 5yz is held; the site's other hosts are let alone
    (Stage.MAIL, "450 rate", RATE, Verdict(DEFERRED, MESSAGE, wait=60, close=True, **FREE)),
    (
        Stage.RCPT,
        "550 rate",
        RATE,
        Verdict(DEFERRED, RECIPIENT, wait=60, held=True, close=True, **FREE),
    ),
    (
        Stage.BANNER,
        "554 blocked",
        RATE,
        Verdict(DEFERRED, SESSION, wait=60, held=True, close=True, **FREE),
    ),
    (
        Stage.BANNER,
        "421 HL:IFC",
        RATE,
        Verdict(DEFERRED, SESSION, wait=60, close=True, **FREE),
    ),
    (
        Stage.DOT,
        "421 4.7.28 rate",
        RATE,
        Verdict(DEFERRED, SESSION, wait=60, close=True, **FREE),
    ),
    # hold
    (Stage.DOT, "550 5.7.26", AUTH, Verdict(DEFERRED, MESSAGE, held=True, **FREE)),
    (Stage.DOT, "421 4.7.27", AUTH, Verdict(DEFERRED, SESSION, held=True, close=True, **FREE)),
    (
        Stage.BANNER,
        "554 no PTR",
        ruling(Action.HOLD, About.ADDRESS),
        Verdict(DEFERRED, SESSION, held=True, next_host=True, close=True, **FREE),
    ),
    # a new connection
    (Stage.MAIL, "450 MI:DMC", WORN, Verdict(DEFERRED, MESSAGE, at_once=True, close=True, **FREE)),
    # too many recipients, whatever the digit
    (Stage.RCPT, "550 RP:RCL", ruling(Action.SPLIT), Verdict(DEFERRED, RECIPIENT)),
    (Stage.DOT, "550 RP:RCL", ruling(Action.SPLIT), Verdict(DEFERRED, MESSAGE)),
    # a rule that decides nothing leaves it to the digit; and 552 with words on the mailbox is no "too many recipients"
    (Stage.RCPT, "550 x", ruling(None), Verdict(FAILED, RECIPIENT)),
    (Stage.RCPT, "450 x", ruling(None), Verdict(DEFERRED, RECIPIENT)),
    (Stage.RCPT, "552 mailbox full", ruling(None), Verdict(FAILED, RECIPIENT)),
]


@pytest.mark.parametrize(("stage", "said", "given_ruling", "expected"), TABLE)
def test_table(stage: Stage, said: str, given_ruling: Ruling, expected: Verdict) -> None:
    assert decide(stage, reply_of(said), "", given_ruling) == expected


def test_every_decision_is_in_the_table() -> None:
    assert {each.decision for _, _, each, _ in TABLE} - {None} == DECISIONS


RULINGS = st.builds(
    Ruling,
    rule=st.just("it"),
    scope=st.sampled_from(About),
    decision=st.none() | st.sampled_from(sorted(DECISIONS)),
    seconds=st.floats(0, 1e5),
)
REPLIES = st.none() | st.builds(
    Reply, st.integers(-1, 10_000), st.sampled_from(["", "2.0.0", "4.7.1", "5.1.1", "5.5.3"]), st.text(max_size=20)
)


@given(st.sampled_from(list(Stage)), REPLIES, RULINGS)
def test_whatever_is_ruled(stage: Stage, reply: Reply | None, given_ruling: Ruling) -> None:
    """No rule delivers, loses a doubt, fails what is about a host, or touches what the far side did not say."""
    plain, verdict = decide(stage, reply), decide(stage, reply, "", given_ruling)
    if plain.outcome in (Outcome.DELIVERED, Outcome.IN_DOUBT):
        assert verdict == plain
    if reply is None or not 400 <= reply.code < 600 or stage in (Stage.LOCAL, Stage.DNS, Stage.QUIT):
        assert (verdict.outcome, verdict.held, verdict.wait) == (plain.outcome, False, 0.0)
    if verdict.outcome is FAILED:
        assert stage not in HOST
        assert verdict.scope is not SESSION
        assert verdict.counted
    if plain.close:
        assert verdict.close
    if verdict.held or verdict.at_once:
        assert verdict.outcome is DEFERRED
        assert not verdict.counted


def test_who_is_one_too_many_by_a_rule() -> None:
    split, other = ruling(Action.SPLIT), ruling(Action.RETRY)
    assert one_too_many(Stage.RCPT, reply_of("550 RP:RCL"), split)
    assert not one_too_many(Stage.DOT, reply_of("550 RP:RCL"), split)
    assert not one_too_many(Stage.RCPT, reply_of("421 RP:RCL"), split), "the session is over: nobody else was asked"
    assert not one_too_many(Stage.RCPT, reply_of("452 4.5.3 x"), other)
    assert one_too_many(Stage.RCPT, reply_of("452 4.5.3 x"), UNRULED)


def test_words_on_the_way_to_the_site() -> None:
    rate = Ruling(
        "r", "rate", About.ADDRESS, Action.BACK_OFF, 3600.0, alert=True, one_connection=True, help="https://x/"
    )
    reply = reply_of("421 4.7.0 slow down")
    assert site_word(reply, rate) == SiteWord(3600.0, 1, "421 4.7.0 slow down", "r", True, "https://x/")
    ptr = ruling(Action.HOLD, About.ADDRESS)
    assert site_word(reply, ptr) == SiteWord(HOLD_WAIT, 0, "421 4.7.0 slow down", "it", False, "")
    assert site_word(reply, AUTH) is None, "other senders' mail goes on"
    assert site_word(reply, ruling(Action.RETRY, About.SENDER, 900)) is None
    assert site_word(None, rate) is None
    assert site_word(reply, UNRULED) is None
