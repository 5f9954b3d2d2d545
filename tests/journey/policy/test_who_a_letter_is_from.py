"""`senders` and what becomes of letters that are from others: from a container's msmtp to the receiver."""

import json
import time
from functools import partial

from hedwig.choices import FromMismatch
from hedwig.postoffice.clients import FRESH

from .. import reports
from ..farside import FarSide
from ..submit import SAMPLE, SENDER, Post
from ..waiting import until
from ..world import HOME, World, mx
from .rules import rules

SENDERS = "senders: [sender@robot.genee.cn, '*@news.genee.cn']\n"


def letter(from_: str) -> bytes:
    return SAMPLE.replace(b"From: sender@robot.genee.cn", from_.encode())


def test_the_sample_goes_out_as_it_is_under_every_rule(world: World) -> None:
    """Nothing in it needs mending: not a byte differs from what goes out without rules, whatever the rules are."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    whole = []
    for number, way in enumerate(("", *FromMismatch), 1):
        rules(host, f"{SENDERS}from_mismatch: {way}\n" if way else "")
        rules_are_old = time.monotonic() + 2 * FRESH
        until("the rules", partial(_is_past, rules_are_old))
        world.msmtp.send(SAMPLE, "stenote@163.com")
        until("the letter", partial(_has, far, number))
        arrived = far.accepted()[-1]
        whole.append((arrived.mailfrom, arrived.content[arrived.content.index(b"From: ") :].partition(b"\r\nDate")[0]))
    assert len(set(whole)) == 1


def _is_past(when: float) -> bool:
    return time.monotonic() > when


def _has(far: FarSide, letters: int) -> bool:
    return len(far.accepted()) == letters


def test_another_author_is_refused_at_once_with_the_line_that_decides(world: World) -> None:
    """msmtp fails and shows it; over HTTP it is 403. Nothing is queued, and the journal says why."""
    world.dns(mx("qq.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, SENDERS)
    host.start()
    lines = (host.config / "clients.d/less.nankai.edu.cn.yml").read_text().split("\n")
    line = next(number for number, text in enumerate(lines, 1) if text.startswith("senders:"))
    where = f"(clients.d/less.nankai.edu.cn.yml line {line}: senders)"
    for from_, said in (
        ("From: ceo@bank.example", "From is ceo@bank.example, which less.nankai.edu.cn may not use"),
        ("From: sender@robot.genee.cn\nFrom: ceo@bank.example", "From is in the header 2 times"),
        ("From: sender@robot.genee.cn, ceo@bank.example", "From names 2 authors; one is taken"),
        (
            "From: =?utf-8?q?=3Cceo=40bank.example=3E?= <sender@robot.genee.cn>",
            "From shows ceo@bank.example as its name, which less.nankai.edu.cn may not use",
        ),
        (
            'From: "ceo@bank.example"@news.genee.cn',
            'From is "ceo@bank.example"@news.genee.cn, which less.nankai.edu.cn may not use',
        ),
        (
            "From: sender@robot.genee.cn\nResent-From: ceo@bank.example",
            "Resent-From is ceo@bank.example, which less.nankai.edu.cn may not use",
        ),
    ):
        status, shown = world.msmtp.begin(letter(from_), "b@qq.com").end()
        assert status != 0
        assert f"550 5.7.1 {said} {where}" in shown
    status, answer = host.http.form(
        {"mailfrom": SENDER, "rcpttos": ["b@qq.com"], "data": letter("From: ceo@bank.example").decode()}
    )
    assert (status, json.loads(answer)["status"]) == (403, "5.7.1")
    assert where in json.loads(answer)["error"]
    above = b" From: ceo@bank.example\r\n" + SAMPLE.replace(b"\n", b"\r\n")
    (verdict,) = host.http.verdicts([Post(("b@qq.com",), above)])
    assert (verdict["code"], verdict["text"].partition(":")[0]) == (550, "From can't be told")
    assert "refused from less.nankai.edu.cn: <sender@robot.genee.cn>: 550 5.7.1" in host["postoffice"].words()
    assert not host.is_queued("b@qq.com")
    assert far.accepted() == []


def test_the_envelope_becomes_what_from_says(world: World) -> None:
    """A container whose msmtp has another `from` than its program: what receivers compare agrees again."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, SENDERS + "from_mismatch: fix-envelope\n")
    host.start()
    queue_id = world.msmtp.send(
        letter("From: News <any@news.genee.cn>"), "b@163.com", sender="www-data@less.nankai.edu.cn"
    )
    (arrived,) = until("the letter", far.accepted)
    assert arrived.mailfrom == "any@news.genee.cn"
    assert "From: News <any@news.genee.cn>" in arrived.header
    assert "the envelope's sender became any@news.genee.cn" in host["postoffice"].words()
    assert not host.is_queued(queue_id)


