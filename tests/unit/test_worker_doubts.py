"""What is in doubt: tried again, held, or tried once more, as its client's policy says (I5)."""

import dataclasses

import pytest
from test_worker_delivery import LATER, LOST, NO, OK, ORIGINAL, RULES, a_claim, of

from hedwig.options import OnDoubt, Options
from hedwig.reply import Stage
from hedwig.smtp import Said
from hedwig.spool import Claim, Kind, State
from hedwig.worker.attempt import Attempt
from hedwig.worker.delivery import Conclusion, conclude, given_up

TALK = "* mx.example.com[192.0.2.1]:25, TLSv1.3\n> EHLO robot.genee.cn\n< 250 DSN\n> MAIL FROM:<a@example.org>"
CUT = dataclasses.replace(LOST, talk=TALK)
HOLD = Options(on_doubt=OnDoubt.HOLD)
ONCE = Options(on_doubt=OnDoubt.RETRY_ONCE)


def with_options(options: Options, doubts: int = 0, **changes: float) -> Claim:
    claim = a_claim(**changes)
    recipients = tuple(dataclasses.replace(each, doubts=doubts) for each in claim.recipients)
    return dataclasses.replace(claim, options=options, recipients=recipients)


def kinds(conclusion: Conclusion) -> list[tuple[Kind, str]]:
    return [(event.kind, event.rcptto) for event in conclusion.settlement.events]


@pytest.mark.parametrize(
    ("options", "doubts", "state", "due"),
    [
        (Options(), 0, State.DEFERRED, 1060.0),
        (Options(), 7, State.DEFERRED, 1060.0),
        (HOLD, 0, State.HELD, 0.0),
        (HOLD, 1, State.HELD, 0.0),
        (ONCE, 0, State.DEFERRED, 1060.0),
        (ONCE, 1, State.HELD, 0.0),
        (ONCE, 2, State.HELD, 0.0),
    ],
)
def test_the_policy_decides(options: Options, doubts: int, state: State, due: float) -> None:
    """Each doubt is counted, whatever becomes of it; the reason is what the operator's list shows."""
    conclusion = conclude(with_options(options, doubts), {0: CUT}, RULES, 1000.0, lambda: ORIGINAL)
    (result,) = conclusion.settlement.results
    assert (result.state, result.due, result.in_doubt, result.counted) == (state, due, True, True)
    assert result.reply == "in doubt: connection reset"
    told = [Kind.IN_DOUBT, Kind.HELD] if state is State.HELD else [Kind.IN_DOUBT]
    assert [line.kind for line in conclusion.lines] == told
    assert conclusion.settlement.bounces == ()


@pytest.mark.parametrize("options", [HOLD, ONCE])
def test_only_doubt_is_held(options: Options) -> None:
    """Delivered, refused and deferred go their usual way, beside one that is in doubt; none of them counts as one."""
    conclusion = conclude(with_options(options, 1), {0: OK, 1: NO, 2: LATER, 3: CUT}, RULES, 1000.0, lambda: ORIGINAL)
    assert of(conclusion) == {0: State.DONE, 1: State.DONE, 2: State.DEFERRED, 3: State.HELD}
    assert [result.in_doubt for result in conclusion.settlement.results] == [False, False, False, True]


def test_why_it_is_held_is_in_the_history() -> None:
    """Which policy, beside what happened; and the conversation once, for all recipients together."""
    conclusion = conclude(with_options(HOLD), {0: CUT, 1: CUT}, RULES, 1000.0, lambda: ORIGINAL)
    first, second = "r0@example.com", "r1@example.com"
    assert kinds(conclusion) == [
        (Kind.IN_DOUBT, first),
        (Kind.HELD, first),
        (Kind.IN_DOUBT, second),
        (Kind.HELD, second),
        (Kind.IN_DOUBT, ""),
    ]
    doubt, held, *_, talk = conclusion.settlement.events
    assert (doubt.stage, doubt.host, doubt.detail) == (Stage.DOT, "mx.example.com[192.0.2.1]", "connection reset")
    assert "on_doubt: hold" in held.detail
    assert talk.detail == TALK


