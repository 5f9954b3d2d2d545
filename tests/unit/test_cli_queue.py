"""`hedwig queue`: on real spools in a directory of the test's own, and the rendering on rows made up for it."""

import json
import os
import stat
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from hedwig import queueid
from hedwig.cli import letter_view, queue_view, terminal
from hedwig.cli.desks import desk_at
from hedwig.cli.hedwig import main
from hedwig.envelope import Envelope, digest
from hedwig.reply import Reply, Stage
from hedwig.spool import (
    POSTOFFICE,
    Bytes,
    Event,
    HistoryLine,
    Kind,
    NewMessage,
    Pause,
    QueuedRecipient,
    RecipientResult,
    Settlement,
    SpoolTrouble,
    State,
)
from hedwig.spool.operate import Stop, StopKind
from hedwig.spool.sqlite import open_spool

NOW = 1_800_000_000.0
ID = "01M85DDG43TXBRY3WKTP5B07ZA"
TALK = "* connected\n< 220 \x1b]0;t\x07"
GREYLISTED = "451 4.7.1 Greylisted, try again later"


@pytest.fixture
def hedwig(tmp_path):
    (tmp_path / "postoffice.yml").write_text(f"spool: {tmp_path}/postoffice/spool.db\n")
    (tmp_path / "worker.yml").write_text(f"spool: {tmp_path}/postoffice/spool.db\n")
    (tmp_path / "postoffice").mkdir()
    (tmp_path / "mailman").mkdir()

    def call(*arguments, status=0):
        result = CliRunner(mix_stderr=False).invoke(main, ["--config-dir", str(tmp_path), "queue", *arguments])
        assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
        return result

    return call


def use_mailman(tmp_path):
    (tmp_path / "mailman.yml").write_text(
        f"fqdn: a.example\npostoffice: http://127.0.0.1:1/\nkey: k\nspool: {tmp_path}/mailman/spool.db\n"
    )


def fill(path, *rcpttos, mailfrom="sender@robot.genee.cn", destination=None):
    """Register one message in the spool at `path`; its queue ID."""
    envelope = Envelope(mailfrom, rcpttos)
    body = Bytes(b"Subject: x\r\n\r\nHello\r\n" * 200)
    parts = {destination: rcpttos} if destination else envelope.by_destination()
    now = time.time()
    queue_id = queueid.new()
    message = NewMessage(
        queue_id, "less.nankai.edu.cn", envelope, body, digest(envelope, body.pieces()), now - 7260, now + 86400, parts
    )
    spool = open_spool(str(path))
    try:
        spool.register([message]).result(30)
    finally:
        spool.close()
    return queue_id


def settle(path, state, reply, wait=300.0, event=None, until=0.0):
    """Give the first delivery that is due an outcome."""
    spool = open_spool(str(path))
    try:
        now = time.time()
        ((destination, _), *_) = sorted(spool.streams(now, None))
        (waiting, *_) = spool.due(destination, now, 1)
        pauses = [Pause(destination, now, until, "too many connections\x1b[2J")] if until else []
        (claim,) = spool.claim([waiting.delivery], "here/1", now, pauses).result(30)
        results = tuple(RecipientResult(one.number, state, str(reply), now + wait) for one in claim.recipients)
        events = tuple(
            Event(now, event or Kind.DEFERRED, one.address, Stage.RCPT, reply, "mx.qq.com") for one in claim.recipients
        )
        (settled,) = spool.settle([Settlement(claim.delivery, claim.token, results, events)]).result(30)
        assert settled.held_token
    finally:
        spool.close()


def test_a_deferred_and_a_new_recipient_are_listed(hedwig, tmp_path):
    """For whom, why, and when next: in the real spool, by the real command."""
    path = tmp_path / "postoffice" / "spool.db"
    queue_id = fill(path, "a@163.com", "b@qq.com")
    until = time.time() + 590
    settle(path, State.DEFERRED, Reply.parse(451, "4.7.1 Greylisted, try again later"), until=until)
    lines = hedwig().stdout.splitlines()
    assert lines[0] == f"postoffice ({path}): 2 recipients of 1 message"
    assert lines[2] == f"{queue_id}  2 h old  4.1 KiB  from sender@robot.genee.cn  via less.nankai.edu.cn"
    assert sorted(lines[3:6]) == sorted([
        f"    a@163.com  deferred, 1 try, next try not before {terminal.moment(until)}",
        f"        {GREYLISTED}",
        "    b@qq.com   not tried yet, next try now",
    ])  # fmt: skip
    assert lines[6:] == [
        "", "Not tried at present:", "    163.com: for 9 min more", "        too many connections\\x1b[2J",
    ]  # fmt: skip


