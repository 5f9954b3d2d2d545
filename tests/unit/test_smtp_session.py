"""hedwig.smtp.session: the conversation as a table: what is heard, what is said, what becomes of each recipient."""

import pytest

from hedwig.reply import Stage
from hedwig.smtp import Report, Said, Transaction
from hedwig.smtp.commands import Letter, compose
from hedwig.smtp.events import Action, Closed, Heard, Ready, Refused, Send, SendBody, StartTls
from hedwig.smtp.session import Session
from hedwig.smtp.states import State


def heard(text: str) -> Heard:
    """ "250-a|250 b" as the parser would give it."""
    lines = text.split("|")
    return Heard(int(lines[-1][:3]), tuple(line[4:] for line in lines))


def tell(session: Session, *replies: str) -> list[Action | None]:
    return [session.heard(heard(reply)) for reply in replies]


def opened(*keywords: str) -> Session:
    session = Session("me.example")
    tell(session, "220 hello", "|".join(["250-you", *(f"250 {keyword}" for keyword in keywords)]))
    assert session.state is State.READY
    return session


def letter(session: Session, *rcpttos: str) -> Letter:
    asked = Transaction("a@x.org", rcpttos or ("b@y.org", "c@y.org"), lambda: (b"",), 0)
    composed = compose(asked, session.extensions, False)
    assert isinstance(composed, Letter)
    return composed


def brief(said: Said) -> str:
    """ "rcpt 550" or "dot connection reset"."""
    return f"{said.stage} {said.reply.code if said.reply else said.detail}"


def outcome(action: Action | None) -> tuple[list[str], bool]:
    assert isinstance(action, Report), action
    return [brief(said) for said in action.said], action.reusable


# opening


@pytest.mark.parametrize(
    ("replies", "sent"),
    [
        (["220 hi", "250 you"], ["EHLO", "ready"]),
        (["220-a|220 b", "250-you|250 SIZE"], ["EHLO", "ready"]),
        (["220 hi", "500 what", "250 you"], ["EHLO", "HELO", "ready"]),
        (["220 hi", "550 no", "550 no"], ["EHLO", "HELO", "ehlo 550"]),
        (["220 hi", "450 later"], ["EHLO", "ehlo 450"]),
        (["220 hi", "421 later"], ["EHLO", "ehlo 421"]),
        (["220 hi", "354 what"], ["EHLO", "ehlo protocol error: 354 at EHLO"]),
        (["220 hi", "500 what", "421 bye"], ["EHLO", "HELO", "ehlo 421"]),
        (["554 no"], ["banner 554"]),
        (["421 busy"], ["banner 421"]),
        (["450 busy"], ["banner 450"]),
        (["354 what"], ["banner protocol error: 354 at BANNER"]),
        (["220 hi", "250-you|250 STARTTLS", "220 go"], ["EHLO", "STARTTLS", "tls"]),
        (["220 hi", "250-you|250 starttls", "454 no"], ["EHLO", "STARTTLS", "ready"]),
        (["220 hi", "250-you|250 STARTTLS", "502 no"], ["EHLO", "STARTTLS", "ready"]),
        (["220 hi", "250-you|250 STARTTLS", "421 bye"], ["EHLO", "STARTTLS", "starttls 421"]),
        (["220 hi", "250-you|250 STARTTLS", "354 x"], ["EHLO", "STARTTLS", "starttls protocol error: 354 at STARTTLS"]),
    ],
)
def test_opening(replies: list[str], sent: list[str]) -> None:
    def word(action: Action | None) -> str:
        match action:
            case Send(octets):
                return octets.split()[0].decode()
            case Ready():
                return "ready"
            case StartTls():
                return "tls"
            case Refused(said):
                return brief(said)
        raise AssertionError(action)

    assert [word(action) for action in tell(Session("me.example"), *replies)] == sent


def test_after_tls_all_is_forgotten_and_ehlo_said_again() -> None:
    """RFC 3207 §4.2: what the clear announced counts no more; a STARTTLS within TLS is not followed."""
    session = Session("me.example")
    tell(session, "220 hi", "250-you|250-STARTTLS|250 PIPELINING", "220 go")
    assert session.stage is Stage.STARTTLS
    assert session.secured() == Send(b"EHLO me.example\r\n")
    assert session.extensions == {}
    assert tell(session, "250-you|250-STARTTLS|250 SIZE 5") == [Ready()]
    assert session.extensions == {"STARTTLS": "", "SIZE": "5"}
    assert session.encrypted


def test_without_tls_wanted_starttls_is_not_said() -> None:
    assert tell(Session("me.example", tls=False), "220 hi", "250-you|250 STARTTLS")[-1] == Ready()


def test_a_reply_before_the_handshake_ends_the_session() -> None:
    """CVE-2011-0411: what is said in the clear must not be taken for what TLS protects."""
    session = Session("me.example")
    tell(session, "220 hi", "250-you|250 STARTTLS", "220 go")
    [action] = tell(session, "250 injected")
    assert isinstance(action, Refused)
    assert brief(action.said) == "starttls protocol error: 250 when no reply was due"


