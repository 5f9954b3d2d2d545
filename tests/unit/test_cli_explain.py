"""`hedwig explain` and `hedwig site`, the commands: what is asked of them, what they say where they can't tell, and how
an answer looks."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_rig import CLIENT, Cli

from hedwig import verdict
from hedwig.address import Address
from hedwig.classify import UNRULED, Ruling
from hedwig.cli.probe_view import end_of
from hedwig.cli.probe_view import text_of as probe_text
from hedwig.cli.receiver_view import backoff_words, budget_words
from hedwig.cli.site_view import label_of
from hedwig.rates import Rate
from hedwig.reply import Reply, Stage
from hedwig.settings import Worker
from hedwig.settings.replies import About, Action
from hedwig.smtp import Said
from hedwig.spool import Pause, State, receivers
from hedwig.spool.operate import SiteRow
from hedwig.spool.owner import worker_lock
from hedwig.spool.receivers import Backoff
from hedwig.worker.observer import Budget
from hedwig.worker.probing import Asked, NotAsked
from hedwig.worker.prospect import End
from hedwig.worker.roster import Receiver

CLOSED = 1  # a port at which no nameserver answers


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """A host with one worker, whose nameserver is gone."""
    made = Cli(tmp_path)
    settings(made)
    lock = worker_lock(str(tmp_path / "run"), "1")
    assert lock.take()
    yield made
    lock.give_back()
    made.close()


def settings(cli: Cli, *more: str) -> None:
    lines = [f"spool: {cli.path}", "ehlo: robot.genee.cn", f"run_dir: {cli.directory}/run", "refuse: []"]
    lines += [f"dns: {{nameservers: [127.0.0.1], port: {CLOSED}}}", "retry: {schedule: [6m]}", *more]
    (cli.directory / "worker.yml").write_text("\n".join(lines) + "\n")


def test_it_is_asked_on_the_host_that_delivers(cli: Cli) -> None:
    (cli.directory / "worker.yml").unlink()
    for command in (["explain", "a@163.com"], ["site"], ["site", "resume", "google"]):
        assert "there is no worker.yml here; ask on the host that delivers" in cli(*command, status=1).stderr


def test_every_trouble_is_a_sentence(cli: Cli) -> None:
    (cli.directory / "worker.yml").write_text(f"spool: {cli.directory}/none.db\n")
    assert "there is no spool yet" in cli("explain", "a@163.com", status=1).stderr
    (cli.directory / "worker.yml").write_text("conections: 5\n")
    assert "unknown key" in cli("site", status=1).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "the address has no domain"),
        (["a@163.com", "--client", "no name"], "is not a host name"),
        (["a@163.com", "--force"], "say how to --probe"),
        (["a@163.com", "--from", "<>"], "say how to --probe"),
        (["a@163.com", "--probe", "--from", "b"], "the address has no domain"),
        (["\x1b[31m@163.com"], "control character"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(cli: Cli, words: list[str], said: str) -> None:
    result = cli("explain", *words, status=2)
    assert said in result.stderr
    assert "\x1b" not in result.stderr


def test_nameservers_that_are_gone_say_nothing_about_the_mail(cli: Cli) -> None:
    """I8: it waits, and goes when they are back; that they are gone is told, and no journal hears of it."""
    result = cli("explain", "<a@163.com>", status=3)
    assert "not known: MX of 163.com" in result.stdout
    assert "A letter to a@163.com would wait until" in result.stdout
    assert "note" in result.stdout and "the nameservers answer no question" in " ".join(result.stdout.split())
    assert cli("explain", "a@163.com", "--probe", status=3).stdout.startswith("No host was asked about a@163.com until")


def test_an_address_in_brackets_needs_no_nameserver(cli: Cli) -> None:
    """The whole of it; a line of the settings is named."""
    settings(cli, "sites:", "  default:", "    connections: 3")
    cli.put("b@[127.0.0.1]", "c@[127.0.0.1]")
    text = cli("explain", "b@[127.0.0.1]").stdout
    assert "  MX            not asked for: it is an address\n" in text
    assert "3 connections at a time (worker.yml, line 9)" in text
    assert "100 messages on a connection (default)" in text
    assert "1. 127.0.0.1[127.0.0.1], from 127.0.0.1" in text
    assert "1 for the address, 1 ready, next try now" in text
    assert "1 for [127.0.0.1], 1 of them due now" in text
    assert text.endswith("would be sent now, from 127.0.0.1 (robot.genee.cn) to\n127.0.0.1[127.0.0.1].\n")
    found = json.loads(cli("explain", "b@[127.0.0.1]", "--json").stdout)
    assert (found["prospect"]["end"], found["prospect"]["from"]) == ("sent", "127.0.0.1")
    assert found["limits"][0] == {"key": "connections", "value": 3, "line": 9}
    assert found["waiting"]["site"] == {"waiting": 1, "due": 1, "later": 0.0, "active": 0, "held": 0}
    assert found["probe"] is None


def test_a_host_that_does_not_answer_the_probe(cli: Cli) -> None:
    """Nothing is put off for it, and no letter is touched."""
    settings(cli, f"smtp_port: {CLOSED}")
    cli.put("b@[127.0.0.1]")
    found = json.loads(cli("explain", "b@[127.0.0.1]", "--probe", "--json", status=3).stdout)
    assert found["probe"]["said"]["stage"] == "connect"
    assert "connection refused" in found["probe"]["said"]["detail"]
    [claim] = cli.claim()
    assert claim.recipients[0].tries == 0


def test_pauses_that_hold_for_it_are_named(cli: Cli) -> None:
    """The operator's and the workers'; what is deferred tells when it is tried."""
    cli.put("b@[127.0.0.1]")
    for claim in cli.claim():
        cli.settle(claim, State.DEFERRED)
    now = time.time()
    cli.spool.claim([], "host/1", now, [Pause("[127.0.0.1]", now, now + 50, "no host answers")]).result(10)
    text = " ".join(cli("explain", "b@[127.0.0.1]", status=3).stdout.split())
    assert "paused by a worker for 49 s more: no host answers" in text
    assert "0 of them due now, the next in 9 min" in text
    assert "is no client that is known" not in cli("explain", "b@[127.0.0.1]", "--client", CLIENT, status=3).stdout
    typo = " ".join(cli("explain", "b@[127.0.0.1]", "--client", "les.nankai.edu.cn", status=3).stdout.split())
    assert "note les.nankai.edu.cn is no client that is known here" in typo
    assert f"near it: {CLIENT}" in typo
    cli("queue", "pause", CLIENT, "--client", "--reason", "it loops")
    text = " ".join(cli("explain", "b@[127.0.0.1]", "--client", CLIENT, status=3).stdout.split())
    assert f"client {CLIENT}, by" in text
    assert text.endswith(f"would wait: an operator has paused client {CLIENT} (it loops)")


def test_an_address_that_gets_no_mail(cli: Cli) -> None:
    """Whatever the case of its letters; another's mail goes."""
    cli("suppress", "add", "nobody@[127.0.0.1]", "--reason", "he left")
    text = " ".join(cli("explain", "Nobody@[127.0.0.1]", status=4).stdout.split())
    assert "would fail at once" in text
    assert "`hedwig suppress remove nobody@[127.0.0.1]` lifts it: he left" in text
    assert "suppressed since" in cli("explain", "nobody@[127.0.0.1]", "--probe", status=4).stdout
    assert "would be sent now" in cli("explain", "somebody@[127.0.0.1]").stdout


