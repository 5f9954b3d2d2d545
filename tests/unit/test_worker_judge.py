"""Recipients under the rules of replies.yml: back-offs, holds, waits, connections, splits, and whose address goes."""

import dataclasses
from collections.abc import Mapping

import pytest
from test_worker_delivery import ORIGINAL, a_claim, of

from hedwig.classify.providers import Providers
from hedwig.classify.said import reply_of
from hedwig.classify.table import Table
from hedwig.config.replies import load_rules
from hedwig.reply import Stage
from hedwig.settings import SITES, Retry
from hedwig.settings.replies import Action
from hedwig.smtp import Said
from hedwig.spool import Claim, Kind, Recipient, State
from hedwig.spool.suppressed import Suppression
from hedwig.verdict import SiteWord
from hedwig.worker.attempt import Attempt
from hedwig.worker.delivery import Conclusion, Rules, conclude, turned_away

RULES = Rules(
    Retry(schedule=(60, 120), jitter=0.0, hold=7200),
    "robot.genee.cn",
    lambda: 0.5,
    table=Table(load_rules(None, SITES)),
    providers=Providers(SITES),
    suppress=86400.0,
)
NOW = 1000.0
MX = "mx.example.com[192.0.2.1]"
OK = "250 2.0.0 ok"


def attempt(text: str, stage: Stage = Stage.RCPT, host: str = MX) -> Attempt:
    return Attempt(Said(Stage.DOT if text.startswith("250") else stage, reply_of(text)), host)


def concluded(said: Mapping[int, str], *, stage: Stage = Stage.RCPT, host: str = MX, **more: object) -> Conclusion:
    claim = more.pop("claim", a_claim())
    assert isinstance(claim, Claim)
    attempts = {number: attempt(text, stage, host) for number, text in said.items()}
    return conclude(claim, attempts, dataclasses.replace(RULES, **more), NOW, lambda: ORIGINAL)


def after(claim: Claim, **changes: object) -> Claim:
    """The claim, its first recipient changed."""
    first = dataclasses.replace(claim.recipients[0], **changes)
    return dataclasses.replace(claim, recipients=(first, *claim.recipients[1:]))


def test_a_limit_costs_no_try_and_closes_the_site() -> None:
    conclusion = concluded({0: "421 HL:IFC 163 http://mail.163.com/help"}, stage=Stage.MAIL)
    [result] = conclusion.settlement.results
    assert (result.state, result.counted, result.due, result.fault_since) == (State.DEFERRED, False, NOW + 3600, 0.0)
    words = "421 HL:IFC 163 http://mail.163.com/help"
    assert conclusion.words == (SiteWord(3600.0, 0, words, "netease-rate", True, "http://mail.163.com/help"),)
    [alarm] = conclusion.alarms
    assert (alarm.site, alarm.ruling.rule, alarm.words, alarm.mx) == ("example.com", "netease-rate", words, MX)
    assert conclusion.settlement.bounces == ()
    assert conclusion.close


def test_the_history_says_which_rule_decided_and_where_it_is_explained() -> None:
    outlook = "a.mail.protection.outlook.com[192.0.2.1]"
    conclusion = concluded({0: "550 5.7.606 Access denied, banned sending IP"}, host=outlook)
    [event] = conclusion.settlement.events
    assert event.detail == "by rule microsoft-banned (blocked, see https://sender.office.com/)"
    assert conclusion.alarms[0].site == "microsoft"
    [event] = concluded({0: "450 HL:REP see http://mail.163.com/help"}).settlement.events
    assert event.detail == "by rule netease-bad-recipients (bad-recipients)", "the reply has the page"
    [event] = concluded({0: "450 hm"}).settlement.events
    assert event.detail == "by its code"


def test_one_word_of_many_recipients() -> None:
    conclusion = concluded(dict.fromkeys(range(4), "450 4.7.1 too many messages"))
    assert [result.due for result in conclusion.settlement.results] == [NOW + 1800] * 4
    assert len(conclusion.words) == len(conclusion.alarms) == 1


def test_a_figure_that_the_reply_names() -> None:
    conclusion = concluded({0: "450 4.7.1 rate limit, try again in 2 hours"})
    assert conclusion.settlement.results[0].due == NOW + 7200
    assert conclusion.words[0].wait == 7200


def test_a_block_with_a_5yz_is_held_and_fails_with_a_report_that_says_so() -> None:
    said = {0: "554 5.7.1 Client host [192.0.2.9] blocked using dnsbl.example"}
    first = concluded(said)
    [result] = first.settlement.results
    assert (result.state, result.counted, result.due) == (State.DEFERRED, False, NOW + 3600)
    assert result.fault_since == NOW
    kept = concluded(said, claim=after(a_claim(), fault_since=NOW - 7000))
    assert kept.settlement.results[0].due == NOW + 200, "once more at the end of `retry.hold`"
    assert kept.settlement.results[0].fault_since == NOW - 7000
    over = concluded(said, claim=after(a_claim(), fault_since=NOW - 7200))
    assert of(over) == {0: State.DONE}
    assert over.lines[0].kind is Kind.FAILED
    assert "this has kept it for 2 h" in over.settlement.events[0].detail
    [bounce] = over.settlement.bounces
    text = b"".join(bounce.body.pieces())
    assert b"5.7.1" in text


