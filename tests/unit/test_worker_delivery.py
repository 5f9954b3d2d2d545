"""From what was said to what is recorded (I4, I5, I7)."""

import dataclasses

from test_worker_bag import claim

from hedwig.reply import Reply, Stage
from hedwig.settings import Retry
from hedwig.smtp import Said
from hedwig.spool import Claim, Kind, Recipient, State
from hedwig.worker.attempt import Attempt
from hedwig.worker.delivery import Conclusion, Rules, conclude, given_up

RULES = Rules(Retry(schedule=(60, 120), jitter=0.0), "robot.genee.cn", lambda: 0.5)
OK = Attempt(Said(Stage.DOT, Reply(250, "2.0.0", "ok")), "mx.example.com[192.0.2.1]")
NO = Attempt(Said(Stage.RCPT, Reply(550, "5.1.1", "no such user")), "mx.example.com[192.0.2.1]")
LATER = Attempt(Said(Stage.RCPT, Reply(451, "4.7.1", "greylisted")), "mx.example.com[192.0.2.1]")
LOST = Attempt(Said(Stage.DOT, None, "connection reset"), "mx.example.com[192.0.2.1]")
ORIGINAL = b"Subject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def a_claim(mailfrom: str = "a@example.org", accepted_at: float = 0.0, expires_at: float = 1e9) -> Claim:
    recipients = tuple(Recipient(number, f"r{number}@example.com", 0, 0.0, "") for number in range(4))
    return dataclasses.replace(
        claim(1), recipients=recipients, mailfrom=mailfrom, accepted_at=accepted_at, expires_at=expires_at
    )


def of(conclusion: Conclusion) -> dict[int, State]:
    return {result.number: result.state for result in conclusion.settlement.results}


def test_each_recipient_has_its_own_outcome() -> None:
    conclusion = conclude(a_claim(), {0: OK, 1: NO, 2: LATER, 3: LOST}, RULES, 1000.0, lambda: ORIGINAL)
    assert of(conclusion) == {0: State.DONE, 1: State.DONE, 2: State.DEFERRED, 3: State.DEFERRED}
    assert [line.kind for line in conclusion.lines] == [Kind.DELIVERED, Kind.FAILED, Kind.DEFERRED, Kind.IN_DOUBT]
    assert conclusion.settlement.results[2].due == 1060.0


def test_one_bounce_tells_of_all_that_failed_and_of_no_other() -> None:
    conclusion = conclude(a_claim(), {0: OK, 1: NO, 2: NO, 3: LATER}, RULES, 1000.0, lambda: ORIGINAL)
    (bounce,) = conclusion.settlement.bounces
    content = b"".join(bounce.body.pieces())
    assert (bounce.envelope.mailfrom, bounce.envelope.rcpttos) == ("", ("a@example.org",))
    assert b"r1@example.com" in content
    assert b"r2@example.com" in content
    assert b"r3@example.com" not in content


def test_nothing_answers_a_null_sender() -> None:
    conclusion = conclude(a_claim(mailfrom=""), {1: NO}, RULES, 1000.0, lambda: ORIGINAL)
    assert conclusion.settlement.bounces == ()
    assert of(conclusion) == {1: State.DONE}


def test_recipients_that_were_not_tried_are_handed_back() -> None:
    assert of(conclude(a_claim(), {0: OK}, RULES, 1000.0, lambda: ORIGINAL)) == {0: State.DONE}


def test_what_was_held_past_its_expiry_has_the_time_that_it_was_given() -> None:
    """Older than our own rule allows, and released: the spool's expiry counts, with retries up to it."""
    old, now = a_claim(accepted_at=0.0, expires_at=1_086_400.0), 1_000_000.0
    assert of(conclude(old, {2: LATER}, RULES, now, lambda: ORIGINAL)) == {2: State.DONE}
    released = dataclasses.replace(old, extended=True)
    [result] = conclude(released, {2: LATER}, RULES, now, lambda: ORIGINAL).settlement.results
    assert (result.state, result.due) == (State.DEFERRED, now + 60)
    assert of(conclude(released, {2: LATER}, RULES, 1_086_400.0, lambda: ORIGINAL)) == {2: State.DONE}


