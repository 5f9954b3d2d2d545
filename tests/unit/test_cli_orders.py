"""`hedwig queue retry | hold | release | drop`: what is said beforehand, done, and said afterwards."""

import json
import threading
import time
from typing import Any

import pytest
from cli_rig import CLIENT, Cli

from hedwig.cli import carry_out
from hedwig.options import Notify, Options
from hedwig.spool import POSTOFFICE, State
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.streams import Pause


def states(cli: Cli) -> dict[str, str]:
    [spool] = json.loads(cli("queue", "--json", "--limit", "1000").stdout)
    return {row["rcptto"]: row["state"] for row in spool["queued"]}


def test_each_act_does_what_it_says(cli: Cli) -> None:
    """Look, hold, release, retry, drop; who and why stand in the history."""
    one = cli.put("a@163.com", "b@qq.com")
    for claim in cli.claim():
        cli.settle(claim, State.DEFERRED)
    looked = cli("queue", "hold", one, "--dry-run").stdout
    assert "2 recipients of 1 message would be held:" in looked
    assert set(states(cli).values()) == {"deferred"}
    assert cli("queue", "hold", one, "--yes").stdout.endswith("2 recipients of 1 message are held.\n")
    assert (
        "nothing that fits is deferred (what is held is released by" in cli("queue", "retry", "--all", status=1).stderr
    )
    cli("queue", "release", "--site", "163.com", "--yes", "--reason", "the limit is lifted")
    assert states(cli) == {"a@163.com": "deferred", "b@qq.com": "held"}
    assert len(cli.claim()) == 1
    gone = cli("queue", "drop", "--rcpt", "b@qq.com", "--no-dsn", "--yes").stdout
    assert gone.endswith("1 recipient of 1 message is dropped.\n")
    history = cli("queue", "show", one).stdout
    assert "released" in history and "the limit is lifted" in history and "dropped" in history


def test_who_tries_again_hears_what_is_left_alone(cli: Cli) -> None:
    """And how to have it tried all the same; of other receivers and of a moment's pause nothing is said."""
    cli.put("a@163.com", "b@qq.com", "c@126.com")
    for claim in cli.claim():
        cli.settle(claim, State.DEFERRED)
    now = time.time()
    rests = [Pause("163.com", now, now + 3000, "421 slow\x1bdown"), Pause("qq.com", now, now + 2, "it is full")]
    cli.spool.claim([], "host/1", now, [*rests, Pause("gmail.com", now, now + 3000, "421 no")], 0).result(10)
    said = cli("queue", "retry", "--all", "--yes").stdout
    assert (
        "163.com is left alone for 49 min more (421 slow\\x1bdown); to have it tried now: hedwig site resume 163.com"
        in said
    )
    assert said.count("left alone") == 1
    assert "left alone" not in cli("queue", "hold", "--all", "--yes").stdout


def test_nobody_is_asked_where_nobody_is(cli: Cli) -> None:
    """Then nothing is done, and it is said how to."""
    cli.put("a@163.com")
    assert "say --yes, or --dry-run" in cli("queue", "hold", "--all", status=2).stderr
    assert "--dsn or --no-dsn" in cli("queue", "drop", "--all", "--yes", status=2).stderr
    assert "say which: IDs, options, or --all" in cli("queue", "drop", "--no-dsn", "--yes", status=2).stderr
    assert "--all goes without" in cli("queue", "drop", "--all", "--site", "x.example", "--no-dsn", status=2).stderr
    assert json.loads(cli("queue", "hold", "--all", "--json").stdout)["recipients"] == 1
    assert states(cli) == {"a@163.com": "ready"}


def flood(cli: Cli) -> None:
    """25 letters of a sender who hears 20 times an hour, one of another, bounces, and one that wants no reports."""
    for number in range(25):
        cli.put(f"r{number}@163.com", mailfrom="flood@robot.genee.cn")
    cli.put("a@163.com", "b@163.com", "c@qq.com", mailfrom="one@robot.genee.cn")
    cli.put("a@163.com", mailfrom="")
    cli.put("n@163.com", "m@163.com", options=_notify(("n@163.com", "NEVER"), ("m@163.com", "DELAY")))
    cli.put("f@163.com", "m@163.com", options=_notify(("f@163.com", "FAILURE"), ("m@163.com", "NEVER")))


