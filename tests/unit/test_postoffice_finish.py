"""What acceptance does to a letter, in order, and what it leaves alone."""

from dataclasses import replace

import pytest

from hedwig.choices import FromMismatch, Priority
from hedwig.envelope import Envelope, digest
from hedwig.options import Options, Submitter
from hedwig.policy import Refused
from hedwig.postoffice.finish import Finished, Finishing
from hedwig.postoffice.quotas import Quotas
from hedwig.postoffice.submission import Submission, in_file
from hedwig.settings import Client, Quota
from hedwig.spool import Bytes

NOW = 1_000_000_000.0
LETTER = b"Received: x\r\nFrom: ceo@bank.example\r\nSubject: hi\r\n\r\nFrom: body\r\n"
FREE = Client("less.example")
REWRITES = replace(FREE, senders=("robot@x.example",), from_mismatch=FromMismatch.REWRITE, lines={"senders": 2})


def submission(content: bytes = LETTER, mailfrom: str = "robot@x.example", peer: str = "172.17.0.2") -> Submission:
    envelope = Envelope(mailfrom, ("a+b@qq.com",))
    by = Submitter(peer).packed() if peer else ""
    return Submission("01J", envelope, Bytes(content), digest(envelope, [content]), submitter=by)


def finish(client: Client, one: Submission, finishing: Finishing | None = None) -> Finished:
    found = (finishing or Finishing(Quotas(lambda _now: ()))).finish(client, one, NOW)
    assert isinstance(found, Finished)
    return found


def test_without_rules_the_letter_is_the_same_object() -> None:
    one = submission()
    assert finish(FREE, one).submission is one
    allowed = replace(FREE, senders=("*@bank.example", "robot@x.example"), from_mismatch=FromMismatch.WARN)
    found = finish(replace(allowed, lines={"senders": 2}), one)
    assert found.submission is one
    assert found.changes


@pytest.mark.parametrize("large", [False, True])
def test_what_is_changed_is_the_header_and_neither_body_nor_digest(large: bool) -> None:
    one = submission()
    content = LETTER + b"x" * 998 + b"\r\n" if large else LETTER
    if large:
        one = replace(one, body=in_file(content * 1))
    found = finish(REWRITES, one).submission
    whole = b"".join(found.body.pieces())
    head = b"Received: x\r\nSubject: hi\r\nFrom: robot@x.example\r\nReply-To: ceo@bank.example\r\n\r\n"
    assert whole == head + content.partition(b"\r\n\r\n")[2]
    assert found.body.size == len(whole)
    assert found.digest == one.digest
    assert b"".join(found.body.pieces()) == whole  # may be read again


def test_the_signature_comes_last_and_sees_what_goes_out() -> None:
    """Whatever was changed, or nothing was: what it gives is what is sent; reports of mailman's own are signed too."""
    seen: list[bytes] = []

    def signer(one: Submission) -> Submission:
        seen.append(b"".join(one.body.pieces()))
        return replace(one, body=Bytes(b"DKIM-Signature: x\r\n" + seen[-1]))

    finishing = Finishing(Quotas(lambda _now: ()), signer)
    client = replace(REWRITES, priority=Priority.BULK, list_unsubscribe="https://x.example/{id}/{recipient}")
    sent = finish(client, submission(), finishing).submission
    header = (
        b"Received: x\r\nSubject: hi\r\nFrom: robot@x.example\r\nReply-To: ceo@bank.example\r\n"
        b"List-Unsubscribe:\r\n <https://x.example/01J/a%2Bb%40qq.com>\r\n"
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    )
    assert seen == [header + b"\r\nFrom: body\r\n"]
    assert b"".join(sent.body.pieces()) == b"DKIM-Signature: x\r\n" + seen[0]
    assert sent.digest == submission().digest
    for each in (submission(b"X: 1\r\n\r\n"), submission(b"X: 2\r\n\r\n", mailfrom="", peer="")):
        finish(FREE, each, finishing)
    assert seen[1:] == [b"X: 1\r\n\r\n", b"X: 2\r\n\r\n"]