def test_from_becomes_the_allowed_sender_and_answers_go_to_the_old_one(world: World) -> None:
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, SENDERS + "from_mismatch: rewrite\n")
    host.start()
    world.msmtp.send(letter('From: "The CEO" <ceo@bank.example>\nSender: ceo@bank.example'), "b@163.com")
    (arrived,) = until("the letter", far.accepted)
    assert arrived.mailfrom == SENDER
    assert f'\r\nFrom: "The CEO" <{SENDER}>\r\nReply-To: ceo@bank.example' in arrived.header
    assert "ceo@bank.example" not in arrived.header.replace("Reply-To: ceo@bank.example", "")
    assert arrived.body == b"\r\nHello Stenote !\r\n"


def test_legitimate_names_and_resenders_go_out_as_they_are(world: World) -> None:
    """A name that is the address itself, one with an @ that is none, and who has sent a letter on by right."""
    world.dns(mx("inbox.example", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, SENDERS)
    host.start()
    for number, from_ in enumerate(
        (
            'From: "sender@robot.genee.cn" <sender@robot.genee.cn>',
            'From: "Yoga@Home" <sender@robot.genee.cn>',
            "Resent-From: Desk <desk@news.genee.cn>\nFrom: sender@robot.genee.cn",
        ),
        1,
    ):
        world.msmtp.send(letter(from_), "b@inbox.example")
        until("the letter", partial(_has, far, number))
        assert from_.replace("\n", "\r\n") in far.accepted()[-1].header


def test_a_name_in_a_comment_stays_and_an_empty_reply_to_is_none(world: World) -> None:
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, SENDERS + "from_mismatch: rewrite\n")
    host.start()
    world.msmtp.send(letter("Reply-To:\nResent-From: x@y.example\nFrom: ceo@bank.example (The CEO)"), "b@163.com")
    (arrived,) = until("the letter", far.accepted)
    assert f"\r\nFrom: The CEO <{SENDER}>\r\nReply-To: ceo@bank.example" in arrived.header
    assert arrived.header.count("Reply-To:") == 1
    assert "y.example" not in arrived.header


def test_what_mailman_took_before_it_could_ask_goes_back_to_its_sender(world: World) -> None:
    """250 was said while postoffice was away, so its refusal becomes a report; and that, from nobody and with a From
    that `senders` lacks, is subject to no rule and no quota (I7)."""
    world.dns()
    home = world.far(HOME)
    host = world.host()
    rules(host, SENDERS + "quota:\n  messages_per_hour: 1\n")
    host.start()
    host["postoffice"].kill()
    refused = world.msmtp.send(letter("From: ceo@bank.example"), "b@qq.com")
    host.start("postoffice")
    report = reports.read(until("the report", home.accepted)[0])
    assert report.whole.rcpttos == (SENDER,)
    assert report.failed == {"b@qq.com": "5.7.1"}
    assert "which less.nankai.edu.cn may not use" in report.text
    until("empty queues", lambda: not host.is_queued(refused))


def test_readers_of_newsletters_can_leave_with_one_click(world: World) -> None:
    """RFC 8058: bulk letters to one recipient get both fields; those that have one, others and shared ones do not."""
    world.dns(mx("inbox.example", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, "list_unsubscribe: https://lists.genee.cn/u?l={id}&r={recipient}\n")
    host.start()
    bulk = b"Hedwig-Priority: bulk\n" + SAMPLE
    queue_id = world.msmtp.send(bulk, "a+b@inbox.example")
    own = world.msmtp.send(b"List-Unsubscribe: <mailto:x@genee.cn>\n" + bulk, "c@inbox.example")
    usual = world.msmtp.send(SAMPLE, "d@inbox.example")
    shared = world.msmtp.send(bulk, "e@inbox.example", "f@inbox.example")
    until("the letters", lambda: len(far.accepted()) == 4)
    found = [one.header for one in far.accepted()]
    heads = {each: next(head for head in found if each in head) for each in (queue_id, own, usual, shared)}
    assert (
        f"\r\nList-Unsubscribe:\r\n <https://lists.genee.cn/u?l={queue_id}&r=a%2Bb%40inbox.example>\r\n"
        in heads[queue_id]
    )
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click" in heads[queue_id]
    assert heads[own].count("List-Unsubscribe") == 1
    assert "List-Unsubscribe" not in heads[usual] + heads[shared]