def _notify(*whom: tuple[str, str]) -> Options:
    return Options(notify=tuple(Notify(rcptto, (when,)) for rcptto, when in whom))


def test_a_drop_says_how_many_bounces_there_will_be(cli: Cli) -> None:
    """And how many none, and why: in the dry run, and before it is done; then it is as it was said."""
    flood(cli)
    forecast = {"reports": 22, "digested": 5, "null": 1, "unwanted": 1}
    looked = json.loads(cli("queue", "drop", "--all", "--dsn", "--dry-run", "--json").stdout)
    assert looked["forecast"] == forecast
    text = cli("queue", "drop", "--all", "--dsn", "--dry-run").stdout.splitlines()[-1]
    assert text == (
        "22 bounces go to the senders; 5 more are told in digests within the hour (`reports_per_hour` in worker.yml); "
        "nobody is told of 1 message with the null sender <>; the senders of 1 message asked for no report (NOTIFY)"
    )
    assert json.loads(cli("queue", "drop", "--all", "--no-dsn", "--dry-run", "--json").stdout)["forecast"] is None
    done = json.loads(cli("queue", "drop", "--all", "--dsn", "--yes", "--json").stdout)["done"]
    assert (done["recipients"], done["messages"], done["reports"], done["digested"]) == (33, 29, 22, 5)
    assert len(states(cli)) == 3, "reports, to three senders"
    cli.put("z@163.com", mailfrom="flood@robot.genee.cn")
    again = json.loads(cli("queue", "drop", "--rcpt", "z@163.com", "--dsn", "--dry-run", "--json").stdout)
    assert again["forecast"] == {"reports": 0, "digested": 1, "null": 0, "unwanted": 0}


def test_what_is_being_sent_is_called_back(cli: Cli) -> None:
    """It comes back to be held or dropped; the counts tell which did, and which had their outcome first."""
    for number in range(4):
        cli.put(f"r{number}@163.com")
    claims = cli.claim()
    assert len(claims) == 4

    def worker() -> None:
        cli.until(lambda: len(cli.spool.halted("host/1", time.time()).recalled) == 4)
        cli.settle(claims[0], State.DONE, "250 2.0.0 ok")
        cli.settle(claims[1])
        cli.settle(claims[2], State.DEFERRED)
        cli.settle(claims[3])

    thread = threading.Thread(target=worker)
    thread.start()
    out = cli("queue", "drop", "--all", "--dsn", "--yes").stdout
    thread.join()
    assert "4 recipients are being sent now, to be called back, and dropped unless it is too late:" in out
    assert (
        "Of 4 recipients being sent, 3 came back and are dropped; for 1 it was too late (`hedwig trace` tells)." in out
    )
    assert set(states(cli)) == {"sender@robot.genee.cn"}, "the reports"