def test_the_second_doubt_says_so() -> None:
    """retry-once."""
    conclusion = conclude(with_options(ONCE, 1), {0: CUT}, RULES, 1000.0, lambda: ORIGINAL)
    assert "second time" in conclusion.settlement.events[1].detail
    assert "on_doubt: retry-once" in conclusion.settlement.events[1].detail


def test_a_first_doubt_keeps_its_conversation_too() -> None:
    """retry-once, tried again: whoever looks later sees how the first try went."""
    conclusion = conclude(with_options(ONCE), {0: CUT}, RULES, 1000.0, lambda: ORIGINAL)
    assert [event.detail for event in conclusion.settlement.events] == ["connection reset", TALK]


def test_without_a_conversation_there_is_none() -> None:
    """Clients with `retry`: nothing was kept, nothing is written."""
    conclusion = conclude(with_options(Options()), {0: LOST}, RULES, 1000.0, lambda: ORIGINAL)
    assert kinds(conclusion) == [(Kind.IN_DOUBT, "r0@example.com")]


def test_a_conversation_without_doubt_is_not_kept() -> None:
    """The reply came: what was said on the way is nobody's business."""
    conclusion = conclude(with_options(HOLD), {0: dataclasses.replace(OK, talk=TALK)}, RULES, 1000.0, lambda: ORIGINAL)
    assert kinds(conclusion) == [(Kind.DELIVERED, "r0@example.com")]


def test_nobody_is_warned_of_what_is_held() -> None:
    """ "It is tried again until ..." would be a lie."""
    claim = with_options(HOLD, accepted_at=0.0)
    conclusion = conclude(claim, {0: CUT}, RULES, 5 * 3600.0, lambda: ORIGINAL)
    assert conclusion.settlement.bounces == ()
    assert not conclusion.settlement.warned


def body_of(conclusion: Conclusion) -> str:
    """The bounce's text for people."""
    import email
    import email.policy

    (bounce,) = conclusion.settlement.bounces
    parsed = email.message_from_bytes(b"".join(bounce.body.pieces()), policy=email.policy.SMTP)
    return next(iter(parsed.iter_parts())).get_content()


def test_who_was_in_doubt_before_is_said_so_when_it_is_given_up() -> None:
    """Past its expiry, or refused at the second try: the first copy may have arrived."""
    claim = with_options(Options(), 1, expires_at=999.0)
    old = given_up(dataclasses.replace(claim, recipients=claim.recipients[:1]), RULES, 1000.0, lambda: ORIGINAL)
    assert "may have it" in body_of(old)
    refused = conclude(with_options(Options(), 1), {0: NO}, RULES, 1000.0, lambda: ORIGINAL)
    assert "may have it" in body_of(refused)
    never = conclude(with_options(Options()), {0: NO}, RULES, 1000.0, lambda: ORIGINAL)
    assert "may have it" not in body_of(never)


def test_past_its_senders_deadline_it_fails_with_a_status_of_its_own() -> None:
    """Deferred in vain until Hedwig-Expires: 5.4.7, and the history says why; the next try is not put off beyond it."""
    waits = conclude(with_options(Options(deadline=1010.0)), {0: LATER}, RULES, 1000.0, lambda: ORIGINAL)
    assert waits.settlement.results[0].due == 1010.0
    late = conclude(with_options(Options(deadline=1000.0)), {0: LATER}, RULES, 1000.0, lambda: ORIGINAL)
    assert late.lines[0].kind is Kind.EXPIRED
    assert "deadline" in late.settlement.events[0].detail
    assert "set a deadline" in body_of(late)
    assert b"Status: 5.4.7" in b"".join(late.settlement.bounces[0].body.pieces())


def test_a_lost_connection_before_the_dot_is_no_doubt() -> None:
    """Stage DATA, whatever the policy."""
    lost = Attempt(Said(Stage.DATA, None, "connection reset"), talk=TALK)
    conclusion = conclude(with_options(HOLD), {0: lost}, RULES, 1000.0, lambda: ORIGINAL)
    assert of(conclusion) == {0: State.DEFERRED}
    assert kinds(conclusion) == [(Kind.DEFERRED, "r0@example.com")]