def test_show_tells_the_history_of_what_waits_and_of_what_is_done(hedwig, tmp_path):
    path = tmp_path / "postoffice" / "spool.db"
    queue_id = fill(path, "a@163.com")
    settle(path, State.DEFERRED, Reply.parse(451, "4.7.1 Greylisted, try again later"), wait=-1)
    waiting = hedwig("show", queue_id.lower()).stdout
    assert waiting.startswith(f"postoffice: {queue_id}  2 h old")
    assert f"        {GREYLISTED}" in waiting.splitlines()
    assert "  deferred   a@163.com: mx.qq.com said 451 4.7.1 Greylisted" in waiting
    assert "  accepted   from <sender@robot.genee.cn>" in waiting
    settle(path, State.DONE, Reply.parse(250, "2.0.0 OK queued as 77"), event=Kind.DELIVERED)
    done = hedwig("show", queue_id).stdout
    assert "nothing of it waits any more" in done
    assert "queued as 77" in done
    assert done.index("deferred") < done.index("delivered")
    assert "nothing waits" in hedwig().stdout


def test_an_unknown_id_and_no_id_are_said(hedwig, tmp_path):
    fill(tmp_path / "postoffice" / "spool.db", "a@163.com")
    result = hedwig("show", ID, status=1)
    assert result.stdout == ""
    assert f"{ID} is not in {tmp_path}/postoffice/spool.db" in result.stderr
    assert "is no queue ID" in hedwig("show", "../../x\x1b", status=2).stderr
    assert json.loads(hedwig("show", ID, "--json", status=1).stdout) == []


def test_both_spools_are_shown_each_under_its_name(hedwig, tmp_path):
    use_mailman(tmp_path)
    first = fill(tmp_path / "postoffice" / "spool.db", "a@163.com")
    second = fill(tmp_path / "mailman" / "spool.db", "b@qq.com", destination=POSTOFFICE)
    out = hedwig().stdout
    assert out.index("postoffice (") < out.index(first) < out.index("mailman (") < out.index(second)
    only = hedwig("--spool", "mailman").stdout
    assert second in only
    assert first not in only
    assert hedwig("show", second).stdout.startswith(f"mailman: {second}")


def test_pages_follow_each_other_without_gap(hedwig, tmp_path):
    path = tmp_path / "postoffice" / "spool.db"
    everyone = [f"r{number}@d{number % 3}.example" for number in range(25)]
    fill(path, *everyone)
    met, after = [], ""
    while True:
        (page,) = json.loads(hedwig("--json", "--limit", "10", "--after", after).stdout)
        met += [row["rcptto"] for row in page["queued"]]
        after = page["after"]
        if not after:
            break
    assert sorted(met) == sorted(everyone)
    text = hedwig("--limit", "10").stdout
    assert text.splitlines()[-1].startswith("There is more: hedwig queue --spool postoffice --after ")
    hedwig(*text.splitlines()[-1].split()[5:])


def test_json_holds_what_scripts_need(hedwig, tmp_path):
    path = tmp_path / "postoffice" / "spool.db"
    queue_id = fill(path, "a@163.com")
    settle(path, State.HELD, Reply.parse(550, "5.7.1 \x1b[31mred"))
    (spool,) = json.loads(hedwig("--json").stdout)
    (row,) = spool["queued"]
    assert (spool["daemon"], spool["spool"], spool["after"], spool["pauses"]) == ("postoffice", str(path), "", [])
    assert (row["queue_id"], row["state"], row["tries"], row["rcptto"]) == (queue_id, "held", 1, "a@163.com")
    assert abs(row["accepted_at"] - time.time() + 7260) < 60
    (shown,) = json.loads(hedwig("show", queue_id, "--json").stdout)
    (letter,) = shown["letters"]
    assert letter["recipients"] == [row]
    assert [line["kind"] for line in shown["history"]][-1] == "deferred"


def test_looking_makes_no_file(hedwig, tmp_path):
    """Not where there is no spool, and none of another owner beside one."""
    result = hedwig(status=1)
    assert f"{tmp_path}/postoffice/spool.db: there is no spool yet" in result.stderr
    assert list((tmp_path / "postoffice").iterdir()) == []
    fill(tmp_path / "postoffice" / "spool.db", "a@163.com")
    before = {file.name: file.stat().st_size for file in (tmp_path / "postoffice").iterdir()}
    hedwig()
    hedwig("show", ID, status=1)
    after = {file.name: file.stat().st_size for file in (tmp_path / "postoffice").iterdir()}
    assert after == before


def test_a_file_that_is_no_spool_is_explained(hedwig, tmp_path):
    path = tmp_path / "postoffice" / "spool.db"
    path.write_bytes(b"nothing of the kind" * 1000)
    assert str(path) in hedwig(status=1).stderr
    path.unlink()
    path.mkdir()
    assert "Is a directory" in hedwig(status=1).stderr


