"""mailman's key over a network without TLS: said at the start, and after a reload that mends or brings it."""

import smtplib

import pytest

from .waiting import until
from .world import World


def test_it_is_said_at_the_start_and_after_a_reload(world: World) -> None:
    """A postoffice on this host is no reason to warn; one elsewhere is, by http but not by https."""
    host = world.host(mailman={"postoffice": "http://203.0.113.9:8025/"})
    host.start("mailman")
    until("the warning", lambda: "the key goes to http://203.0.113.9:8025/ in the clear" in host["mailman"].words())
    for url in ("https://203.0.113.9/", "http://127.0.0.1:8025/", "http://203.0.113.10:8025/"):
        host.settings["mailman"]["postoffice"] = url
        host.write("mailman")
        count = host["mailman"].words().count("was read again")
        host.reload("mailman")
        until("the reload", lambda count=count: host["mailman"].words().count("was read again") > count)
    until("the second warning", lambda: "http://203.0.113.10:8025/ in the clear" in host["mailman"].words())
    assert host["mailman"].words().count("in the clear") == 2


def test_a_letter_that_asks_for_tls_does_not_begin_its_way_in_the_clear(world: World) -> None:
    """RFC 8689: it would be of no use to guard the rest of the way. Others go."""
    host = world.host(mailman={"postoffice": "http://203.0.113.9:8025/"})
    host.start("mailman")
    until("the warning", lambda: "in the clear" in host["mailman"].words())
    with pytest.raises(smtplib.SMTPDataError) as refused:
        with smtplib.SMTP("172.17.0.1") as client:
            client.sendmail("a@genee.cn", ["b@163.com"], b"Hedwig-Require-TLS: yes\r\nSubject: x\r\n\r\nhi\r\n")
    assert refused.value.smtp_code == 450
    assert b"4.7.10" in refused.value.smtp_error
    with smtplib.SMTP("172.17.0.1") as client:
        assert client.sendmail("a@genee.cn", ["b@163.com"], b"Subject: x\r\n\r\nhi\r\n") == {}
