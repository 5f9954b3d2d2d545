"""Who may a letter be from: the whole table of from_mismatch, by senders, From, Sender and envelope."""

import pytest

from hedwig.choices import FromMatch, FromMismatch
from hedwig.envelope import Envelope
from hedwig.header import RESENT, read
from hedwig.policy import Aligned, Refused, aligned, has_rules_of_from, oversized
from hedwig.settings import Client

SENDERS = ("robot@x.example", "*@news.example", "*@xn--fsqu00a.cn")
LINES = {"senders": 7, "from_mismatch": 8, "from_match": 9, "max_size": 4}


def decide(header, mailfrom="robot@x.example", rcpttos=("b@qq.com",), **settings):
    client = Client("less.example", **{"senders": SENDERS, "lines": LINES, **settings})
    return aligned(client, Envelope(mailfrom, rcpttos), read(header.encode() + b"\r\nbody\r\n"))


@pytest.mark.parametrize(
    ("header", "mailfrom"),
    [
        ("From: robot@x.example\r\n", "robot@x.example"),
        ("From: Robot <ROBOT@X.Example>\r\n", "robot@x.example"),
        ('From: "robot"@x.example\r\n', "robot@x.example"),
        ("From: any@news.example\r\n", "bounces+17@news.example"),
        ("From: a@例子.cn\r\n", "a@xn--fsqu00a.cn"),
        ("From: robot@x.example\r\nSender: robot@x.example\r\n", "robot@x.example"),
        ("From: robot@x.example\r\n", ""),
        ("From: any@news.example\r\nSender: list@news.example\r\n", "any@news.example"),
        ("Resent-From: Desk <a@news.example>\r\nResent-Sender: robot@x.example\r\nFrom: robot@x.example\r\n", ""),
        ("Resent-From: a@news.example, b@news.example\r\nFrom: robot@x.example\r\n", "robot@x.example"),
        ("From: robot@x.example\r\nReceived: x\r\n from: ceo@bank.example\r\n", "robot@x.example"),
        ('From: "robot@x.example" <robot@x.example>\r\n', "robot@x.example"),
        ('From: "Robot@X.Example" <robot@x.example>\r\n', "robot@x.example"),
        ("From: \"'any@news.example' via list\" <list@news.example>\r\n", "list@news.example"),
        ("From: =?utf-8?q?robot=40x=2Eexample?= <robot@x.example>\r\n", "robot@x.example"),
        ("From: robot@x.example (robot@x.example)\r\n", "robot@x.example"),
        ("From: =?utf-8?b?5byg5LiJ?= <robot@x.example>\r\n", "robot@x.example"),
        ("From: =?x-none?q?Jo=EBl?= <robot@x.example>\r\n", "robot@x.example"),
        ('From: "Yoga@Home" <robot@x.example>\r\n', "robot@x.example"),
        ('From: "Jobs @ Bank.Example" <robot@x.example>\r\n', "robot@x.example"),
        ('From: "@robot" <robot@x.example>\r\n', "robot@x.example"),
        ("From: Bank.Example <robot@x.example>\r\n", "robot@x.example"),
        ('From: "a b"@news.example\r\n', "any@news.example"),
    ],
)
@pytest.mark.parametrize("way", FromMismatch)
def test_what_fits_goes_through_unchanged(header, mailfrom, way):
    found = decide(header, mailfrom, from_mismatch=way)
    assert isinstance(found, Aligned)
    assert (found.mailfrom, found.gone, found.added, found.changes) == (mailfrom, (), b"", ())