def test_who_is_one_too_many_is_handed_back_for_the_next_transaction() -> None:
    """No try is counted and no time passes: a list of hundreds must not wait for the schedule, ten at a time."""
    for reply in (
        Reply(452, "4.5.3", "too many recipients"),
        Reply(552, "", "too many"),
        Reply(451, "4.5.3", "enough"),
    ):
        full = Attempt(Said(Stage.RCPT, reply), "mx.example.com[192.0.2.1]")
        conclusion = conclude(a_claim(), {0: OK, 1: NO, 2: full, 3: full}, RULES, 1000.0, lambda: ORIGINAL)
        assert of(conclusion) == {0: State.DONE, 1: State.DONE}


def test_where_nobody_got_it_one_too_many_is_deferred() -> None:
    """Else a host that always says so would be asked without end."""
    full = Attempt(Said(Stage.RCPT, Reply(452, "4.5.3", "too many recipients")), "mx.example.com[192.0.2.1]")
    conclusion = conclude(a_claim(), {0: NO, 1: LATER, 2: full}, RULES, 1000.0, lambda: ORIGINAL)
    assert of(conclusion) == {0: State.DONE, 1: State.DEFERRED, 2: State.DEFERRED}
    assert conclusion.settlement.results[2].due == 1060.0


def test_what_is_deferred_past_its_expiry_is_given_up_with_a_bounce() -> None:
    conclusion = conclude(a_claim(expires_at=999.0), {0: LATER}, RULES, 1000.0, lambda: ORIGINAL)
    assert conclusion.lines[0].kind is Kind.EXPIRED
    assert of(conclusion) == {0: State.DONE}
    assert len(conclusion.settlement.bounces) == 1


def test_what_is_in_doubt_is_tried_again_even_past_its_expiry() -> None:
    """It may have arrived: a bounce that says it did not would be a lie."""
    conclusion = conclude(a_claim(expires_at=999.0), {0: LOST}, RULES, 1000.0, lambda: ORIGINAL)
    assert conclusion.lines[0].kind is Kind.IN_DOUBT
    assert conclusion.settlement.bounces == ()


def test_a_claim_past_its_expiry_fails_with_what_was_last_heard() -> None:
    recipient = Recipient(0, "r0@example.com", 3, 0.0, "451 4.7.1 greylisted")
    old = dataclasses.replace(a_claim(expires_at=1.0), recipients=(recipient,))
    conclusion = given_up(old, RULES, 1000.0, lambda: ORIGINAL)
    assert conclusion.lines[0].kind is Kind.EXPIRED
    assert b"greylisted" in b"".join(conclusion.settlement.bounces[0].body.pieces())


def test_a_claim_of_which_nothing_was_heard_is_not_said_to_be_untried() -> None:
    """Its deadline may have passed in the midst of its transaction."""
    conclusion = given_up(a_claim(expires_at=1.0), RULES, 1000.0, lambda: ORIGINAL)
    assert conclusion.lines[0].attempt.said.detail.startswith("it did not go out in time")


def test_the_sender_is_warned_once_after_four_hours() -> None:
    waiting = a_claim(accepted_at=1000.0)
    early = conclude(waiting, {0: LATER}, RULES, 1000.0 + 3600, lambda: ORIGINAL)
    assert not early.settlement.warned
    late = conclude(waiting, {0: LATER}, RULES, 1000.0 + 5 * 3600, lambda: ORIGINAL)
    assert late.settlement.warned
    assert len(late.settlement.bounces) == 1
    told = dataclasses.replace(waiting, warned=True)
    assert conclude(told, {0: LATER}, RULES, 1000.0 + 6 * 3600, lambda: ORIGINAL).settlement.bounces == ()


def test_a_try_is_never_put_off_past_the_expiry() -> None:
    conclusion = conclude(a_claim(expires_at=1010.0), {0: LATER}, RULES, 1000.0, lambda: ORIGINAL)
    assert conclusion.settlement.results[0].due == 1010.0


def test_the_workers_own_limit_of_age_counts_too() -> None:
    """`retry.expire` in worker.yml: the smaller of the two decides."""
    rules = Rules(Retry(schedule=(60,), jitter=0.0, expire=100), "robot.genee.cn", lambda: 0.5)
    young = conclude(a_claim(accepted_at=950.0), {0: LATER}, rules, 1000.0, lambda: ORIGINAL)
    assert young.settlement.results[0].due == 1035.0, "a last try shortly before"
    old = conclude(a_claim(accepted_at=900.0), {0: LATER}, rules, 1000.0, lambda: ORIGINAL)
    assert old.lines[0].kind is Kind.EXPIRED
