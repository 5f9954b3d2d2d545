"""etc/replies.yml: every rule has a reply that it is for and no earlier one takes; real replies are understood."""

import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from hedwig.classify.said import reply_of
from hedwig.classify.table import Table
from hedwig.config.replies import load_rules, shipped_file
from hedwig.reply import Reply, Stage
from hedwig.settings import SITES
from hedwig.settings.replies import About, Action
from hedwig.verdict import Outcome, decide

RULES = load_rules(None, SITES)
TABLE = Table(RULES)
WIRE = (Stage.RCPT, Stage.DOT, Stage.MAIL, Stage.DATA, Stage.BANNER, Stage.EHLO, Stage.STARTTLS)
# Replies as they were seen, with what became of the mail; "source" says in whose collection. Of no host: all at RCPT.
SAMPLES = json.loads((Path(__file__).parent / "replies_sample.json").read_text(encoding="utf-8"))


def rule_for(text: str, provider: str = "", stage: Stage = Stage.RCPT) -> str:
    return TABLE.ruling(provider, stage, reply_of(text)).rule


@pytest.mark.parametrize("name", RULES)
def test_a_rule_gets_its_example(name: str) -> None:
    """From each provider that it is for, and at each stage. So no rule stands in another's shadow."""
    rule = RULES[name]
    assert rule.example, "a rule needs a reply that it is for"
    for provider in rule.provider or ("",):
        for stage in rule.stage or WIRE:
            assert rule_for(rule.example, provider, stage) == name


@pytest.mark.parametrize("name", RULES)
def test_each_of_a_rules_words_leads_to_it(name: str) -> None:
    """Where a rule has several words, or codes, none of them is a dead letter: said alone they reach it, or a rule that
    has the same meaning."""
    rule = RULES[name]
    if rule.pattern:
        return  # its example shows both together
    code = {"4": "450", "5": "550"}.get(rule.code[0][0], "") if rule.code else ""
    code = rule.code[0] if rule.code and rule.code[0].isdigit() else code
    for words in rule.text:
        status = rule.status[0].replace("x", code[:1] or "5").partition("-")[0] if rule.status else ""
        said = f"{code or (status[:1] or '5') + '50'} {status} {words}"
        got = TABLE.ruling((rule.provider or ("",))[0], (rule.stage or WIRE)[0], reply_of(said))
        assert (got.meaning, got.decision) == (rule.class_, TABLE.ruling(*_of(name)).decision), f"{said}: {got.rule}"


def _of(name: str) -> tuple[str, Stage, Reply | None]:
    rule = RULES[name]
    return (rule.provider or ("",))[0], (rule.stage or WIRE)[0], reply_of(rule.example)


def ends_in_failure(reply: Reply) -> bool:
    """Whether such a reply alone ends in a report to the sender: at once, or when it has been so for `retry.hold`."""
    verdict = decide(Stage.RCPT, reply, "", TABLE.ruling("", Stage.RCPT, reply))
    return verdict.outcome is Outcome.FAILED or verdict.held


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["reply"][:60])
def test_replies_as_they_were_seen(sample: dict[str, str]) -> None:
    """What failed fails, and what was deferred is; 4yz never fails by itself."""
    reply = reply_of(sample["reply"])
    assert reply is not None
    assert ends_in_failure(reply) is (sample["outcome"] == "fail")


# What the collection says of a sample (source: sisimai:REASON), and which of our classes that may be.
MEANINGS = {
    "userunknown": {"bad-mailbox", "bad-address", ""},
    "filtered": {"bad-mailbox"},
    "mailboxfull": {"full"},
    "blocked": {"blocked", "ptr", "auth", "recipient-refuses", "reputation", ""},
    "spamdetected": {"spam", ""},
    "hasmoved": {"bad-mailbox", "moved", ""},
    "onhold": {"auth"},
    "syntaxerror": {""},
    "securityerror": {"spam", ""},
    "policyviolation": {"auth", "policy", "blocked"},
    "rejected": {"reputation"},
    "contenterror": {"spam"},
    "hostunknown": {"bad-domain"},
    "notaccept": {"bad-domain"},
    "networkerror": {"loop"},
    "suspend": {"disabled"},
    "toomanyconn": {"sender-blocked"},
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["reply"][:60])
def test_samples_mean_what_others_took_them_for(sample: dict[str, str]) -> None:
    reply = reply_of(sample["reply"])
    source, _, reason = sample["source"].partition(":")
    if source == "sisimai":
        assert TABLE.ruling("", Stage.RCPT, reply).meaning in MEANINGS[reason]