def test_reports_of_mailmans_own_are_under_the_hosts_quota_alone_and_those_of_containers_under_all() -> None:
    strict = replace(
        FREE,
        senders=("robot@x.example",),
        max_size=1024,
        quota=Quota(messages_per_hour=2),
        container_quota=Quota(messages_per_hour=1),
        lines={"senders": 2},
    )
    finishing = Finishing(Quotas(lambda _now: [(int(NOW // 300), "less.example", "", 1, 1)]))
    report = b'From: "Mail Delivery System" <postmaster@less.example>\r\nSubject: x\r\n\r\n' + b"x" * 2000
    own = submission(report, "", peer="")
    assert finish(strict, own, finishing).charges == ("",)
    over = finishing.finish(strict, own, NOW)
    assert isinstance(over, Refused) and over.reply.code == 452
    strict = replace(strict, quota=Quota(), container_quota=Quota())
    assert finish(strict, own, finishing).charges == ()
    forged = submission(LETTER + b"x" * 2000, "", peer="")
    twice = submission(b"From: ceo@bank.example\r\n" + report, "", peer="")
    misleading = (
        *(
            submission(line + report, "", peer="")
            for line in (b"Sender: ceo@bank.example\r\n", b" From: ceo@b.example\r\n")
        ),
        submission(b"Resent-From: ceo@bank.example\r\n" + report, "", peer=""),
        submission(b"Reply-To: ceo@bank.example\r\n" + report, "", peer=""),
        submission(report + b"x" * (2 << 20), "", peer=""),
        submission(report.replace(b"Mail Delivery System", b"CEO of Bank"), "", peer=""),
        replace(own, envelope=Envelope("", ("b@x.example", "c@x.example"))),
        submission(report.replace(b"Mail Delivery System", b"=?utf-8?q?ceo=40bank.example?="), "", peer=""),
        submission(report.replace(b">\r\n", b"> (ceo@bank.example)\r\n", 1), "", peer=""),
        submission(report.replace(b"<", b",<", 1), "", peer=""),
    )
    by_container = replace(own, submitter=Submitter("172.17.0.2").packed())
    for other in (by_container, submission(peer=""), forged, twice, *misleading):
        assert isinstance(finishing.finish(strict, other, NOW), Refused)


def test_letters_priority_decides_about_list_unsubscribe() -> None:
    client = replace(FREE, list_unsubscribe="https://x.example/{id}")
    bulk = replace(submission(), options=Options(priority=Priority.BULK))
    assert b"List-Unsubscribe:" in b"".join(finish(client, bulk).submission.body.pieces())
    two = replace(bulk, envelope=Envelope("a@x.example", ("b@x.example", "c@x.example")))
    has = replace(bulk, body=Bytes(b"LIST-unsubscribe: <mailto:x@y.example>\r\n" + LETTER))
    for each in (submission(), two, has):
        assert finish(client, each).submission is each


def test_half_of_list_unsubscribe_is_made_whole() -> None:
    """A List-Unsubscribe-Post alone means nothing, and must not be there twice (RFC 8058 §3.1)."""
    client = replace(FREE, list_unsubscribe="https://x.example/{id}", priority=Priority.BULK)
    half = submission(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" + LETTER)
    whole = b"".join(finish(client, half).submission.body.pieces())
    assert whole.count(b"List-Unsubscribe-Post:") == whole.count(b"List-Unsubscribe:") == 1
    endless = submission(b"X-A: aaaa\r\n" * 60_000 + LETTER)
    assert finish(client, endless).submission is endless


def test_quotas_are_charged_once_and_given_back() -> None:
    """By the host and by the container; what was not accepted is free again."""
    quotas = Quotas(lambda _now: [])
    client = replace(FREE, quota=Quota(messages_per_hour=2), container_quota=Quota(recipients_per_day=3))
    first, second = Submitter("172.17.0.2", "web").packed(), Submitter("172.17.0.3").packed()
    assert quotas.charge(client, first, 3, NOW) == ("", "web")
    assert isinstance(quotas.charge(client, first, 1, NOW), Refused)
    assert quotas.charge(client, second, 1, NOW) == ("", "172.17.0.3")
    assert isinstance(quotas.charge(client, second, 1, NOW), Refused)
    quotas.give_back("less.example", ("", "172.17.0.3"), 1, NOW)
    assert quotas.charge(client, second, 1, NOW) == ("", "172.17.0.3")
    assert quotas.charge(client, second, 1, NOW + 7200) == ("", "172.17.0.3")


def test_a_signer_that_fails_costs_no_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_any: object) -> Submission:
        raise OSError("the file is gone")

    quotas = Quotas(lambda _now: [])
    once = replace(FREE, quota=Quota(messages_per_hour=1))
    with pytest.raises(OSError, match="gone"):
        Finishing(quotas, fail).finish(once, submission(), NOW)
    unreadable = replace(submission(), body=in_file(LETTER))
    monkeypatch.setattr("hedwig.postoffice.submission.os.pread", fail)
    with pytest.raises(OSError, match="gone"):
        Finishing(quotas, lambda one: replace(one, body=Bytes(b"".join(one.body.pieces())))).finish(
            once, unreadable, NOW
        )
    monkeypatch.undo()
    assert isinstance(Finishing(quotas).finish(once, submission(), NOW), Finished)


def test_containers_that_nobody_names_are_one() -> None:
    """Leaving out the name does not leave out the quota."""
    finishing = Finishing(Quotas(lambda _now: []))
    client = replace(FREE, container_quota=Quota(messages_per_hour=1))
    assert isinstance(finishing.finish(client, submission(peer=""), NOW), Finished)
    assert isinstance(finishing.finish(client, submission(peer=""), NOW), Refused)
    assert isinstance(finishing.finish(client, submission(), NOW), Finished)


def test_a_header_without_an_end_is_not_rewritten() -> None:
    """Else From would be put into the middle of it, and what stands behind would stay."""
    content = b"X-A: aaaa\r\n" * 60_000 + LETTER
    assert isinstance(Finishing(Quotas(lambda _now: [])).finish(REWRITES, submission(content), NOW), Refused)