def test_a_limit_with_a_4yz_is_never_failed_by_hold() -> None:
    said = {0: "450 4.7.1 rate limit"}
    assert of(concluded(said, claim=after(a_claim(), fault_since=1.0))) == {0: State.DEFERRED}


def test_a_fault_of_ours_is_held() -> None:
    conclusion = concluded({0: "550 5.7.1 rejected: SPF failed"}, stage=Stage.DOT)
    [result] = conclusion.settlement.results
    assert (result.state, result.counted, result.due, result.fault_since) == (State.DEFERRED, False, NOW + 900, NOW)
    assert conclusion.alarms[0].ruling.decision is Action.HOLD
    assert conclusion.words == (), "other senders' mail goes on"
    [word] = concluded({0: "550 5.7.25 no reverse DNS"}).words
    assert (word.wait, word.rule) == (900.0, "ptr")


@pytest.mark.parametrize(
    ("stage", "said", "kept"),
    [
        (Stage.RCPT, "450 4.2.2 mailbox full", False),
        (Stage.RCPT, "450 4.7.1 rate limit", False),
        (Stage.DOT, "550 5.7.1 DMARC", True),
        (Stage.MAIL, "421 4.3.2 shutting down", True),
        (Stage.BANNER, "554 no", True),
    ],
)
def test_how_long_a_fault_has_lasted(stage: Stage, said: str, kept: bool) -> None:
    """Another answer about the message ends it; a host that is not to be talked to does not."""
    conclusion = concluded({0: said}, stage=stage, claim=after(a_claim(), fault_since=900.0))
    assert conclusion.settlement.results[0].fault_since == (900.0 if kept else 0.0)


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.RCPT, Stage.DNS, Stage.LOCAL])
def test_a_connection_that_is_lost_ends_no_fault(stage: Stage) -> None:
    lost = {0: Attempt(Said(stage, None, "connection reset"))}
    conclusion = conclude(after(a_claim(), fault_since=900.0), lost, RULES, NOW, lambda: ORIGINAL)
    assert conclusion.settlement.results[0].fault_since == 900.0


def test_what_is_too_old_expires_held_or_not() -> None:
    conclusion = concluded({0: "550 5.7.1 SPF"}, claim=after(a_claim(expires_at=999.0), fault_since=1.0))
    assert conclusion.lines[0].kind is Kind.EXPIRED


def test_a_recipient_that_is_flooded_waits() -> None:
    host = "mx1.qq.com[192.0.2.1]"
    conclusion = concluded({0: "550 Mailbox unavailable or access denied"}, host=host)
    [result] = conclusion.settlement.results
    assert (result.state, result.due, result.counted) == (State.DEFERRED, NOW + 3600, True)
    assert conclusion.words == ()


def test_a_connection_that_is_worn_is_changed_at_once_and_only_once() -> None:
    said = {0: "450 MI:DMC 163"}
    first = concluded(said, stage=Stage.MAIL)
    assert (first.settlement.results[0].due, first.settlement.results[0].counted) == (NOW, False)
    assert first.close
    again = concluded(said, stage=Stage.MAIL, claim=after(a_claim(), last_reply="450 MI:DMC 163", tries=1))
    assert (again.settlement.results[0].due, again.settlement.results[0].counted) == (NOW + 120, True)
    other = concluded(said, stage=Stage.MAIL, claim=after(a_claim(), last_reply="450 4.2.2 full", tries=1))
    assert other.settlement.results[0].due == NOW


def test_who_is_one_too_many_by_a_rule_goes_in_the_next_transaction() -> None:
    conclusion = concluded({0: OK, 1: "550 RP:RCL 163", 2: "550 RP:RCL 163", 3: "550 5.1.1 no such user"})
    assert of(conclusion) == {0: State.DONE, 3: State.DONE}
    alone = concluded({0: "550 RP:RCL 163"})
    assert (of(alone), alone.settlement.results[0].due) == ({0: State.DEFERRED}, NOW + 60)


def test_a_transaction_that_had_too_many_is_halved() -> None:
    """The half that is handed back goes at once; should that still be too many it is halved again."""
    said = dict.fromkeys(range(4), "452 4.5.3 too many recipients")
    conclusion = concluded(said, stage=Stage.DATA)
    assert of(conclusion) == {2: State.DEFERRED, 3: State.DEFERRED}
    alone = concluded({0: said[0]}, stage=Stage.DATA)
    assert of(alone) == {0: State.DEFERRED}


