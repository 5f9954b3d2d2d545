"""What a receiver says at MAIL, RCPT, DATA and after the dot: 2yz, 4yz, 5yz, and mixtures of them by recipient."""

import itertools

import pytest

from ..farside import Rule
from ..waiting import until
from .ward import Case, Ward

EXTENSIONS = {"pipelining": ("PIPELINING", "8BITMIME"), "lock-step": ("8BITMIME",)}
LATER = {
    "MAIL 4yz": Rule("mail", "451 4.7.1 try later", times=1),
    "MAIL 421": Rule("mail", "421 4.3.2 shutting down", times=1),
    "RCPT 4yz": Rule("rcpt", "450 4.7.1 greylisted", times=1),
    "RCPT 421": Rule("rcpt", "421 4.7.0 too many of you", times=1),
    "RCPT 552, too many": Rule("rcpt", "552 5.5.3 too many recipients", times=1),
    "DATA 4yz": Rule("data", "452 4.3.1 no space", times=1),
    "DATA 421": Rule("data", "421 4.3.2 shutting down", times=1),
    "dot 4yz": Rule("dot", "451 4.3.0 the scanner is away", times=1),
    "dot 421": Rule("dot", "421 4.3.2 shutting down", times=1),
    "dot, no status": Rule("dot", "450 later", times=1),
}
NEVER = {
    "MAIL 5yz": (Rule("mail", "550 5.7.1 your sender is blocked"), "5.7.1", "550 5.7.1 your sender is blocked"),
    "RCPT 5yz": (Rule("rcpt", "550 5.1.1 nobody here"), "5.1.1", "550 5.1.1 nobody here"),
    "RCPT 552, full": (Rule("rcpt", "552 5.2.2 mailbox full"), "5.2.2", "552 5.2.2 mailbox full"),
    "RCPT, no status": (Rule("rcpt", "553 no such mailbox"), "5.0.0", "553 no such mailbox"),
    "RCPT, wrong status": (Rule("rcpt", "550 2.1.5 odd"), "5.0.0", "550 2.1.5 odd"),
    "DATA 5yz": (Rule("data", "554 5.7.1 no mail on Sundays"), "5.7.1", "554 5.7.1 no mail on Sundays"),
    "dot 5yz": (Rule("dot", "554 5.7.1 this is spam"), "5.7.1", "554 5.7.1 this is spam"),
    "dot 552": (Rule("dot", "552 5.3.4 too large"), "5.3.4", "552 5.3.4 too large"),
}
ODD = {
    "MAIL 354": Rule("mail", "354 go ahead", times=1),
    "RCPT 354": Rule("rcpt", "354 go ahead", times=1),
    "DATA 250": Rule("data", "250 2.0.0 go ahead", times=1),
    "dot 354": Rule("dot", "354 go ahead", times=1),
    "RCPT 650": Rule("rcpt", "650 5.1.1 nobody here", times=1),
    "RCPT 199": Rule("rcpt", "199 wait", times=1),
    "dot 99": Rule("dot", "99 taken", times=1),
}
LATER_EACH, NEVER_EACH = (list(itertools.product(table, EXTENSIONS)) for table in (LATER, NEVER))


def again(rule: Rule) -> Rule:
    """The same rule, for another receiver."""
    return Rule(rule.stage, rule.reply, times=rule.times)


@pytest.fixture(scope="module")
def cases(ward: Ward) -> dict[str, Case]:
    single = LATER | {name: rule for name, (rule, _, _) in NEVER.items()}
    made = {
        f"{name} {kind}": ward.case(again(single[name]), extensions=EXTENSIONS[kind])
        for name, kind in LATER_EACH + NEVER_EACH
    }
    return made | {name: ward.case(rule) for name, rule in ODD.items()}


@pytest.mark.parametrize(("name", "kind"), LATER_EACH)
def test_not_now_means_later(cases: dict[str, Case], name: str, kind: str) -> None:
    """Deferred with the receiver's words; then it arrives, once."""
    case = cases[f"{name} {kind}"]
    case.deferred(LATER[name].reply)
    case.delivered()


@pytest.mark.parametrize(("name", "kind"), NEVER_EACH)
def test_no_means_a_bounce(cases: dict[str, Case], name: str, kind: str) -> None:
    """The sender reads the receiver's words, and its status; it is not tried a second time."""
    case = cases[f"{name} {kind}"]
    case.bounced(*NEVER[name][1:])
    assert len(case.far.said("MAIL FROM")) == 1