@pytest.mark.parametrize(
    ("header", "mailfrom", "said"),
    [
        ("Subject: x\r\n", "robot@x.example", "From is missing (clients.d/less.example.yml line 7: senders)"),
        ("From: robot@x.example\r\nFrom: ceo@bank.example\r\n", "robot@x.example", "From is in the header 2 times"),
        ("From: robot@x.example\r\nbroken line\r\nfrom : ceo@bank.example\r\n", "robot@x.example", "2 times"),
        ("From: robot@x.example, ceo@bank.example\r\n", "robot@x.example", "From names 2 authors"),
        ("From: us: robot@x.example;\r\n", "robot@x.example", "From is a group"),
        ("From: ceo@bank.example\r\n", "robot@x.example", "From is ceo@bank.example, which less.example may not use"),
        ("From: ceo@bank.example <robot@x.example>\r\n", "robot@x.example", "From is malformed"),
        ("From: robot@x.еxample\r\n", "robot@x.example", "which less.example may not use"),  # a Cyrillic e
        ("From: rоbot@x.example\r\n", "robot@x.example", "which less.example may not use"),  # a Cyrillic o
        ("From: robot@sub.news.example\r\n", "robot@x.example", "which less.example may not use"),
        ("From: robot@x.example.\r\n", "robot@x.example", "malformed"),
        ("From: robot@x.example\r\n", "www-data@y.example", "the envelope is from www-data@y.example, which"),
        (
            "From: robot@x.example\r\n",
            "a@news.example",
            "they must match (clients.d/less.example.yml line 9: from_match)",
        ),
        (
            "From: robot@x.example\r\nSender: ceo@bank.example\r\n",
            "robot@x.example",
            "Sender is ceo@bank.example, which",
        ),
        (
            "From: robot@x.example\r\nSender: a@news.example\r\n",
            "robot@x.example",
            "Sender is a@news.example and From is",
        ),
        ("From: robot@x.example\r\nSender: one\r\n", "robot@x.example", "Sender has no address"),
        (
            "From: robot@x.example\r\nSender: robot@x.example\r\nSender: robot@x.example\r\n",
            "robot@x.example",
            "more than one",
        ),
        ("From: ceo@bank.example\r\n", "", "which less.example may not use"),
        (" From: ceo@bank.example\r\nFrom: robot@x.example\r\n", "robot@x.example", "From can't be told"),
        ("\tX: 1\r\nFrom: robot@x.example\r\n", "robot@x.example", "From can't be told"),
        ("\ufeffFrom: ceo@bank.example\r\nFrom: robot@x.example\r\n", "robot@x.example", "From can't be told"),
        ("From: robot@x.example\r\nFrom\x0b: ceo@bank.example\r\n", "robot@x.example", "From can't be told"),
        ("From: robot@x.example\r\nSender\xa0: ceo@bank.example\r\n", "robot@x.example", "From can't be told"),
        (
            "Resent-From: ceo@bank.example\r\nFrom: robot@x.example\r\n",
            "robot@x.example",
            "Resent-From is ceo@bank.example, which less.example may not use",
        ),
        (
            "Resent-From: robot@x.example\r\nFrom: robot@x.example\r\nresent-from: x <ceo@bank.example>\r\n",
            "robot@x.example",
            "Resent-From is ceo@bank.example",
        ),
        ("RESENT-SENDER : ceo@bank.example\r\nFrom: robot@x.example\r\n", "robot@x.example", "Resent-Sender is ceo@"),
        ("Resent-From: robot@x.example\r\n" * 51 + "From: robot@x.example\r\n", "robot@x.example", "51 times"),
        ("Resent-From: us:;\r\nFrom: robot@x.example\r\n", "robot@x.example", "Resent-From is a group"),
        (
            'From: "ceo@bank.example"@news.example\r\n',
            "any@news.example",
            'From is "ceo@bank.example"@news.example, which',
        ),
        ("From: ceo\uff20bank.example@news.example\r\n", "any@news.example", "which less.example may not use"),
        *(
            (f"From: {name} <robot@x.example>\r\n", "robot@x.example", f"From shows {shown} as its name")
            for name, shown in (
                ('"ceo@bank.example"', "ceo@bank.example"),
                ('"ceo@x.example"', "ceo@x.example"),
                ('"Ceo (ceo\\@bank.example)"', "ceo@bank.example"),
                ("\"'ceo@bank.example' via us\"", "ceo@bank.example"),
                ('ceo"@"bank.example', "ceo@bank.example"),
                ("=?utf-8?q?=3Cceo=40bank.example=3E?=", "ceo@bank.example"),
                ("=?UTF-8*en?Q?ceo?=\r\n =?utf-8?b?QGJhbmsuZXhhbXBsZQ==?=", "ceo@bank.example"),
                ('"=?utf-8?q?ceo=40bank.example?="', "ceo@bank.example"),
                ("x=?utf-7?q?ceo+AEA-bank.example?=", "xceo@bank.example"),
                ("=?x-none?q?ceo=40bank.example?=", "ceo@bank.example"),
                ("ceo\uff20bank\u3002example", "ceo@bank.example"),
                ("=?utf-8?q?ceo=E2=80=8B=40bank=2Eexample?=", "ceo@bank.example"),
                ("(ceo@bank.example) Robot", "ceo@bank.example"),
                ('"\u603b\u7ecf\u7406\uff08ceo@\u94f6\u884c.cn\uff09"', "ceo@\u94f6\u884c.cn"),
            )
        ),
        ("From: robot@x.example (Ceo <ceo@bank.example>)\r\n", "robot@x.example", "From shows ceo@bank.example"),
        (
            'From: robot@x.example\r\nSender: "ceo@bank.example" <robot@x.example>\r\n',
            "robot@x.example",
            "Sender shows ceo@bank.example as its name",
        ),
        ("From: =?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQA?= <robot@x.example>\r\n", "robot@x.example", "From"),
    ],
)
def test_what_does_not_is_refused_with_the_line_that_decides(header, mailfrom, said):
    found = decide(header, mailfrom)
    assert isinstance(found, Refused)
    assert (found.reply.code, found.reply.enhanced) == (550, "5.7.1")
    assert said in found.reply.text
    assert "clients.d/less.example.yml line " in found.reply.text
    noted = decide(header, mailfrom, from_mismatch=FromMismatch.WARN)
    assert isinstance(noted, Aligned)
    assert (noted.mailfrom, noted.gone, noted.added) == (mailfrom, (), b"")
    assert said in noted.changes[0]


