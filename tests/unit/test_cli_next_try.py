"""When mail is tried next, as `hedwig queue`, `queue show` and `trace` tell it: one truth in all three."""

import json
import time
from collections.abc import Iterator

import pytest
from cli_rig import CLIENT, Cli

from hedwig.cli.next_try import concerning, kept
from hedwig.cli.terminal import moment
from hedwig.spool import Pause, State
from hedwig.spool.operate import Stop, StopKind
from hedwig.spool.stops import FOREVER, paused_because


def leave_alone(cli: Cli, *pauses: Pause, owner: str = "host/1") -> None:
    cli.spool.claim([], owner, time.time(), list(pauses)).result(10)


def three(cli: Cli, queue_id: str) -> Iterator[str]:
    for command in (["queue"], ["queue", "show", queue_id], ["trace", queue_id]):
        yield cli(*command).stdout


@pytest.mark.parametrize(("name", "kind"), [("163.com", "--site"), (CLIENT, "--client")])
def test_what_an_operator_has_paused_is_said_everywhere(cli: Cli, name: str, kind: str) -> None:
    """Of a letter that was tried already, too."""
    queue_id = cli.put("a@163.com")
    for claim in cli.claim():
        cli.settle(claim, State.DEFERRED)
    cli("queue", "pause", name, kind, "--reason", "their migration")
    for shown in three(cli, queue_id):
        assert f"its {kind[2:]} is paused" in shown
        assert "Paused by an operator:" in shown
        assert "their migration" in shown
        assert "next try" not in shown


def test_a_receiver_that_rests_is_said_with_its_true_end(cli: Cli) -> None:
    """Workers look again every minute; what keeps the mail lasts longer. Each domain once, whoever said so."""
    now = time.time()
    queue_id = cli.put("a@163.com")
    for owner, lasts in (("host/1", 1700.0), ("host/2", 1740.0)):
        leave_alone(cli, Pause("163.com", now, now + 40, "450 come later", lasts=now + lasts), owner=owner)
    for shown in three(cli, queue_id):
        assert f"a@163.com  not tried yet, next try not before {moment(now + 1740)}" in shown
        assert shown.count("    163.com: for ") == 1
        assert "    163.com: for 28 min more\n        450 come later" in shown
        assert "next try now" not in shown
    assert json.loads(cli("trace", queue_id, "--json").stdout)[0]["pauses"][0]["until"] == now + 1740


def test_the_footer_is_about_what_was_asked_for(cli: Cli) -> None:
    now = time.time()
    cli.put("a@163.com")
    cli.put("b@qq.com")
    leave_alone(cli, *(Pause(each, now, now + 50, "it rests") for each in ("163.com", "qq.com", "gone.example")))
    cli("queue", "pause", "163.com", "--site")
    whole = cli("queue").stdout
    assert all(f"    {each}: for" in whole for each in ("163.com", "qq.com", "gone.example"))
    of_one = cli("queue", "--site", "qq.com").stdout
    assert "qq.com: for" in of_one
    assert "163.com" not in of_one
    assert cli("queue", "--sender", "<>").stdout.splitlines()[1:] == []


def test_a_receiver_that_is_paused_by_name(cli: Cli) -> None:
    """Workers tell whose mail it is; the end is the operator's."""
    now = time.time()
    queue_id = cli.put("a@gmail.com")
    leave_alone(cli, Pause("gmail.com", now, now + 60, paused_because("google")))
    cli("queue", "pause", "google", "--site")
    for shown in three(cli, queue_id):
        assert "a@gmail.com  not tried yet, its receiver, google, is paused" in shown
        assert "site google: since" in shown
        assert "s more" not in shown


def test_what_is_about_bulk_alone_or_brief_says_nothing(cli: Cli) -> None:
    now = time.time()
    cli.put("a@163.com")
    cli.put("b@qq.com")
    leave_alone(cli, Pause("163.com", now, now + 60, "full", priority=2), Pause("qq.com", now, now + 1, "busy"))
    assert cli("queue").stdout.count("not tried yet, next try now") == 2


def test_the_pause_of_all_mail_counts_before_that_of_bulk() -> None:
    pauses = [Pause("a", 0, 90, "bulk", 2), Pause("a", 0, 30, "all"), Pause("b", 0, 10, "b")]
    stops = [Stop(StopKind.SITE, "a", 0, FOREVER, "", ""), Stop(StopKind.CLIENT, "a", 0, FOREVER, "", "")]
    known = kept(stops, pauses)
    assert [pause.reason for pause in known.pauses] == ["b", "all"]
    assert concerning([], known) == ([], [])
