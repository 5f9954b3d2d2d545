"""A receiver that wants to hear how TLS went with its hosts (TLS-RPT) gets yesterday's report."""

import email
import email.policy
import gzip
import json
import time
from email.message import EmailMessage

from hedwig.spool.sqlite import open_spool
from hedwig.spool.tls_results import count
from hedwig.tlsrpt import Count, Policy, PolicyType, Result, Session, day_of

from .host import Host
from .waiting import until
from .world import World, mx

REPORTING = {"tls_report": {"contact": "tls@robot.genee.cn", "organization": "Nankai"}}
POLICY = Policy(PolicyType.NONE, "163.com")


def seen_yesterday(host: Host, *counts: Count) -> None:
    """What workers counted on the day before."""
    spool = open_spool(str(host.spool))
    for counted in count(spool, day_of(time.time()) - 1, counts, lambda: 0.0):
        counted.result(10)
    spool.close()


def test_the_report_arrives(world: World) -> None:
    """Once, though two workers look for it; and it says what was counted."""
    world.dns(mx("163.com", "192.0.2.1"), '_smtp._tls.163.com. TXT "v=TLSRPTv1; rua=mailto:tlsrpt@163.com"')
    far = world.far("192.0.2.1")
    host = world.host(worker=REPORTING)
    failed = Session("163.com", POLICY, Result.STARTTLS_NOT_SUPPORTED, "mx1.163.com", "192.0.2.1", "192.0.2.9")
    seen_yesterday(host, Count(Session("163.com", POLICY), 41), Count(failed, 1))
    host.start("beanstalkd", "postoffice", "worker-1", "worker-2")
    until("the report", far.accepted)
    until("an empty queue", lambda: "tlsrpt@163.com" not in host.listed())
    assert far.copies() == {"tlsrpt@163.com": 1}
    [letter] = far.letters
    message = email.message_from_bytes(letter.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert (message["From"], message["TLS-Report-Domain"]) == ("tls@robot.genee.cn", "163.com")
    _, attached = message.iter_parts()
    told = json.loads(gzip.decompress(attached.get_content()))
    assert told["organization-name"] == "Nankai"
    [policy] = told["policies"]
    assert policy["summary"] == {"total-successful-session-count": 41, "total-failure-session-count": 1}
    assert [one["receiving-mx-hostname"] for one in policy["failure-details"]] == ["mx1.163.com"]
