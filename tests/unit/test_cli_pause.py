"""`hedwig queue pause` and `resume`: which name is meant, what is kept, what is said."""

import json
import time

import pytest
from cli_rig import CLIENT, Cli

from hedwig.cli.naming import Unclear, kind_of
from hedwig.spool import State
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.operate import StopKind
from hedwig.spool.stops import FOREVER


def stops(cli: Cli) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(cli("queue", "pause", "--json").stdout)
    return found


def named(cli: Cli) -> list[tuple[object, object]]:
    return [(one["kind"], one["name"]) for one in stops(cli)]


def test_a_client_is_known_by_its_file_and_by_its_mail(cli: Cli) -> None:
    """Whatever the case; a revoked host's mail may still wait."""
    cli.client("shop.example.net")
    cli.put("a@163.com")
    assert (
        "client shop.example.net is paused: its mail is accepted and held"
        in cli("queue", "pause", "Shop.Example.net").stdout
    )
    cli("queue", "pause", CLIENT)
    assert named(cli) == [("client", "shop.example.net"), ("client", CLIENT)]


def test_a_site_is_known_by_what_waits_and_by_what_went(cli: Cli) -> None:
    """Also where nothing waits any more; a name in another script is the same site."""
    cli.put("a@163.com", "b@bücher.example")
    for claim in cli.claim():
        cli.settle(claim, State.DONE, "250 2.0.0 ok")
    cli.put("c@qq.com")
    cli.put("d@163.com")
    assert "d@163.com  not tried yet, next try now" in cli("queue", "--site", "163.com").stdout
    out = cli("queue", "pause", "163.com").stdout
    assert "d@163.com  not tried yet, its site is paused" in cli("queue", "--site", "163.com").stdout
    assert out.startswith("site 163.com is paused: nothing more is sent there; what is under way finishes\n")
    cli("queue", "pause", "QQ.com.")
    cli("queue", "pause", "BÜCHER.example")
    assert sorted(named(cli)) == [("site", "163.com"), ("site", "qq.com"), ("site", "xn--bcher-kva.example")]


@pytest.mark.parametrize(
    ("typo", "near"),
    [
        ("les.nankai.edu.cn", f"{CLIENT} (a client)"),
        ("less.nankai.edu.co", f"{CLIENT} (a client)"),
        ("hotmial.com", "hotmail.com (a site)"),
        ("\x1b[31mhotmail.com", "hotmail.com (a site)"),
    ],
)
def test_a_name_that_nobody_knows_is_not_paused(cli: Cli, typo: str, near: str) -> None:
    """It is said, with what is like it, and how to insist; nothing is paused."""
    cli.client(CLIENT)
    cli.put("a@hotmail.com")
    said = cli("queue", "pause", typo, status=1).stderr
    assert "is no client" in said
    assert f"Near it: {near}." in said
    assert "--site or --client" in said
    assert "\x1b" not in said
    assert stops(cli) == []


def test_who_insists_pauses_it(cli: Cli) -> None:
    """A site to which nothing went yet; a host that is to come."""
    cli.put("a@163.com")
    cli("queue", "pause", "new.example", "--site")
    cli("queue", "pause", "New.Example", "--client")
    assert named(cli) == [("site", "new.example"), ("client", "new.example")]
    for kind in ("--site", "--client"):
        assert "is no " in cli("queue", "pause", "no such name", kind, status=2).stderr
        assert "is no " in cli("queue", "pause", "../../etc", kind, status=2).stderr


def test_what_is_both_must_be_said(cli: Cli) -> None:
    """Bounces go to the domain that is a sending host's, too."""
    cli.client(CLIENT)
    cli.put(f"root@{CLIENT}")
    assert "say --client or --site" in cli("queue", "pause", CLIENT, status=2).stderr
    assert stops(cli) == []
    cli("queue", "pause", CLIENT, "--site", "--until", "2h")
    cli("queue", "pause", CLIENT, "--reason", "again")
    assert [(one["kind"], one["reason"]) for one in stops(cli)] == [("site", "again")], "the one that is paused already"


def test_pausing_again_keeps_what_is_not_said_anew(cli: Cli) -> None:
    """And says what is in force; `never` and an empty reason clear."""
    cli.put("a@163.com")
    cli("queue", "pause", "163.com", "--until", "2h", "--reason", "they asked us to")
    again = cli("queue", "pause", "163.com").stdout
    assert again.startswith("site 163.com was paused already; what is in force now stands below\n")
    assert "they asked us to" in again
    [stop] = stops(cli)
    assert abs(float(str(stop["until"])) - time.time() - 7200) < 60
    cli("queue", "pause", "163.com", "--until", "never")
    cli("queue", "pause", "163.com", "--reason", "")
    [stop] = stops(cli)
    assert (stop["until"], stop["reason"]) == (FOREVER, "")
    assert "until it is resumed" in cli("queue", "pause").stdout


def test_a_paused_clients_mail_is_held_and_goes_on(cli: Cli) -> None:
    cli.client(CLIENT)
    cli.put("a@163.com")
    cli("queue", "pause", CLIENT)
    assert "its client is paused" in cli("queue").stdout
    assert cli.claim() == []
    assert cli("queue", "resume", CLIENT).stdout == f"client {CLIENT} goes on\n"
    assert len(cli.claim()) == 1


def test_resume_says_what_is_paused_when_the_name_is_not(cli: Cli) -> None:
    cli.put("a@163.com", "b@qq.com")
    assert "163.com is not paused; nothing is" in cli("queue", "resume", "163.com", status=1).stderr
    cli("queue", "pause", "163.com")
    assert "162.com is not paused; what is: 163.com" in cli("queue", "resume", "162.com", status=1).stderr
    assert "client 163.com is not paused" in cli("queue", "resume", "163.com", "--client", status=1).stderr
    assert cli("queue", "resume", "163.COM").stdout == "site 163.com goes on\n"


def test_options_without_a_name_are_an_error(cli: Cli) -> None:
    """Who forgets the name must not believe that something is paused."""
    for options in (["--until", "2h"], ["--site"], ["--reason", "x"]):
        assert "say what is to be paused" in cli("queue", "pause", *options, status=2).stderr
    assert cli("queue", "pause").stdout == "Nothing is paused.\n"


def test_the_kind_is_decided_by_what_is_known() -> None:
    clients, sites = {"a.example", "b.example"}, {"b.example", "c.example", "xn--bcher-kva.example"}
    assert kind_of("A.example", "a.example", clients, sites) is StopKind.CLIENT
    assert kind_of("c.example", "c.example", clients, sites) is StopKind.SITE
    assert kind_of("bücher.example", "xn--bcher-kva.example", clients, sites) is StopKind.SITE
    with pytest.raises(Unclear) as both:
        kind_of("b.example", "b.example", clients, sites)
    assert both.value.both
    with pytest.raises(Unclear) as neither:
        kind_of("x" * 5000, "x" * 5000, clients, sites)
    assert not neither.value.both
    assert len(str(neither.value)) < 400


@pytest.mark.parametrize("act", ["pause", "resume"])
def test_broken_off_it_stands_all_the_same(cli: Cli, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """The daemons go on with it, and that is said."""
    cli.client(CLIENT)
    cli.put("a@163.com")
    if act == "resume":
        cli("queue", "pause", CLIENT)

    def broken(*_: object) -> tuple[int, int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(SqliteDesk, "advance", broken)
    assert "daemons go on with it" in cli("queue", act, CLIENT, status=1).stderr
    assert len(stops(cli)) == (act == "pause")
