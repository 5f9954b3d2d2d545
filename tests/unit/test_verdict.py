"""The table of failure: stage and reply to what becomes of the recipient. A wrong line here loses or doubles mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.reply import Reply, Stage
from hedwig.verdict import Outcome, Scope, Verdict, decide, one_too_many

DELIVERED, DEFERRED, FAILED, IN_DOUBT = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.FAILED, Outcome.IN_DOUBT
RECIPIENT, MESSAGE, SESSION, DESTINATION = Scope.RECIPIENT, Scope.MESSAGE, Scope.SESSION, Scope.DESTINATION
HOST = (Stage.CONNECT, Stage.BANNER, Stage.EHLO, Stage.STARTTLS)
NEXT = {"next_host": True, "close": True}
GONE = {"counted": False, "close": True}

TABLE: list[tuple[Stage, str, Verdict]] = [
    # about the host: never the recipient's fault, even as a 5yz; another host is tried
    *[(stage, said, Verdict(DEFERRED, SESSION, **NEXT)) for stage in HOST for said in ("", "450", "554 5.7.1", "250")],
    *[(stage, "999", Verdict(DEFERRED, SESSION, **NEXT)) for stage in HOST],
    *[(stage, "421 4.7.0", Verdict(DEFERRED, SESSION, next_host=True, **GONE)) for stage in HOST],
    # AUTH is about us: never charged; and a password that is refused is not tried on the next host, too
    *[(Stage.AUTH, said, Verdict(DEFERRED, SESSION, True, **GONE)) for said in ("", "421 4.3.2", "454 4.7.0", "334")],
    *[(Stage.AUTH, said, Verdict(DEFERRED, SESSION, **GONE)) for said in ("535 5.7.8", "530 5.7.0", "504 5.5.4")],
    # 421 later: not charged, and the site's other hosts are left alone
    *[
        (stage, "421 4.3.2", Verdict(DEFERRED, SESSION, **GONE))
        for stage in (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT, Stage.QUIT)
    ],
    # the connection is lost: before the dot nothing was handed over, after it nobody knows
    (Stage.MAIL, "", Verdict(DEFERRED, SESSION, **NEXT)),
    (Stage.RCPT, "", Verdict(DEFERRED, SESSION, **NEXT)),
    (Stage.DATA, "", Verdict(DEFERRED, SESSION, **NEXT)),
    (Stage.DOT, "", Verdict(IN_DOUBT, MESSAGE, close=True)),
    (Stage.QUIT, "", Verdict(DEFERRED, SESSION, close=True)),
    # MAIL: the message or its sender
    (Stage.MAIL, "450 4.1.8", Verdict(DEFERRED, MESSAGE)),
    (Stage.MAIL, "550 5.7.1", Verdict(FAILED, MESSAGE)),
    (Stage.MAIL, "552 5.3.4", Verdict(FAILED, MESSAGE)),
    (Stage.MAIL, "354", Verdict(DEFERRED, MESSAGE, close=True)),
    (Stage.MAIL, "250", Verdict(DEFERRED, MESSAGE, close=True)),
    # RCPT: that recipient
    (Stage.RCPT, "450 4.2.0", Verdict(DEFERRED, RECIPIENT)),
    (Stage.RCPT, "452 4.5.3", Verdict(DEFERRED, RECIPIENT)),
    (Stage.RCPT, "550 5.1.1", Verdict(FAILED, RECIPIENT)),
    (Stage.RCPT, "552 5.2.2", Verdict(FAILED, RECIPIENT)),
    (Stage.RCPT, "552", Verdict(DEFERRED, RECIPIENT)),
    (Stage.RCPT, "552 5.5.3", Verdict(DEFERRED, RECIPIENT)),
    (Stage.RCPT, "354", Verdict(DEFERRED, RECIPIENT, close=True)),
    (Stage.RCPT, "250", Verdict(DEFERRED, RECIPIENT, close=True)),
    # DATA and the dot: all that were accepted
    (Stage.DATA, "451 4.3.0", Verdict(DEFERRED, MESSAGE)),
    (Stage.DATA, "554 5.5.1", Verdict(FAILED, MESSAGE)),
    (Stage.DATA, "250", Verdict(DEFERRED, MESSAGE, close=True)),
    (Stage.DATA, "354", Verdict(DEFERRED, MESSAGE, close=True)),
    (Stage.DOT, "250 2.0.0", Verdict(DELIVERED, MESSAGE)),
    (Stage.DOT, "299", Verdict(DELIVERED, MESSAGE)),
    (Stage.DOT, "451 4.7.1", Verdict(DEFERRED, MESSAGE)),
    (Stage.DOT, "554 5.7.1", Verdict(FAILED, MESSAGE)),
    (Stage.DOT, "552", Verdict(FAILED, MESSAGE)),
    (Stage.DOT, "354", Verdict(DEFERRED, MESSAGE, close=True)),
    (Stage.DOT, "777", Verdict(DEFERRED, MESSAGE, close=True)),
    # DNS
    (Stage.DNS, "", Verdict(DEFERRED, DESTINATION)),
    (Stage.DNS, "451 4.4.3", Verdict(DEFERRED, DESTINATION)),
    (Stage.DNS, "556 5.1.10", Verdict(FAILED, DESTINATION)),
    (Stage.DNS, "550 5.1.2", Verdict(FAILED, DESTINATION)),
    # ours (I8)
    (Stage.LOCAL, "", Verdict(DEFERRED, MESSAGE, counted=False)),
    (Stage.LOCAL, "451 4.3.0", Verdict(DEFERRED, MESSAGE, counted=False)),
    (Stage.LOCAL, "421 4.3.2", Verdict(DEFERRED, MESSAGE, counted=False)),
    (Stage.LOCAL, "552 5.3.4", Verdict(FAILED, MESSAGE)),
    (Stage.LOCAL, "554 5.4.6", Verdict(FAILED, MESSAGE)),
    (Stage.LOCAL, "554 5.6.3", Verdict(FAILED, MESSAGE)),
    # QUIT decides about nobody
    (Stage.QUIT, "221 2.0.0", Verdict(DEFERRED, SESSION, close=True)),
    (Stage.QUIT, "500", Verdict(DEFERRED, SESSION, close=True)),
]


def reply_of(said: str) -> Reply | None:
    code, _, text = said.partition(" ")
    return Reply.parse(int(code), text) if said else None


@pytest.mark.parametrize(("stage", "said", "expected"), TABLE)
def test_table(stage: Stage, said: str, expected: Verdict) -> None:
    """Each line as RFC 5321 and experience have it."""
    assert decide(stage, reply_of(said), "how it went") == expected


def test_table_knows_every_stage() -> None:
    """A new stage must be thought about here."""
    assert {stage for stage, _, _ in TABLE} == set(Stage)


REPLIES = st.none() | st.builds(
    Reply, st.integers(-1, 10_000), st.sampled_from(["", "2.0.0", "4.7.1", "5.1.1", "5.5.3"]), st.text(max_size=20)
)


@given(st.sampled_from(list(Stage)), REPLIES, st.text(max_size=20))
def test_whatever_is_said(stage: Stage, reply: Reply | None, detail: str) -> None:
    """The promises that hold for every stage and reply, however absurd."""
    verdict = decide(stage, reply, detail)
    if verdict.outcome is DELIVERED:  # I5
        assert stage is Stage.DOT
        assert reply is not None
        assert 200 <= reply.code < 300
    if verdict.outcome is FAILED:  # never without a 5yz, and never for what is about a host
        assert reply is not None
        assert 500 <= reply.code < 600
        assert verdict.scope is not SESSION
    if verdict.outcome is IN_DOUBT:
        assert (stage, reply) == (Stage.DOT, None)
    if verdict.next_host:  # a letter that may have been handed over goes to no second host
        assert stage is not Stage.DOT
        assert verdict.outcome is DEFERRED
        assert verdict.scope is SESSION
    if not verdict.counted:
        assert verdict.outcome is DEFERRED
    assert verdict == decide(stage, reply, "other words")


@pytest.mark.parametrize("said", ["452", "452 4.5.3", "450 4.5.3", "552", "552 5.5.3"])
def test_who_is_one_too_many(said: str) -> None:
    """At RCPT alone."""
    assert one_too_many(Stage.RCPT, reply_of(said))
    assert not one_too_many(Stage.DOT, reply_of(said))


@pytest.mark.parametrize("said", ["", "250", "450", "452 4.2.2", "452 4.3.1", "550 5.5.3", "552 5.2.2", "421 4.7.0"])
def test_who_is_not(said: str) -> None:
    """A full mailbox, a full disk, a greylist: the same words would come again at once."""
    assert not one_too_many(Stage.RCPT, reply_of(said))
