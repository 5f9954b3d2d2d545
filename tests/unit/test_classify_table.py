"""The table of replies: which rule is for a reply, and whose reply it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.classify import UNRULED
from hedwig.classify.providers import Providers
from hedwig.classify.said import reply_of
from hedwig.classify.table import EMPTY, Table
from hedwig.reply import Reply, Stage
from hedwig.settings import SITES, ReplyRule, SiteRule
from hedwig.settings.replies import About, Action, Step


def is_for(rule: ReplyRule, text: str, provider: str = "", stage: Stage = Stage.RCPT) -> bool:
    return Table({"it": rule}).ruling(provider, stage, reply_of(text)).rule == "it"


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        (ReplyRule(code=("421",)), "421 x", "450 x"),
        (ReplyRule(code=("4yz", "552")), "499 x", "550 x"),
        (ReplyRule(code=("4yz", "552")), "552 x", "553 x"),
        (ReplyRule(code=("55z",)), "559 x", "560 x"),
        (ReplyRule(status=("5.1.1",)), "550 5.1.1 x", "550 5.1.10 x"),
        (ReplyRule(status=("x.7.26",)), "450 4.7.26 x", "450 4.7.27 x"),
        (ReplyRule(status=("5.7.x",)), "550 5.7.999 x", "450 4.7.1 x"),
        (ReplyRule(status=("4.7.500-699",)), "451 4.7.500 x", "451 4.7.700 x"),
        (ReplyRule(status=("5.1.1",)), "550 sorry (#5.1.1)", "550 sorry"),
        (ReplyRule(text=("User Unknown",)), "550 5.1.1 <a@b.example>: USER   unknown", "550 user is unknown"),
        (ReplyRule(text=("throttl",)), "450 throttled", "450 trotted"),
        (ReplyRule(text=("too many mails",)), "450 you sent too many mails", "450 tattoo many mails"),
        (ReplyRule(text=("[TSS04]",)), "421 4.7.0 [TSS04] x", "421 4.7.0 TSS04 x"),
        (ReplyRule(text=("没有此用户",)), "550 没有此用户", "550 有此用户"),
        (ReplyRule(text=("nothing", "user")), "550 user", "550 x"),
        (ReplyRule(pattern=r"\bspam\b"), "550 SPAM", "550 spammer"),
        (ReplyRule(pattern=r"^550 x"), "550 x", "550 y x"),
        (ReplyRule(text=("spam",), pattern=r"\bham\b"), "550 spam and ham", "550 spam"),
    ],
)
def test_what_a_rule_is_for(rule: ReplyRule, yes: str, no: str) -> None:
    assert is_for(rule, yes)
    assert not is_for(rule, no)


def test_stage_and_provider() -> None:
    rule = ReplyRule(text=("later",), stage=(Stage.MAIL,), provider=("qq", "netease"))
    assert is_for(rule, "450 later", "qq", Stage.MAIL)
    assert not is_for(rule, "450 later", "qq", Stage.RCPT)
    assert not is_for(rule, "450 later", "", Stage.MAIL)
    assert not is_for(rule, "450 later", "google", Stage.MAIL)


def test_the_first_decides() -> None:
    table = Table({"a": ReplyRule(text=("one two",)), "b": ReplyRule(text=("one",)), "c": ReplyRule(code=("5yz",))})
    said = {text: table.ruling("", Stage.RCPT, reply_of(f"550 {text}")).rule for text in ("one two", "one", "two")}
    assert said == {"one two": "a", "one": "b", "two": "c"}


def test_what_is_no_refusal_is_not_looked_up() -> None:
    table = Table({"all": ReplyRule(pattern=".")})
    for stage in (Stage.LOCAL, Stage.DNS, Stage.QUIT):
        assert table.ruling("", stage, Reply(550, "", "x")) is UNRULED
    for code in (0, 99, 250, 354, 600, 5500):
        assert table.ruling("", Stage.DOT, Reply(code, "", "x")) is UNRULED
    assert table.ruling("", Stage.DOT, None) is UNRULED
    assert EMPTY.ruling("", Stage.DOT, Reply(550, "", "x")) is UNRULED


def test_what_a_ruling_has_of_its_rule() -> None:
    steps = (Step(Action.BACK_OFF, 3600), Step(Action.ONE_CONNECTION))
    rule = ReplyRule(text=("slow down",), class_="rate", scope=About.ADDRESS, action=steps, help="https://example.com/")
    ruling = Table({"it": rule}).ruling("", Stage.MAIL, reply_of("450 slow down"))
    assert (ruling.rule, ruling.meaning, ruling.scope, ruling.help) == ("it", "rate", About.ADDRESS, rule.help)
    assert (ruling.decision, ruling.seconds, ruling.one_connection) == (Action.BACK_OFF, 3600.0, True)
    assert ruling.alert, "a back-off alerts by itself"
    assert not ruling.suppress


def test_what_only_comments_decides_nothing() -> None:
    ruling = Table({"it": ReplyRule(text=("spam",), action=(Step(Action.ALERT),))}).ruling(
        "", Stage.DOT, reply_of("550 spam")
    )
    assert (ruling.decision, ruling.alert) == (None, True)


def test_a_time_is_heeded_by_rules_that_wait_alone() -> None:
    def seconds(*steps: Step) -> float:
        table = Table({"it": ReplyRule(text=("busy",), action=steps)})
        return table.ruling("", Stage.RCPT, reply_of("450 busy, try again in 10 minutes")).seconds

    assert seconds(Step(Action.RETRY)) == 600.0
    assert seconds(Step(Action.BACK_OFF, 3600)) == 600.0
    assert seconds(Step(Action.HOLD)) == 0.0


@given(st.integers(-1, 6000), st.sampled_from(["", "4.7.1", "5.1.1", "nonsense"]), st.text(max_size=100))
def test_it_never_raises(code: int, enhanced: str, text: str) -> None:
    table = Table({"a": ReplyRule(status=("x.7.x",)), "b": ReplyRule(text=("user",)), "c": ReplyRule(pattern="a.*b")})
    if enhanced != "nonsense":
        table.ruling("qq", Stage.RCPT, Reply(code, enhanced, text))


@pytest.mark.parametrize(
    ("host", "destination", "provider"),
    [
        ("gmail-smtp-in.l.google.com[192.0.2.1]", "example.com", "google"),
        ("ASPMX.L.GOOGLE.COM.", "", "google"),
        ("google.com", "", ""),
        ("mx1.qq.com", "", "qq"),
        ("notqq.com", "", ""),
        ("a.olc.protection.outlook.com", "", "outlook"),
        ("a-b.mail.protection.outlook.com[2001:db8::1]", "", "microsoft"),
        ("163mx01.mxmail.netease.com", "", "netease"),
        ("mx.example.net", "partner.example", "partner"),
        ("mx.example.net", "x.partner.example", "below"),
        ("mx.example.net", "", ""),
        ("", "", ""),
    ],
)
def test_whose_reply_it_is(host: str, destination: str, provider: str) -> None:
    own = {"partner": SiteRule(domains=("partner.example",)), "below": SiteRule(domains=(".partner.example",))}
    providers = Providers(SITES | own)
    assert providers.of(host, destination) == provider
    assert providers.of(host, destination) == provider, "also from memory"