def test_the_whole_address_where_that_is_asked_and_for_netease_always():
    """QQ is content with the domain, NetEase is not: 554 DT:SUM."""
    header, sender = "From: any@news.example\r\n", "bounces@news.example"
    assert isinstance(decide(header, sender), Aligned)
    strict = decide(header, sender, from_match=FromMatch.ADDRESS)
    assert isinstance(strict, Refused)
    netease = decide(header, sender, ("a@qq.com", "b@VIP.163.com"))
    assert isinstance(netease, Refused)
    assert "vip.163.com refuses letters where they differ" in netease.reply.text


def test_the_envelope_is_mended_where_from_may_be_used():
    for header, mailfrom, rcpttos in (
        ("From: any@news.example\r\n", "www-data@y.example", ("b@qq.com",)),
        ("From: any@news.example\r\n", "robot@x.example", ("b@qq.com",)),
        ("From: any@news.example\r\n", "bounces@news.example", ("b@163.com",)),
    ):
        found = decide(header, mailfrom, rcpttos, from_mismatch=FromMismatch.FIX_ENVELOPE)
        assert isinstance(found, Aligned)
        assert (found.mailfrom, found.added, found.gone) == ("any@news.example", b"", ())
        assert f"was {mailfrom}" in found.changes[0]
    found = decide("From: 张@例子.cn\r\n", from_mismatch=FromMismatch.FIX_ENVELOPE)
    assert isinstance(found, Aligned)
    assert found.mailfrom == "张@例子.cn"
    sender = decide("From: robot@x.example\r\nSender: x@y.example\r\n", from_mismatch=FromMismatch.FIX_ENVELOPE)
    assert isinstance(sender, Aligned)
    assert (sender.mailfrom, sender.gone) == ("robot@x.example", (b"sender",))
    refused = decide("From: ceo@bank.example\r\n", from_mismatch=FromMismatch.FIX_ENVELOPE)
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    ("header", "mailfrom", "becomes", "added"),
    [
        ("From: ceo@bank.example\r\n", "robot@x.example", "robot@x.example",
         "From: robot@x.example\r\nReply-To: ceo@bank.example\r\n"),
        ('From: "The CEO" <ceo@bank.example>\r\n', "ceo@bank.example", "robot@x.example",
         'From: "The CEO" <robot@x.example>\r\nReply-To: ceo@bank.example\r\n'),
        ("From: 张三 <ceo@bank.example>\r\n", "bounce@news.example", "bounce@news.example",
         "From: 张三 <bounce@news.example>\r\nReply-To: ceo@bank.example\r\n"),
        ("From: a@bank.example, b@bank.example\r\nReply-To: desk@bank.example\r\n", "robot@x.example",
         "robot@x.example", "From: robot@x.example\r\n"),
        ("From: a@bank.example, b@bank.example\r\n", "robot@x.example", "robot@x.example",
         "From: robot@x.example\r\nReply-To: a@bank.example,\r\n b@bank.example\r\n"),
        ("Subject: x\r\n", "robot@x.example", "robot@x.example", "From: robot@x.example\r\n"),
        ("From: ceo@bank.example\r\n", "", "", "From: robot@x.example\r\nReply-To: ceo@bank.example\r\n"),
        ("From: ceo@bank.example (Ceo)\r\n", "robot@x.example", "robot@x.example",
         "From: Ceo <robot@x.example>\r\nReply-To: ceo@bank.example\r\n"),
        ('From: ceo@bank.example (The "C", (e\\(o))\r\n', "robot@x.example", "robot@x.example",
         'From: "The \\"C\\", (e(o)" <robot@x.example>\r\nReply-To: ceo@bank.example\r\n'),
        ("From: ceo@bank.example (=?utf-8?b?5byg5LiJ?=)\r\n", "robot@x.example", "robot@x.example",
         "From: =?utf-8?b?5byg5LiJ?= <robot@x.example>\r\nReply-To: ceo@bank.example\r\n"),
        ('From: "ceo@bank.example" <ceo@bank.example>\r\n', "robot@x.example", "robot@x.example",
         "From: robot@x.example\r\nReply-To: ceo@bank.example\r\n"),
        ("From: =?utf-8?q?ceo=40bank.example?= <any@news.example>\r\n", "www@y.example", "any@news.example",
         "From: any@news.example\r\n"),
        (f"From: ceo@bank.example ({'long ' * 300})\r\n", "robot@x.example", "robot@x.example",
         "From: robot@x.example\r\nReply-To: ceo@bank.example\r\n"),
        ("From: ceo@bank.example\r\n", "=?utf-8?q?ceo=40bank.example?=@news.example", "robot@x.example",
         "From: robot@x.example\r\nReply-To: ceo@bank.example\r\n"),
        ("From: ceo@bank.example\r\n", '"ceo@bank.example"@news.example', "robot@x.example",
         "From: robot@x.example\r\nReply-To: ceo@bank.example\r\n"),
    ],
)  # fmt: skip
def test_from_is_rewritten(header, mailfrom, becomes, added):
    found = decide(header, mailfrom, from_mismatch=FromMismatch.REWRITE)
    assert isinstance(found, Aligned)
    assert (found.mailfrom, found.added.decode(), found.gone) == (becomes, added, (b"from", b"sender"))