def test_a_name_that_is_none_fails_at_once() -> None:
    with pytest.raises(ValueError, match="EHLO"):
        Session("me\r\nMAIL FROM:<>")


# transactions

GROUP = b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@y.org>\r\nRCPT TO:<c@y.org>\r\nDATA\r\n"


def test_pipelined_all_goes_out_at_once() -> None:
    session = opened("PIPELINING")
    assert session.begin(letter(session)) == Send(GROUP)
    assert tell(session, "250 ok", "250 ok", "250 ok", "354 go") == [None, None, None, SendBody()]
    session.dot_sent()
    assert outcome(tell(session, "250 taken")[0]) == (["dot 250", "dot 250"], True)
    assert session.begin(letter(session)) == Send(GROUP)


def test_in_lock_step_each_command_waits() -> None:
    session = opened()
    assert session.begin(letter(session)) == Send(b"MAIL FROM:<a@x.org>\r\n")
    assert tell(session, "250 ok", "250 ok", "250 ok", "354 go") == [
        Send(b"RCPT TO:<b@y.org>\r\n"),
        Send(b"RCPT TO:<c@y.org>\r\n"),
        Send(b"DATA\r\n"),
        SendBody(),
    ]
    session.dot_sent()
    assert outcome(tell(session, "250 taken")[0]) == (["dot 250", "dot 250"], True)


# Replies to MAIL, RCPT b, RCPT c, DATA, dot; "body" marks that the body and its dot were sent.
BOTH = [
    ("250 250 250 354 body 250", ["dot 250", "dot 250"], True),
    ("250 251 252 354 body 252", ["dot 252", "dot 252"], True),
    ("250 550 250 354 body 250", ["rcpt 550", "dot 250"], True),
    ("250 250 450 354 body 250", ["dot 250", "rcpt 450"], True),
    ("250 250 250 354 body 452", ["dot 452", "dot 452"], True),
    ("250 450 250 354 body 554", ["rcpt 450", "dot 554"], True),
    ("250 250 250 354 body 421", ["dot 421", "dot 421"], False),
    ("250 250 250 354 body 354", ["dot protocol error: 354 at DOT"] * 2, False),
    ("250 250 250 451", ["data 451", "data 451"], True),
    ("250 550 250 554", ["rcpt 550", "data 554"], True),
    ("250 550 250 421", ["rcpt 550", "data 421"], False),
    ("250 250 250 250", ["data protocol error: 250 at DATA"] * 2, False),
    ("250 250 354", ["rcpt protocol error: 354 at RCPT"] * 2, False),
    ("250 550 421", ["rcpt 550", "rcpt 421"], False),
    ("250 250 421", ["rcpt 421", "rcpt 421"], False),
    ("354", ["mail protocol error: 354 at MAIL"] * 2, False),
    ("421", ["mail 421", "mail 421"], False),
    ("250 250 250 354 452", ["data 452", "data 452"], False),
    ("250 250 250 354 421", ["data 421", "data 421"], False),
    ("250 550 250 354 250", ["rcpt 550", "data protocol error: 250 when no reply was due"], False),
]
PIPELINED = [
    ("550 503 503 503", ["mail 550", "mail 550"], True),
    ("450 503 503 503", ["mail 450", "mail 450"], True),
    ("550 250 503 503", ["mail 550", "mail 550"], True),
    ("550 503 503 354 lone 554", ["mail 550", "mail 550"], True),
    ("550 250 503 354", ["mail 550", "mail 550"], False),
    ("250 550 450 554", ["rcpt 550", "rcpt 450"], True),
    ("250 550 450 354 lone 554", ["rcpt 550", "rcpt 450"], True),
    ("250 550 450 354 lone 250", ["rcpt 550", "rcpt 450"], True),
    ("250 550 450 354 lone 421", ["rcpt 550", "rcpt 450"], False),
]
LOCK_STEP = [
    ("550", ["mail 550", "mail 550"], True),
    ("450", ["mail 450", "mail 450"], True),
    ("250 550 450", ["rcpt 550", "rcpt 450"], True),
]
TABLE = [(True, *row) for row in BOTH + PIPELINED] + [(False, *row) for row in BOTH + LOCK_STEP]