def test_most_samples_have_a_rule() -> None:
    """What has none says nothing that a rule could go by: "mail rejected", "busy"."""
    without = [each["reply"] for each in SAMPLES if not rule_for(each["reply"])]
    assert len(without) <= 8, without


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        # Tokens, whatever number stands before them
        ("421 HL:IFC", "netease-rate"),
        ("450 HL:IFC", "netease-rate"),
        ("554 HL:IFC", "netease-rate"),
        ("550 MI:SPB", "netease-sender-blocked"),
        ("450 MI:SPB", "netease-sender-blocked"),
        # but here the number says how final it is
        ("451 DT:SPM", "netease-spam-for-now"),
        ("554 DT:SPM", "netease-spam"),
        # The sender's own address and domain are not the recipient's
        ("550 5.1.1 <me@example.com>: Sender address rejected: User unknown in virtual mailbox table", "bad-sender"),
        ("550 5.1.8 <me@example.com>: Sender address rejected: Domain not found", "sender-domain"),
        ("550 Sender verify failed", "bad-sender"),
        # Content that is on a list is not our address on a list
        ("554 5.7.1 Blocked: link in the message is listed by uribl.example", "listed-content"),
        ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.example", "blocked"),
        ("550 5.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", "ptr"),
        ("450 4.7.1 <mail.example.com>: Helo command rejected: Host not found", "helo"),
        ("550-5.7.26 This mail is unauthenticated\n550 5.7.26 SPF and DKIM did not pass", "authentication"),
        ("452 4.2.2 over quota", "full"),
        ("421 4.7.0 Too many messages per connection", "messages-per-connection"),
        ("450 4.7.0 too many messages, slow down", "rate"),
    ],
)
def test_what_is_easily_confused(text: str, rule: str) -> None:
    assert rule_for(text) == rule


@pytest.mark.parametrize(
    ("provider", "text", "rule"),
    [
        ("qq", "550 Mailbox unavailable or access denied", "qq-recipient-flooded"),
        ("qq", "550 Connection frequency limited.", "qq-frequency"),
        ("google", "452 4.2.2 over quota", "google-full"),
        ("google", "550 5.2.1 The account is disabled", "google-disabled"),
        ("outlook", "550 5.7.1 on our block list (S3150)", "microsoft-block-list"),
        ("microsoft", "550 5.7.1 on our block list (S3150)", "microsoft-block-list"),
        ("microsoft", "550 5.7.649 banned", "microsoft-banned"),
        ("microsoft", "550 5.7.650 other", "status-policy"),
        ("microsoft", "550 5.1.10 not found", "microsoft-recipient-not-found"),
        ("", "550 5.1.10 not found", "status-bad-domain"),
        ("yahoo-japan", "554 5.7.9 please authenticate", "status-policy"),
    ],
)
def test_who_says_it_matters(provider: str, text: str, rule: str) -> None:
    assert rule_for(text, provider) == rule


def test_policy_never_suppresses_by_status() -> None:
    """What suppresses is about a mailbox, by words or by X.1.1, X.1.6; and fails."""
    for name, rule in RULES.items():
        actions = {step.action for step in rule.action}
        if Action.SUPPRESS in actions:
            assert Action.FAIL in actions, name
            assert rule.class_ in {"bad-mailbox", "disabled", "moved", "full"}, name
            assert Stage.MAIL not in rule.stage and rule.stage, name


