"""The words of the history, as `hedwig trace` shows them: whose they are, and at what time."""

import time
from collections.abc import Iterator

import pytest
from cli_rig import Cli

from hedwig.cli.terminal import localised
from hedwig.options import Options
from hedwig.reply import Reply, Stage
from hedwig.spool import Event, Kind, RecipientResult, Settlement, State

AT = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
BY = '{"container":"web, until"}'
THERE = "2027-01-15 16:00:00"


@pytest.fixture
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An operator eight hours east."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("shanghai")
def test_a_line_has_one_time_zone(cli: Cli) -> None:
    options = Options(deadline=AT)
    queue_id = cli.put("a@163.com", taken_at=AT, accepted_at=AT, expires_at=AT + 1e9, options=options, submitter=BY)
    [line] = [each for each in cli("trace", queue_id).stdout.splitlines() if " accepted " in each]
    whole = " ".join(cli("trace", queue_id).stdout.split())
    assert f", until {THERE}" in whole
    assert f"taken by mailman at {THERE}; waited" in whole
    assert "UTC" not in whole
    assert line.startswith(time.strftime("%Y-%m-%d"))


@pytest.mark.usefixtures("shanghai")
@pytest.mark.parametrize("words", ["gets no mail until", "suppressed since", "was to be sent until"])
def test_times_of_ours_become_local_and_those_of_others_stay(words: str) -> None:
    assert localised(f"x {words} 2027-01-15 08:00:00 UTC y") == f"x {words} {THERE} y"
    theirs = "failed: mx said 450 blocked, until 2027-01-15 08:00:00 UTC"
    assert localised(theirs) == theirs


def test_what_dns_says_no_other_host_said(cli: Cli) -> None:
    cli.put("a@nx.invalid")
    [claim] = cli.claim()
    said = Reply.parse(550, "5.1.2 the domain nx.invalid does not exist")
    event = Event(time.time(), Kind.FAILED, "a@nx.invalid", Stage.DNS, said)
    result = RecipientResult(0, State.DONE, str(said))
    cli.spool.settle([Settlement(claim.delivery, claim.token, (result,), (event,))]).result(10)
    shown = cli("trace", "a@nx.invalid").stdout
    assert "failed     a@nx.invalid: DNS: 550 5.1.2 the domain nx.invalid does not exist\n" in shown
    assert "other side" not in shown


def test_a_bounce_names_its_letter(cli: Cli) -> None:
    """Also when it has gone."""
    first = cli.put("a@163.com")
    bounce = cli.put("me@qq.com", mailfrom="", origin=first)
    for claim in cli.claim():
        cli.settle(claim, State.DONE, "250 ok")
    assert f"a report about {first}" in " ".join(cli("trace", bounce).stdout.split())