def test_one_broken_file_hides_no_other_spool(hedwig, tmp_path):
    queue_id = fill(tmp_path / "postoffice" / "spool.db", "a@163.com")
    (tmp_path / "mailman.yml").write_text("fqdn: a b\n")
    result = hedwig(status=1)
    assert queue_id in result.stdout
    assert "mailman.yml:1: fqdn: 'a b' is not a host name" in result.stderr


def test_no_configuration_is_said(tmp_path):
    result = CliRunner(mix_stderr=False).invoke(main, ["--config-dir", str(tmp_path), "queue"])
    assert result.exit_code == 1
    assert "no postoffice.yml, worker.yml or mailman.yml here" in result.stderr


def test_without_permission_it_says_who_may(tmp_path):
    """In a child that has become an ordinary user: root reads everything."""
    path = tmp_path / "spool.db"
    fill(path, "a@163.com")
    os.chmod(path, stat.S_IRUSR)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            else:
                os.chmod(path, 0)
            with desk_at(str(path)):
                code = 3
        except SpoolTrouble as error:
            code = 0 if "run as root" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def row(**changes):
    whole = {
        "queue_id": ID, "client": "less.nankai.edu.cn", "mailfrom": "s@robot.genee.cn", "rcptto": "a@163.com",
        "destination": "163.com", "state": State.READY, "tries": 0, "accepted_at": NOW - 90, "due": NOW - 5,
        "last_reply": "", "size": 812,
    }  # fmt: skip
    return QueuedRecipient(**(whole | changes))


def test_nothing_from_outside_reaches_the_terminal_raw():
    """I11: escapes, line ends and marks that turn a line round, in each field that others choose."""
    evil = "x\x1b]0;t\x07\r\n\u202e\u2028\x9b31m"
    rows = [row(client=evil, mailfrom=evil, rcptto=evil, last_reply=evil)]
    pauses = [Pause(evil, NOW, NOW + 60, evil)]
    stops = [Stop(StopKind.SITE, evil, NOW, NOW + 60, evil, evil)]
    lines = queue_view.page_lines("postoffice", "/s", queue_view.Page(rows, pauses, stops, ""), NOW)
    history = [HistoryLine(NOW, ID, evil, Kind.FAILED, evil, evil), HistoryLine(NOW, ID, "", Kind.IN_DOUBT, "", TALK)]
    lines += letter_view.known_lines("postoffice", letter_view.Known(ID, [], history), NOW)
    lines += queue_view.row_lines(rows, NOW)
    assert lines[-4:-2] == ["        * connected", "        < 220 \\x1b]0;t\\x07"]
    assert len(lines) == 22
    assert all(line.isprintable() for line in lines)


def test_lines_stay_readable(monkeypatch):
    """Columns are aligned, one long address moves no other line, long replies are wrapped at the terminal's width."""
    monkeypatch.setenv("COLUMNS", "90")
    rows = [row(), row(rcptto="苏轼@qq.com"), row(rcptto="x" * 60 + "@qq.com", last_reply="550 " + "word " * 60)]
    lines = queue_view.page_lines("postoffice", "/s", queue_view.Page(rows, [], [], "7.7.0"), NOW)
    starts = [terminal.wide(line[: line.index("not tried")]) for line in lines[3:6]]
    assert starts[0] == starts[1] == 46
    assert starts[2] > 46
    assert all(terminal.wide(line) <= 90 for line in lines[6:])
    assert len(lines) > 9
    assert lines[-1] == "There is more: hedwig queue --spool postoffice --after 7.7.0"


def test_states_are_told_in_the_operators_words():
    def tail(**changes):
        return queue_view.page_lines("p", "/s", queue_view.Page([row(**changes)], [], [], ""), NOW)[3].split("  ")[-1]

    assert tail() == "not tried yet, next try now"
    assert tail(state=State.ACTIVE, tries=1) == "being sent, 1 try"
    assert tail(state=State.DEFERRED, tries=3, due=NOW + 7300) == "deferred, 3 tries, next try in 2 h"
    assert tail(state=State.HELD, tries=3, due=NOW + 7300) == "held, 3 tries"
    bounce = queue_view.page_lines("p", "/s", queue_view.Page([row(mailfrom="", client="")], [], [], ""), NOW)[2]
    assert bounce == f"{ID}  1 min old  812 B  from <> (a bounce)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "119 min"), (7200, "2 h"), (172799, "47 h"), (172800, "2 d")],
)
def test_spans(seconds, text):
    assert terminal.span(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (10240, "10 KiB"), (30 << 20, "30 MiB"), (3 << 30, "3.0 GiB")],
)
def test_sizes(size, text):
    assert terminal.octets(size) == text


def test_the_config_dir_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("postoffice.yml").write_text("spool: /nowhere/spool.db\n")
    result = CliRunner(mix_stderr=False).invoke(main, ["--config-dir", ".", "queue"])
    assert "/nowhere/spool.db: there is no spool yet" in result.stderr