@pytest.mark.parametrize("name", ODD)
def test_what_means_nothing_decides_nothing(cases: dict[str, Case], name: str) -> None:
    """A code that can't be meant there: no delivery, no bounce; a word after the dot may mean that it was taken."""
    case = cases[name]
    if ODD[name].stage == "dot":
        case.met("in_doubt", "delivered")
        assert "protocol error" in case.history()
        return
    case.deferred("protocol error")
    case.delivered()


MIXED = {
    "ok": "",
    "no": "550 5.1.1 nobody here",
    "grey": "451 4.7.1 greylisted",
    "full": "552 5.2.2 mailbox full",
    "fine": "",
    "slow": "450 4.2.1 mailbox busy",
}


@pytest.fixture(scope="module", params=EXTENSIONS)
def mixed(ward: Ward, request: pytest.FixtureRequest) -> Case:
    rules = [
        Rule("rcpt", reply, to=f"<{user}@", times=1 if reply[0] == "4" else 99)
        for user, reply in MIXED.items()
        if reply
    ]
    return ward.case(*rules, users=tuple(MIXED), extensions=EXTENSIONS[request.param])


def test_each_recipient_has_its_own_outcome(mixed: Case) -> None:
    """Taken: once, and never again; put off: later, once; refused: one report that names each with its words (I4)."""
    taken = {f"{user}@{mixed.domain}" for user, reply in MIXED.items() if reply[:1] != "5"}
    refused = {f"{user}@{mixed.domain}": reply.split()[1] for user, reply in MIXED.items() if reply[:1] == "5"}
    until("all letters", lambda: len(mixed.far.copies()) == len(taken))
    until("all outcomes", lambda: not mixed.ward.waiting() & set(mixed.rcpttos))
    assert mixed.far.copies() == dict.fromkeys(taken, 1)
    reports = [mixed.ward.bounce(rcptto) for rcptto in refused]
    assert all(report.failed == refused for report in reports)
    assert all(reply in " ".join(reports[0].text.split()) for reply in MIXED.values() if reply[:1] == "5")
    for user, reply in MIXED.items():
        asked = mixed.far.said(f"RCPT TO:<{user}@")
        assert len(asked) == (2 if reply[:1] == "4" else 1), user
    said = mixed.history()
    assert "451 4.7.1 greylisted" in said and "450 4.2.1 mailbox busy" in said


@pytest.fixture(scope="module", params=itertools.product(EXTENSIONS, ["data", "dot"]), ids=" ".join)
def mixed_then_refused(ward: Ward, request: pytest.FixtureRequest) -> tuple[Case, str]:
    kind, stage = request.param
    rules = [Rule("rcpt", "451 4.7.1 greylisted", to="<grey@", times=1), Rule(stage, "554 5.7.1 spam", times=1)]
    return ward.case(*rules, users=("ok", "grey"), extensions=EXTENSIONS[kind]), stage


def test_a_refusal_of_the_message_is_for_those_who_were_accepted(mixed_then_refused: tuple[Case, str]) -> None:
    """Who had been put off before is not among them, and gets the letter later (the refusal was said once)."""
    case, _ = mixed_then_refused
    ok, grey = case.rcpttos
    until("the other's letter", lambda: case.far.has(grey))
    report = case.ward.bounce(ok)
    assert report.failed == {ok: "5.7.1"}
    until("both outcomes", lambda: not case.ward.waiting() & {ok, grey})
    assert case.far.copies() == {grey: 1}


@pytest.fixture(scope="module", params=EXTENSIONS)
def all_refused(ward: Ward, request: pytest.FixtureRequest) -> Case:
    """Who announces PIPELINING gets DATA before its refusals are heard, and may answer 354 to it all the same."""
    rules = [Rule("rcpt", "550 5.1.1 nobody here")]
    return ward.case(*rules, users=("a", "b"), extensions=EXTENSIONS[request.param])


def test_where_nobody_is_accepted_no_message_is_sent(all_refused: Case) -> None:
    """Not even an empty one."""
    all_refused.bounced("5.1.1", "550 5.1.1 nobody here")
    assert all_refused.far.letters == []
    assert bool(all_refused.far.said("DATA")) == ("PIPELINING" in all_refused.far.extensions)