def test_receivers_are_listed(cli: Cli) -> None:
    """What DNS can't tell stands for itself; what only workers remember is there too; escapes are escaped."""
    now = time.time()
    cli.put("b@[127.0.0.1]", "c@163.com")
    for family in ("ipv4", "ipv6"):
        said = Backoff("google", f"/{family}", now, now + 600, rule="google/rate", reason="421 slow \x1b[31mdown")
        receivers.back_off(cli.spool, said).result(10)
    lines = {" ".join(line.split()) for line in cli("site").stdout.splitlines()}
    assert "google 0 of 1 rests 9 min more, rule google/rate: 421 slow \\x1b[31mdown" in lines
    assert "[127.0.0.1] 1 0 of 5" in lines
    assert any(line.startswith("163.com 1 MX of 163.com") for line in lines)
    assert cli("site", "list").stdout.splitlines()[0] == cli("site").stdout.splitlines()[0]
    found = json.loads(cli("site", "list", "--json", "--limit", "1").stdout)
    assert found["more"] == 1
    assert len(found["receivers"]) == 2, "one with mail, and google"
    assert "1 delivery waits for other destinations" in cli("site", "--limit", "1").stderr


def test_nothing_is_known_of_an_empty_spool(cli: Cli) -> None:
    assert cli("site").stdout == "No receiver is known: nothing waits, and nothing went lately.\n"