@pytest.mark.parametrize(("pipelining", "replies", "expected", "reusable"), TABLE)
def test_what_becomes_of_each_recipient(pipelining: bool, replies: str, expected: list[str], reusable: bool) -> None:
    """I4, I5: outcomes are each recipient's own, and only the dot's reply delivers."""
    session = opened("PIPELINING") if pipelining else opened()
    action: Action | None = session.begin(letter(session))
    for word in replies.split():
        assert not isinstance(action, Report), "a reply was heard after the end"
        if word == "body":
            assert action == SendBody()
            session.dot_sent()
        elif word == "lone":
            assert action == Send(b".\r\n")
        else:
            action = session.heard(heard(f"{word} x"))
    assert outcome(action) == (expected, reusable)
    assert isinstance(action, Report)
    assert [said.delivered for said in action.said] == [
        word.startswith("dot 2") and "error" not in word for word in expected
    ]
    assert session.state is (State.READY if reusable else State.CLOSED)


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ("", ["mail reset", "mail reset"]),
        ("250", ["rcpt reset", "rcpt reset"]),
        ("250 550", ["rcpt 550", "rcpt reset"]),
        ("250 550 250", ["rcpt 550", "data reset"]),
        ("250 550 250 354", ["rcpt 550", "data reset"]),
        ("250 550 250 354 body", ["rcpt 550", "dot reset"]),
        ("250 550 450 354", ["rcpt 550", "rcpt 450"]),
        ("550 503", ["mail 550", "mail 550"]),
    ],
)
def test_a_lost_connection_is_told_at_its_stage(replies: str, expected: list[str]) -> None:
    """Only after the dot is anyone in doubt; who was refused before that stays refused."""
    session = opened("PIPELINING")
    session.begin(letter(session))
    for word in replies.split():
        if word == "body":
            session.dot_sent()
        else:
            session.heard(heard(f"{word} x"))
    action = session.lost("reset")
    assert outcome(action) == (expected, False)
    assert isinstance(action, Report)
    assert [said.in_doubt for said in action.said] == [word == "dot reset" for word in expected]


@pytest.mark.parametrize(
    ("pipelining", "replies"), [(True, "250 550 550 554"), (True, "250 250 250 451"), (False, "250 550 550")]
)
def test_what_is_left_of_a_transaction_is_reset_before_the_next(pipelining: bool, replies: str) -> None:
    """MAIL was taken and no dot ended it (RFC 5321 §4.1.1.5): with PIPELINING the RSET costs no round trip."""
    session = opened("PIPELINING") if pipelining else opened()
    session.begin(letter(session))
    tell(session, *(f"{word} x" for word in replies.split()))
    action = session.begin(letter(session))
    assert action == Send(b"RSET\r\n" + GROUP if pipelining else b"RSET\r\n")
    assert tell(session, "250 flushed") == [None if pipelining else Send(b"MAIL FROM:<a@x.org>\r\n")]
    assert session.stage is Stage.MAIL


def test_a_refused_reset_ends_the_session() -> None:
    """Nobody knows then which transaction the replies that follow are about."""
    session = opened("PIPELINING")
    session.begin(letter(session))
    tell(session, "250 x", "250 x", "250 x", "451 x")
    session.begin(letter(session))
    expected = ["mail RSET was refused: 500 what"] * 2
    assert outcome(tell(session, "500 what")[0]) == (expected, False)


@pytest.mark.parametrize("end", ["550", "250 250 250 354 body 250", "250 250 250 354 body 452"])
def test_a_transaction_that_ended_needs_no_reset(end: str) -> None:
    session = opened()
    session.begin(letter(session))
    for word in end.split():
        session.dot_sent() if word == "body" else session.heard(heard(f"{word} x"))
    assert session.begin(letter(session)) == Send(b"MAIL FROM:<a@x.org>\r\n")


def test_a_lone_dot_is_told_to_the_operator() -> None:
    session = opened("PIPELINING")
    session.begin(letter(session))
    *_, action = tell(session, "250 x", "550 x", "550 x", "354 x", "250 2.0.0 taken")
    assert isinstance(action, Report)
    assert "250 2.0.0 taken" in action.note


def test_who_is_refused_here_is_not_named_to_the_host() -> None:
    """Places in the report stay those of `rcpttos`."""
    session = opened("PIPELINING")
    sent = session.begin(letter(session, "b b@y.org", "c@y.org", "d d@y.org"))
    assert sent == Send(b"MAIL FROM:<a@x.org>\r\nRCPT TO:<c@y.org>\r\nDATA\r\n")
    tell(session, "250 x", "250 x", "354 x")
    session.dot_sent()
    assert outcome(tell(session, "250 x")[0]) == (["local 553", "dot 250", "local 553"], True)


def test_where_all_are_refused_here_nothing_is_said() -> None:
    session = opened("PIPELINING")
    assert outcome(session.begin(letter(session, "b b@y.org"))) == (["local 553"], True)
    assert session.state is State.READY


@pytest.mark.parametrize("reply", ["421 bye", "250 what", "550 what"])
def test_a_word_out_of_turn_ends_an_idle_session(reply: str) -> None:
    """A second reply to the last dot must not be taken for the answer to the next MAIL."""
    session = opened("PIPELINING")
    [action] = tell(session, reply)
    assert isinstance(action, Closed)
    assert (action.said.reply is not None) is reply.startswith("421")
    assert session.state is State.CLOSED


@pytest.mark.parametrize("reply", ["221 bye", "421 bye", "500 what"])
def test_quit_ends_the_session_whatever_is_answered(reply: str) -> None:
    session = opened()
    assert session.quit() == Send(b"QUIT\r\n")
    assert session.stage is Stage.QUIT
    assert isinstance(tell(session, reply)[0], Closed)