def test_a_stage_before_the_recipient_is_about_no_mailbox() -> None:
    for stage in (Stage.MAIL, Stage.BANNER, Stage.EHLO):
        assert not TABLE.ruling("", stage, reply_of("550 5.1.1 user unknown")).suppress


def test_the_figure_that_a_reply_names_goes_before_ours() -> None:
    ruling = TABLE.ruling("", Stage.RCPT, reply_of("450 4.7.1 Greylisted, try again in 10 minutes"))
    assert (ruling.seconds, ruling.named) == (600.0, True)
    ruling = TABLE.ruling("", Stage.MAIL, reply_of("451 HL:IFC please wait 2 hours"))
    assert (ruling.rule, ruling.seconds) == ("netease-rate", 7200.0)


def test_the_page_that_a_reply_names_goes_before_ours() -> None:
    banned = TABLE.ruling("outlook", Stage.MAIL, reply_of("550 5.7.606 banned [192.0.2.1]"))
    assert banned.help == "https://sender.office.com/"
    banned = TABLE.ruling("outlook", Stage.MAIL, reply_of("550 5.7.606 banned, see https://example.com/a?b=c."))
    assert banned.help == "https://example.com/a?b=c"


def test_no_reply_takes_long() -> None:
    """Whatever a receiver says, in as many characters as a reply may have: a look-up is a matter of microseconds, and
    no expression runs away on it. (The bound is a hundred times what it takes, for busy machines.)"""
    words = Counter(
        word for rule in RULES.values() for each in (*rule.text, rule.pattern) for word in re.findall(r"\w+", each)
    )
    nasty = [
        "ip " * 700,
        "a" * 2000,
        "again " * 330,
        "behaviour spam " * 130,
        "unresolvable " * 150,
        "messages per " * 150,
        "5.7." * 500,
        "http://" * 280,
        " ".join(words),
        " ".join(f"{word}1 {word}" for word in words),
    ]
    for text in nasty:
        for provider in ("", *SITES):
            reply = Reply(550, "", text[:2000])
            started = time.perf_counter()
            for _ in range(3):
                TABLE.ruling(provider, Stage.RCPT, reply)
            assert (time.perf_counter() - started) / 3 < 0.02, f"{provider}: {text[:30]}"


def test_the_shipped_file_is_the_trees_own() -> None:
    """Tests and `make run` use the file that is to be shipped."""
    assert shipped_file() == Path(__file__).parents[2] / "etc" / "replies.yml"


@pytest.mark.parametrize(
    "address", ["blacklist@x.example", "spamhaus@x.example", "reputation@x.example", "dkim@x.example"]
)
def test_an_address_is_no_word_of_the_receivers(address: str) -> None:
    """Who mistypes a name into a form must not stop all mail to its receiver."""
    for text in (
        f"550 5.1.1 <{address}>: Recipient address rejected: User unknown",
        f"550 5.1.1 {address} no such user",
    ):
        ruling = TABLE.ruling("", Stage.RCPT, reply_of(text))
        assert ruling.decision is not Action.BACK_OFF and ruling.decision is not Action.HOLD, ruling.rule
        assert ruling.suppress


