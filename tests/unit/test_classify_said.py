"""What replies say in their texts, whoever says it; and replies as people copy them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.classify.said import LEAST_WAIT, MOST_WAIT, page_named, reply_of, seconds_named, status_of
from hedwig.reply import Reply


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(550, "5.1.1", "x"), (5, 1, 1)),
        (Reply(550, "", "sorry, no mailbox here by that name (#5.1.1 - chkusr)"), (5, 1, 1)),
        (Reply(550, "", "#5.1.0 Address rejected"), (5, 1, 0)),
        (Reply(550, "", "'5.2.2 <a@example.com> full"), (5, 2, 2)),
        (Reply(421, "", "421-4.7.0 [192.0.2.1] go away"), (4, 7, 0)),
        (Reply(550, "", "client 5.1.2.3 is blocked"), None),
        (Reply(550, "", "running Server 5.1.1 of 2020"), None),
        (Reply(450, "", "5.1.1 contradicts its code"), None),
        (Reply(550, "", ""), None),
    ],
)
def test_a_status_where_receivers_put_it(reply: Reply, status: tuple[int, int, int] | None) -> None:
    assert status_of(reply) == status


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("try again in 5 minutes", 300),
        ("greylisted for 300 seconds", 300),
        ("please come back in 00:04:59", 299),
        ("retry after 3600 sec", 3600),
        ("please wait 2 hours", 7200),
        ("deferred for 1 day", 86400),
        ("try again in 30m", 1800),
        ("try again later", 0),
        ("more than 20 messages in 60 seconds", 0),
        ("try again in 1 second", LEAST_WAIT),
        ("try again in 90 days", MOST_WAIT),
        ("try again in 0 seconds", 0),
        ("again 12 monkeys", 0),
    ],
)
def test_a_time_to_wait(text: str, seconds: float) -> None:
    assert seconds_named(text) == seconds


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("see http://mail.163.com/help/help_spam_16.htm?ip=192.0.2.1&hostid=smtp5", "http://mail.163.com/help/help_spam_16.htm?ip=192.0.2.1&hostid=smtp5"),
        ("(see https://support.google.com/mail/?p=NoSuchUser)", "https://support.google.com/mail/?p=NoSuchUser"),
        ("visit <https://example.com/a>.", "https://example.com/a"),
        ("ftp://example.com/", ""),
        ("nothing", ""),
    ],
)  # fmt: skip
def test_a_page(text: str, page: str) -> None:
    assert page_named(text) == page


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("550 5.1.1 no such user", Reply(550, "5.1.1", "no such user")),
        ("550-5.1.1 no such\n550 5.1.1 user", Reply(550, "5.1.1", "no such user")),
        ("550-no such\n550 user", Reply(550, "", "no such user")),
        ("host mx.example.com[192.0.2.1] said: 450 4.7.1 later", Reply(450, "4.7.1", "later")),
        ("stage=rcpt: 421 4.3.2 gone", Reply(421, "4.3.2", "gone")),
        ("  554  spaces ", Reply(554, "", "spaces")),
        ("250", Reply(250, "", "")),
        ("no code at all", None),
        ("x550 y", None),
        ("", None),
    ],
)
def test_replies_as_people_copy_them(text: str, reply: Reply | None) -> None:
    assert reply_of(text) == reply


@given(st.text(max_size=300))
def test_no_text_breaks_them(text: str) -> None:
    reply = reply_of(text)
    if reply is not None:
        assert 200 <= reply.code < 600
        status_of(reply)
    assert 0 <= seconds_named(text.lower()) <= MOST_WAIT
    assert page_named(text) == "" or page_named(text) in text