def test_an_empty_reply_to_counts_as_none():
    """Else nobody could be answered: neither the old author, nor whom the letter names."""
    for empty in ("Reply-To:\r\n", "reply-to: \r\n \r\n", "Reply-To: ()\r\nReply-To:\r\n"):
        found = decide(f"{empty}From: ceo@bank.example\r\n", from_mismatch=FromMismatch.REWRITE)
        assert isinstance(found, Aligned)
        assert found.added == b"From: robot@x.example\r\nReply-To: ceo@bank.example\r\n"
        assert found.gone == (b"from", b"sender", b"reply-to")
    two = "Reply-To:\r\nReply-To: desk@bank.example\r\nFrom: ceo@bank.example\r\n"
    found = decide(two, from_mismatch=FromMismatch.REWRITE)
    assert isinstance(found, Aligned)
    assert (found.added, found.gone) == (b"From: robot@x.example\r\n", (b"from", b"sender"))


def test_who_sent_it_on_is_taken_out_where_the_letter_is_mended():
    """All of that, or what is left would not say who sent it on."""
    header = "Resent-From: ceo@bank.example\r\nResent-To: b@qq.com\r\nFrom: robot@x.example\r\n"
    for way in (FromMismatch.FIX_ENVELOPE, FromMismatch.REWRITE):
        found = decide(header, from_mismatch=way)
        assert isinstance(found, Aligned)
        assert (found.mailfrom, found.added, found.gone) == ("robot@x.example", b"", RESENT)
        assert found.changes == ("Resent-From was taken out",)
    found = decide(header.replace("robot@x", "ceo@x"), from_mismatch=FromMismatch.REWRITE)
    assert isinstance(found, Aligned)
    assert found.gone == (b"from", b"sender", *RESENT)


