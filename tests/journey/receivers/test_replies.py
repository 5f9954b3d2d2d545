"""What receivers mean by their replies: limits, faults of ours, mailboxes that are gone. By the shipped rules."""

import json

import pytest

from .. import reports
from ..farside import Rule
from ..waiting import until
from .ward import LETTER, Case, Ward

WORKER = {"retry": {"schedule": ["1s"], "jitter": "0%", "hold": "3s"}, "suppress": "1h"}
FLOOD = "421 4.7.28 unusual rate of mail; see https://receiver.example/flood"
NO_SPF = "550 5.7.23 the SPF record does not name you"
NO_USER = "550 5.1.1 no such user"


def tries(case: Case) -> list[int]:
    """Of each recipient that waits."""
    shown = case.ward.host.hedwig("queue", "--json", "--site", case.domain)
    return [row["tries"] for row in json.loads(shown)[0]["queued"]]


@pytest.fixture(scope="module")
def limited(ward: Ward) -> Case:
    """It says 421 at MAIL, to everybody."""
    case = ward.case(Rule("mail", FLOOD), users=("one", "two"))
    case.met("deferred")
    return case


def test_a_limit_costs_no_try_and_no_letter(limited: Case) -> None:
    """Both recipients wait for half an hour; neither is charged."""
    assert tries(limited) == [0, 0]
    said = limited.history()
    assert "next try in 29 min" in said or "next try in 30 min" in said
    assert not limited.far.copies()


def test_the_history_names_the_rule_and_the_receivers_page(limited: Case) -> None:
    said = limited.history()
    assert "by rule rate (rate)" in said
    assert "https://receiver.example/flood" in said


def test_the_operator_hears_of_a_limit_once(limited: Case) -> None:
    """However many recipients meet it; and while it rests, nobody asks it again."""
    asked = len(limited.far.said("MAIL"))
    limited.send(LETTER)
    told = limited.ward.host["worker-1"].words()
    alerts = [line for line in told.splitlines() if "alert:" in line and limited.domain in line]
    assert len(alerts) == 1
    assert "limits or blocks this host" in alerts[0]
    assert FLOOD in alerts[0]
    assert len(limited.far.said("MAIL")) == asked == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "dot"])
def test_a_fault_of_ours_is_held_and_then_told(ward: Ward, stage: str) -> None:
    """Not bounced at once, as its 5yz would have it; and when nobody has mended it in time, with a report that says
    whose fault it is."""
    case = ward.case(Rule(stage, NO_SPF))
    case.deferred("by rule authentication (auth)")
    report = ward.bounce(case.rcpttos[0])
    assert report.failed == {case.rcpttos[0]: "5.7.23"}
    said = " ".join(report.text.split())
    assert "不是收件地址有误" in said
    assert "The recipient's address is not at fault" in said
    assert NO_SPF in said
    assert ward.kinds(case.queue_id, case.rcpttos[0])[0] == "deferred"
    assert "this has kept it for" in case.history()
    assert not case.far.copies()


def test_a_fault_that_is_mended_in_time_costs_nothing(ward: Ward) -> None:
    case = ward.case(Rule("dot", NO_SPF, times=1))
    case.delivered()
    assert ward.kinds(case.queue_id, case.rcpttos[0]) == ["deferred", "delivered"]


def test_a_greeting_for_want_of_a_ptr_is_held(ward: Ward) -> None:
    """The receiver rests meanwhile; an operator who ends that has it asked again."""
    case = ward.case(Rule("banner", "554 5.7.1 no reverse DNS for your address"))
    case.deferred("by rule ptr (ptr)")

    def asked_again() -> bool:
        ward.host.try_hedwig("site", "resume", case.domain)
        return "failed" in ward.kinds(case.queue_id, case.rcpttos[0])

    until("the end of the hold", asked_again, pause=1.0)
    report = ward.bounce(case.rcpttos[0])
    assert "The recipient's address is not at fault" in " ".join(report.text.split())
    assert "by rule ptr (ptr)" in case.history()


def test_a_mailbox_that_is_gone_gets_no_second_letter(ward: Ward) -> None:
    """The second fails at once, nobody is asked, and its sender is told why and what lifts it; then it does."""
    case = ward.case(Rule("rcpt", NO_USER, times=1))
    [rcptto] = case.rcpttos
    assert ward.bounce(rcptto).failed == {rcptto: "5.1.1"}
    assert "the address gets no mail until" in case.history()
    asked = len(case.far.said("RCPT"))
    case.send(LETTER)
    case.met("failed")
    assert f"`hedwig suppress remove {rcptto}` lifts it: {NO_USER}" in case.history()
    assert len(case.far.said("RCPT")) == asked == 1
    told = until("two reports", lambda: _told(ward, rcptto, 2))
    assert all(report.failed == {rcptto: "5.1.1"} for report in told)
    assert rcptto in ward.host.hedwig("suppress", "list")
    ward.host.hedwig("suppress", "remove", rcptto)
    case.send(LETTER)
    case.met("delivered")


def _told(ward: Ward, rcptto: str, count: int) -> list[reports.Report]:
    found = [report for letter in ward.home.accepted() if rcptto in (report := reports.read(letter)).failed]
    return found if len(found) == count else []


def test_spam_is_failed_and_the_operator_hears_of_it(ward: Ward) -> None:
    case = ward.case(Rule("dot", "554 5.7.1 this looks like spam"))
    case.bounced("5.7.1", "this looks like spam")
    assert "by rule spam (spam)" in case.history()
    assert f"{case.domain} minds our mail" in ward.host["worker-1"].words()
    assert case.rcpttos[0] not in ward.host.hedwig("suppress", "list")


def test_a_worn_connection_is_changed_at_once(ward: Ward) -> None:
    case = ward.case(Rule("mail", "450 4.7.0 too many messages per connection", times=1))
    case.delivered()
    assert "by rule messages-per-connection" in case.history()
    assert len({letter.connection for letter in case.far.accepted()}) == 1
    assert case.far.connections == 2