def test_a_receiver_is_resumed_by_its_name(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What had been asked is told; the workers' pauses of its destinations end, those of others don't."""
    monkeypatch.setattr("hedwig.cli.sites._HEEDED", 0.0)
    now = time.time()
    receivers.back_off(cli.spool, Backoff("[127.0.0.1]", "/ipv4", now, now + 600, reason="421 slow down")).result(10)
    pauses = [Pause(name, now, now + 50, "it rests") for name in ("[127.0.0.1]", "[127.0.0.2]")]
    cli.spool.claim([], "host/1", now, pauses).result(10)
    assert cli("site", "resume", "[127.0.0.1]").stdout.splitlines() == [
        "    ipv4: 9 min was left: 421 slow down",
        "receiver [127.0.0.1]: 1 rest is lifted; workers try it now",
    ]
    assert [each.destination for each in cli.spool.pauses(time.time())] == ["[127.0.0.2]"]
    assert receivers.backoffs(cli.spool, time.time()) == []
    assert json.loads(cli("site", "resume", "google", "--json").stdout) == {
        "receiver": "google",
        "lifted": [],
        "freed": [],
    }


def test_what_is_no_receiver_is_not_resumed(cli: Cli) -> None:
    cli.put("a@[127.0.0.1]")
    near = cli("site", "resume", "gogle", status=1).stderr
    assert "near it: google" in near
    assert "no mail goes there" in cli("site", "resume", "[127.0.0.9]", status=1).stderr
    assert "is no receiver" in cli("site", "resume", "no such", status=2).stderr
    assert receivers.lifted(cli.spool) == {}


HOST = "mx.example[192.0.2.1]"
NO_USER = Ruling("generic/no-user", "bad mailbox", help="https://mx.example/help")
SLOW = Ruling("google/rate", "rate limit", About.ADDRESS, Action.BACK_OFF, 600.0)


def asked(stage: Stage, reply: str, host: str = HOST, how: str = "", ruling: Ruling = UNRULED) -> Asked:
    """As a probe has it."""
    said = Said(stage, Reply.parse(int(reply[:3]), reply[4:])) if reply[:1].isdigit() else Said(stage, None, reply)
    return Asked(said, host, how, ruling, verdict.decide(stage, said.reply, said.detail, ruling))


@pytest.mark.parametrize(
    ("probed", "end", "words"),
    [
        (
            asked(Stage.RCPT, "250 ok", how="TLSv1.3 (may)"),
            End.SENT,
            f"{HOST}, TLSv1.3 (may): at RCPT: 250 ok",
        ),
        (asked(Stage.RCPT, "550 no \x1b[31msuch"), End.FAILS, f"{HOST}: at RCPT: 550 no [31msuch"),
        (asked(Stage.RCPT, "550 no"), End.FAILS, "would fail, and its sender get a bounce, by the code."),
        (
            asked(Stage.RCPT, "550 5.1.1 nobody", ruling=NO_USER),
            End.FAILS,
            "get a bounce, by rule generic/no-user (bad mailbox). see: https://mx.example/help",
        ),
        (
            asked(Stage.RCPT, "451 4.7.1 later"),
            End.WAITS,
            "would wait, by the code. It waits, and is tried again by the",
        ),
        (
            asked(Stage.MAIL, "421 slow", ruling=SLOW),
            End.WAITS,
            "by rule google/rate (rate limit). It waits until mail",
        ),
        (asked(Stage.CONNECT, "connection refused"), End.WAITS, f"{HOST}: at CONNECT: connection refused A letter to"),
        (asked(Stage.LOCAL, "554 5.4.6 loop", ""), End.FAILS, "No host was asked: 554 5.4.6 loop"),
        (asked(Stage.LOCAL, "550 5.6.7 no"), End.FAILS, "at LOCAL: 550 5.6.7 no A letter to a@example.net would fail"),
        (
            NotAsked("it rests", time.time() + 59.9, forcible=True),
            End.WAITS,
            "it rests (--force asks all the same)",
        ),
        (NotAsked("all is in use"), End.WAITS, "No host was asked about a@example.net: all is in use"),
        (NotAsked("suppressed", end=End.FAILS), End.FAILS, "a@example.net: suppressed"),
    ],
)
def test_what_a_probe_means(probed: Asked | NotAsked, end: End, words: str) -> None:
    assert end_of(probed) is end
    text = " ".join(" ".join(probe_text(probed, Address.parse("a@example.net"), Worker())).split())
    assert words in text


def test_how_limits_are_said() -> None:
    assert budget_words(Budget(Rate("hour", 3000, 3600.0), 150)) == "3,000 messages an hour: 150 may go at once"
    dry = Budget(Rate("connections a minute", 5, 60.0), 0, 2.25)
    assert budget_words(dry) == "5 connections a minute: used up; the next one in 2.2 s"
    said = Backoff("qq", "main/ipv4", 0.0, 100.0, 1, 3, "qq/rate", "550 \x07 Ip frequency")
    rest, words = backoff_words(said, 40.0)
    assert "for 1 min more" in rest
    assert "from main/ipv4, asked for 3 times in a row, by rule qq/rate, then at most 1 at a time" in rest
    assert words == 'it said: "550 \\x07 Ip frequency"'
    bound, _ = backoff_words(said, 200.0)
    assert bound.startswith("at most 1 at a time until")


def test_a_receiver_without_a_name_goes_by_its_domain() -> None:
    row = SiteRow("a.example", 1, 0, 0, 0.0, 0.0, 0.0, 0.0, "", 0.0)
    other = SiteRow("b.example", 1, 0, 0, 0.0, 0.0, 0.0, 0.0, "", 0.0)
    assert label_of(Receiver("google", (row,))) == "google"
    assert label_of(Receiver("mx1.a.example,mx2.a.example", (row, other))) == "a.example +1"
    assert label_of(Receiver("mx1.a.example", ())) == "mx1.a.example"