def test_a_bad_mailbox_is_suppressed() -> None:
    conclusion = concluded({0: "550 5.1.1 <r0@example.com>: user unknown"})
    said = "550 5.1.1 <r0@example.com>: user unknown"
    expected = Suppression("r0@example.com", NOW, NOW + 86400, "rule bad-mailbox", said)
    assert conclusion.settlement.suppress == (expected,)
    detail = conclusion.settlement.events[0].detail
    assert detail == "by rule bad-mailbox (bad-mailbox); the address gets no mail until 1970-01-02 00:16:40 UTC"
    assert len(conclusion.settlement.bounces) == 1


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        (Stage.RCPT, "550 5.7.1 <r0@example.com>: user unknown"),  # with a word on policy: is it, really?
        (Stage.RCPT, "450 4.1.1 user unknown"),
        (Stage.MAIL, "550 5.1.1 user unknown"),  # that is our sender
        (Stage.RCPT, "550 5.1.1 Sender address rejected: user unknown"),
        (Stage.DOT, "554 5.7.1 spam"),
        (Stage.RCPT, "421 5.1.1 user unknown"),
    ],
)
def test_what_is_no_word_on_a_mailbox_suppresses_nothing(stage: Stage, text: str) -> None:
    assert concluded({0: text}, stage=stage).settlement.suppress == ()


def test_what_is_said_of_several_at_the_dot_suppresses_none() -> None:
    said = "554 delivery error: dd This user doesn't have a yahoo.com account"
    assert concluded({0: said, 1: said}, stage=Stage.DOT).settlement.suppress == ()
    assert len(concluded({0: said, 1: "550 5.1.1 no such user"}, stage=Stage.DOT).settlement.suppress) == 0
    claim = a_claim()
    attempts = {0: attempt(said, Stage.DOT), 1: attempt("550 5.2.1 not now", Stage.RCPT)}
    [one] = conclude(claim, attempts, RULES, NOW, lambda: ORIGINAL).settlement.suppress
    assert one.address == "r0@example.com"


def test_it_may_be_off() -> None:
    conclusion = concluded({0: "550 5.1.1 user unknown"}, suppress=0.0)
    assert conclusion.settlement.suppress == ()
    assert of(conclusion) == {0: State.DONE}


def test_a_suppressed_address_fails_at_once_and_the_others_are_handed_back() -> None:
    why = Suppression("r1@example.com", 0.0, 1e10, "rule bad-mailbox", "550 5.1.1 no such user")
    recipients = tuple(
        dataclasses.replace(each, suppressed=why if each.number == 1 else None) for each in a_claim().recipients
    )
    claim = dataclasses.replace(a_claim(), recipients=recipients)
    turned = turned_away(claim)
    conclusion = conclude(claim, turned, RULES, NOW, lambda: ORIGINAL)
    assert of(conclusion) == {1: State.DONE}
    [event] = conclusion.settlement.events
    assert event.reply is not None
    assert str(event.reply) == (
        "550 5.1.1 suppressed since 1970-01-01 00:00:00 UTC by rule bad-mailbox; "
        "`hedwig suppress remove r1@example.com` lifts it: 550 5.1.1 no such user"
    )
    [bounce] = conclusion.settlement.bounces
    assert b"r1@example.com" in b"".join(bounce.body.pieces())
    assert conclusion.settlement.suppress == ()
    assert turned_away(a_claim()) == {}


def test_what_an_operator_suppressed_is_policy() -> None:
    why = Suppression("r0@example.com", 0.0, 1e10, "jia", "asked us to stop")
    claim = dataclasses.replace(a_claim(), recipients=(Recipient(0, "r0@example.com", 0, 0.0, "", suppressed=why),))
    reply = turned_away(claim)[0].said.reply
    assert reply is not None
    assert (reply.enhanced, "by jia" in reply.text, reply.text.endswith("asked us to stop")) == ("5.7.1", True, True)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("550 5.7.1 Service unavailable; client host [192.0.2.101] blocked using zen.spamhaus.org", NOW + 2),
        ("450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.101]", NOW + 2),
        ("450 4.2.0 greylisted, come again", None),
        ("452 4.2.2 mailbox full", None),
    ],
)
def test_what_is_refused_for_its_address_goes_from_another_source_soon(text: str, due: float | None) -> None:
    """No try is counted; all else waits, whatever sources there are."""
    other = dataclasses.replace(attempt(text), elsewhere=True)
    [result] = conclude(a_claim(), {0: other}, RULES, NOW, lambda: ORIGINAL).settlement.results
    [alone] = concluded({0: text}).settlement.results
    assert result == (alone if due is None else dataclasses.replace(alone, due=due))
    assert alone.due > NOW and (due is None or not result.counted)