def test_what_stays_away_is_dealt_with_when_it_comes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command does not wait for a receiver that takes its time."""
    monkeypatch.setattr(carry_out, "_PATIENCE", 0.3)
    cli.put("a@163.com")
    [claim] = cli.claim()
    done = json.loads(cli("queue", "hold", "--all", "--yes", "--json").stdout)["done"]
    assert (done["recalled"], done["back"], done["over"], done["left"]) == (1, 0, 0, 1)
    cli.settle(claim, State.DEFERRED)
    assert states(cli) == {"a@163.com": "held"}


@pytest.mark.parametrize("act", ["retry", "release"])
def test_other_acts_leave_it_alone(cli: Cli, act: str) -> None:
    cli.put("a@163.com")
    [claim] = cli.claim()
    result = cli("queue", act, "--all", "--yes", status=1)
    assert "1 recipient is being sent now, to be left alone:" in result.stdout
    assert cli.settle(claim).held == ()
    assert states(cli) == {"a@163.com": "ready"}


def test_what_goes_through_a_workers_hands_meanwhile_is_not_missed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the act it was claimed, tried and deferred: it is held all the same."""
    cli.put("a@163.com", "b@163.com")
    act = SqliteDesk.act
    tried: list[Any] = []

    def late(desk: SqliteDesk, *asked: Any) -> Any:
        if not tried:
            from hedwig.spool import listing

            find = listing.eligible

            def claimed_now(*wanted: Any) -> Any:
                found = find(*wanted)
                if not tried:
                    tried.extend(cli.claim())
                    cli.settle(tried[0], State.DEFERRED)
                    monkeypatch.setattr(listing, "eligible", find)
                return found

            monkeypatch.setattr(listing, "eligible", claimed_now)
        return act(desk, *asked)

    monkeypatch.setattr(SqliteDesk, "act", late)
    out = cli("queue", "hold", "--all", "--yes")
    assert set(states(cli).values()) == {"held"}
    assert "left alone" not in out.stderr


def test_broken_off_it_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between two lots: what is done is done, the rest is as it was, and the counts say which."""
    cli.put(*[f"r{number}@163.com" for number in range(900)])
    calls = []
    act = SqliteDesk.act

    def broken(desk: SqliteDesk, *asked: Any) -> Any:
        if calls:
            raise KeyboardInterrupt
        calls.append(asked)
        return act(desk, *asked)

    monkeypatch.setattr(SqliteDesk, "act", broken)
    result = cli("queue", "hold", "--all", "--yes", status=1)
    assert "Broken off: the rest is as it was." in result.stderr
    held = sum(state == "held" for state in states(cli).values())
    assert 0 < held < 900
    assert result.stdout.splitlines()[-1] == f"{held} recipients of 1 message are held."


def test_the_filter_is_for_what_was_there(cli: Cli) -> None:
    """Reports that a drop makes go to the same site: they are not what was meant."""
    cli.put("a@robot.genee.cn")
    cli("queue", "drop", "--site", "robot.genee.cn", "--dsn", "--yes")
    assert list(states(cli)) == ["sender@robot.genee.cn"]


def test_client_and_older(cli: Cli) -> None:
    """As in the list."""
    cli.put("a@163.com")
    cli.put("b@163.com", client="other.example", accepted_at=time.time() - 7200)
    assert "a@163.com" in cli("queue", "hold", "--client", CLIENT, "--dry-run").stdout
    assert "b@163.com" in cli("queue", "hold", "--older", "1h", "--dry-run").stdout
    assert "nothing that fits waits" in cli("queue", "hold", "--older", "1d", "--dry-run", status=1).stderr


def test_mailmans_mail_is_called_back_too(cli: Cli) -> None:
    """`hedwig spool drop` while it is being offered: the postoffice does not take it, and it is dropped, with a report
    that goes by the postoffice as well."""
    (cli.directory / "mailman.yml").write_text(
        f"fqdn: {CLIENT}\npostoffice: http://127.0.0.1:1/\nkey: k\nspool: {cli.path}\n"
    )
    one = cli.put("a@163.com", "b@qq.com", parts={POSTOFFICE: ("a@163.com", "b@qq.com")})
    [claim] = cli.claim()

    def forwarder() -> None:
        cli.until(lambda: bool(cli.spool.halted("host/1", time.time())))
        cli.settle(claim, State.DEFERRED, "451 4.3.0 later")

    thread = threading.Thread(target=forwarder)
    thread.start()
    out = cli("spool", "drop", one, "--dsn", "--yes").stdout
    thread.join()
    assert "Of 2 recipients being sent, 2 came back and are dropped." in out
    assert "on the way to the senders, besides those of what was being sent." in out
    [told] = json.loads(cli("spool", "--json").stdout)["queued"]
    assert (told["rcptto"], told["destination"], told["mailfrom"]) == ("sender@robot.genee.cn", POSTOFFICE, "")