@pytest.mark.parametrize(
    "text",
    [
        "550 5.7.1 <u@x.example>: sender is on the recipient's blacklist",
        "550 5.7.1 You are on my personal blacklist",
        "554 5.7.1 Sender address <a@client.example> is blacklisted",
        "550 sender domain client.example is in blacklist",
        "550 5.7.1 This message contains a blacklisted URL",
        "550 5.7.1 URL reputation: malicious",
        "452 4.2.2 Mailbox full: too many messages",
        "552 5.2.2 user has too many messages in mailbox",
        "450 4.7.1 Sender rate limit exceeded for a@client.example",
        "451 4.7.1 Recipient rate limit exceeded",
    ],
)
def test_what_is_said_of_one_sender_letter_or_mailbox_stops_no_other_mail(text: str) -> None:
    assert TABLE.ruling("", Stage.RCPT, reply_of(text)).decision is not Action.BACK_OFF


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.DOT])
@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("550 5.7.1 You are blacklisted by the recipient", "recipient-refuses"),
        ("550 user blocked, too many messages", "disabled"),
        ("550 Mailbox not found, your IP reputation is fine", "bad-mailbox"),
        ("450 4.2.1 <busy@x.example> gets too much mail just now", "recipient-rate"),
        ("550 5.1.1 <a@x.example> no such user, too many connections from your IP blocked", "bad-mailbox"),
        ("550 5.1.1 <a@x.example> your IP is blacklisted", "mailbox"),
        ("550 5.1.6 moved, and your reputation is poor", "mailbox"),
        ("550 5.1.10 blocked using dnsbl.example", "mailbox"),
        ("452 4.2.2 too many messages from your IP", "mailbox"),
        ("550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy: your IP is blocked "
         "using Spamhaus (S3150) HL:IPB [TSS04]", "policy"),
        ("550 5.7.1 The domain that you are sending to has a policy that prohibited it: IP blacklisted", "policy"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("provider", ["", "google", "microsoft", "outlook"])
def test_words_of_one_mailbox_or_customer_go_before_words_about_us(
    provider: str, text: str, meaning: str, stage: Stage
) -> None:
    """What they say of our address beside it rests nobody."""
    ruling = TABLE.ruling(provider, stage, reply_of(text))
    want = {meaning, "bad-mailbox"} if provider in ("microsoft", "outlook") and "5.1.10" in text else {meaning}
    assert ruling.meaning in want | ({"full"} if "4.2.2" in text else set()), ruling.rule
    assert ruling.scope is not About.ADDRESS and ruling.decision not in (Action.BACK_OFF, Action.HOLD)


def test_a_status_of_a_mailbox_beside_words_about_us_suppresses_nobody() -> None:
    """An address must not be lost for a block of ours that came with the wrong status."""
    assert not TABLE.ruling("", Stage.RCPT, reply_of("550 5.1.1 your IP is on a blacklist")).suppress


def test_what_a_letter_names_is_no_list_that_we_are_on() -> None:
    text = "554 5.7.1 your message mentions spamhaus.org in its body"
    assert rule_for(text, stage=Stage.DOT) == "content-named"
    assert rule_for("554 5.7.1 your IP is listed, see https://www.spamhaus.org/query", stage=Stage.DOT) == "blocked"


@pytest.mark.parametrize(
    ("provider", "stage", "text", "hearsay"),
    [
        ("google", Stage.DOT, "550 5.7.1 your IP is blocked", True),
        ("google", Stage.RCPT, "450 too many messages", True),
        ("google", Stage.DOT, "550 5.7.1 HL:IPB", True),
        ("microsoft", Stage.DOT, "550 5.7.1 [TSS05]", True),
        ("google", Stage.MAIL, "550 5.7.1 your IP is blocked", False),
        ("google", Stage.BANNER, "554 your IP is blocked", False),
        ("google", Stage.DOT, "421 4.7.0 too many messages, slow down", False),
        ("google", Stage.DOT, "550 5.7.28 unusual rate", False),
        ("google", Stage.DOT, "550 5.7.1 very low reputation of the sending IP", False),
        ("microsoft", Stage.DOT, "550 5.7.1 on our list (S3150)", False),
        ("microsoft", Stage.DOT, "550 5.7.1 on our block list", True),
        ("microsoft", Stage.MAIL, "550 5.7.1 on our block list", False),
        ("outlook", Stage.DOT, "550 5.7.1 on our block list", False),
        ("netease", Stage.DOT, "554 HL:IPB", False),
        ("yahoo", Stage.DOT, "553 5.7.2 [TSS09] all messages", False),
        ("google", Stage.DOT, "550 5.7.1 likely unsolicited mail", False),
        ("", Stage.DOT, "550 5.7.1 your IP is blocked", False),
    ],
)
def test_what_may_be_one_customers_word(provider: str, stage: Stage, text: str, hearsay: bool) -> None:
    """Of a receiver that has many, after MAIL, and in words that are nobody's own."""
    assert TABLE.ruling(provider, stage, reply_of(text)).hearsay is hearsay