@pytest.mark.parametrize("way", [FromMismatch.FIX_ENVELOPE, FromMismatch.REWRITE])
def test_what_only_some_take_for_a_from_is_mended_by_nobody(way):
    for header in (" From: ceo@bank.example\r\nFrom: robot@x.example\r\n", " From: ceo@bank.example\r\nX: 1\r\n"):
        assert isinstance(decide(header, from_mismatch=way), Refused)


def test_an_address_with_an_at_in_it_may_be_named_itself():
    found = decide('From: "a@b.example"@y.example\r\n', '"a@b.example"@y.example',
                   senders=('"a@b.example"@y.example', "*@z.example"))  # fmt: skip
    assert isinstance(found, Aligned)
    assert not found.changes


def test_without_senders_a_name_is_nobodys_business():
    found = decide('From: "ceo@bank.example" <a@x.example>\r\n', "a@x.example", senders=(), lines={"from_mismatch": 2})
    assert isinstance(found, Aligned)
    assert not found.changes


def test_what_nobody_could_be_answered_at_is_not_rewritten():
    for header in ("From: us: a@b.example;\r\n", "From: a@x.example\r\nFrom: b@x.example\r\n"):
        assert isinstance(decide(header, from_mismatch=FromMismatch.REWRITE), Refused)


def test_from_that_may_stay_stays_where_rewriting_is_allowed():
    found = decide("From: any@news.example\r\n", "www@y.example", from_mismatch=FromMismatch.REWRITE)
    assert isinstance(found, Aligned)
    assert (found.mailfrom, found.added) == ("any@news.example", b"")


def test_without_senders_nothing_is_looked_at_unless_that_is_written():
    assert not has_rules_of_from(Client("less.example"))
    assert has_rules_of_from(Client("less.example", lines={"from_mismatch": 2}))
    assert has_rules_of_from(Client("less.example", senders=SENDERS))
    free = {"senders": (), "lines": {"from_mismatch": 2}}
    assert isinstance(decide("From: ceo@bank.example\r\n", "ceo@bank.example", **free), Aligned)
    found = decide("From: ceo@bank.example\r\n", "www@y.example", **free)
    assert isinstance(found, Refused)
    assert found.reply.text.endswith("(clients.d/less.example.yml line 2: from_mismatch)")


def test_a_size():
    client = Client("less.example", max_size=1000, lines=LINES)
    assert oversized(client, 1000) is None
    refused = oversized(client, 1001)
    assert refused is not None
    assert str(refused.reply) == (
        "552 5.3.4 1001 octets; letters of up to 1000 are taken from less.example "
        "(clients.d/less.example.yml line 4: max_size)"
    )
