"""Quotas: a refusal for now with the time, which a restart does not forget, and nothing that was taken is lost."""

import json
import re

from hedwig.mailman.overquota import PAUSE

from ..host import FQDN
from ..submit import SAMPLE, Post, sample_email
from ..waiting import until
from ..world import World, mx
from .rules import rules

HOUR = "quota:\n  messages_per_hour: "


def test_over_it_is_refused_for_now_with_the_time_and_a_restart_forgets_nothing(world: World) -> None:
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, f"{HOUR}2\n")
    host.start()
    for _ in range(2):
        world.msmtp.send(SAMPLE, "a@163.com")
    host["postoffice"].kill()
    host.start("postoffice")
    status, said = world.msmtp.begin(SAMPLE, "b@163.com").end()
    assert status != 0
    found = re.search(
        r"452 4\.7\.1 quota: (\S+) may send again from [0-9-]+ [0-9:]+ UTC \(.* line \d+: (\S+) 2\)", said
    )
    assert found, said
    assert found.groups() == (FQDN, "quota.messages_per_hour:")
    status, answer = host.http.form(sample_email("b@163.com"))
    assert (status, json.loads(answer)["code"]) == (429, 429)
    (verdict,) = host.http.verdicts([Post(("b@163.com",), SAMPLE.replace(b"\n", b"\r\n"))])
    assert verdict["code"] == 452
    assert 3300 < verdict["retry_after"] <= 3901
    until("the letters", lambda: far.copies() == {"a@163.com": 2})
    rules(host, f"{HOUR}3\n")
    until("the new rule", lambda: host.http.form(sample_email("b@163.com"))[0] == 200)
    until("the letter", lambda: far.copies() == {"a@163.com": 2, "b@163.com": 1})


def test_what_mailman_has_taken_waits_for_it_in_sight(world: World) -> None:
    """Three were taken while postoffice was away, one may go. The others wait in mailman's spool, where the operator
    sees why; the journal has one line, and status their number; once there is room they go, each once, within a
    minute."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, f"{HOUR}1\n")
    host.start()
    host["postoffice"].kill()
    for name in "abc":
        world.msmtp.send(SAMPLE, f"{name}@163.com")
    host.start("postoffice")
    until("the first", lambda: len(far.accepted()) == 1)
    until("why the others wait", lambda: host.listed().count("quota.messages_per_hour") >= 2)
    assert len(far.accepted()) == 1
    until(
        "a line", lambda: "letters over a quota wait in this host's spool, 2 of 172.17.0.2" in host["mailman"].words()
    )
    assert "not taken by the postoffice" not in host["mailman"].words()
    rules(host, f"{HOUR}9\n")
    until("the new rule", lambda: host.http.form(sample_email("d@163.com"))[0] == 200)
    until("all of them", lambda: len(far.accepted()) == 4, seconds=PAUSE[0] + 30)
    assert far.copies() == {f"{name}@163.com": 1 for name in "abcd"}
    assert host["mailman"].words().count("letters over a quota wait") == 1


def test_what_the_operator_has_offered_at_once_does_not_wait_on(world: World) -> None:
    """He raises the quota and says `hedwig spool retry`: the first of them asks, and all go."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, f"{HOUR}1\n")
    host.start()
    host["postoffice"].kill()
    for name in "abc":
        world.msmtp.send(SAMPLE, f"{name}@163.com")
    host.start("postoffice")
    until("a line", lambda: "2 of 172.17.0.2" in host["mailman"].words())
    rules(host, f"{HOUR}9\n")
    until("the new rule", lambda: host.http.form(sample_email("d@163.com"))[0] == 200)
    host.hedwig("spool", "retry", "--all", "--yes")
    until("all of them", lambda: len(far.accepted()) == 4, seconds=PAUSE[0] / 2)
    assert far.copies() == {f"{name}@163.com": 1 for name in "abcd"}


def test_one_container_leaves_the_others_their_share(world: World) -> None:
    """A container's own quota is counted by its address, where its name isn't known; a repeat of what was accepted is
    no refusal."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, "container_quota:\n  recipients_per_day: 2\n")
    host.start()
    world.msmtp.send(SAMPLE, "a@163.com", "b@163.com")
    status, said = world.msmtp.begin(SAMPLE, "c@163.com").end()
    assert status != 0
    assert "452 4.7.1 quota: this container of less.nankai.edu.cn" in said
    status, said = world.msmtp.begin(SAMPLE, "c@163.com", "d@163.com", "e@163.com").end()
    assert status != 0
    assert "554 5.5.3 3 recipients are more than may ever go at once" in said
    assert host.http.form(sample_email("d@163.com"))[0] == 200
    until("the letters", lambda: far.copies() == {"a@163.com": 1, "b@163.com": 1, "d@163.com": 1})
