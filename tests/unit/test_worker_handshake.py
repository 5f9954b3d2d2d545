"""A handshake in words: for the history, and for the receiver's report (RFC 8460). (What it decides: journey/tls.)"""

import ssl
from collections.abc import Sequence
from typing import Any

import pytest

from hedwig.dane import TlsaRecord
from hedwig.reply import Reply, Stage
from hedwig.smtp import Said, Target
from hedwig.tls import Demand, Mode, Reported, StsPolicy, Unproved
from hedwig.tlsrpt import PolicyType, Result
from hedwig.worker.handshake import Handshake

TARGET = Target("mx.example.com", "192.0.2.1", 25, "203.0.113.5")
NONE = Reported(PolicyType.NONE, "example.com")
TESTING = StsPolicy(Mode.TESTING, ("mx.example.com",), 1)
EE = TlsaRecord(3, 1, 1, b"\x5a" * 32)
TLS = "TLSv1.3 TLS_AES_256_GCM_SHA384"


class Trust:
    """Says the same of every chain, or breaks."""

    def __init__(self, answer: Unproved | Exception | None = None) -> None:
        self.answer = answer

    def check(self, chain: Sequence[bytes], host: str) -> Unproved | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Shown:
    """An SSL object with one certificate."""

    def get_unverified_chain(self) -> list[bytes]:
        return [b"certificate"]


def handshake(trust: Trust | None = None, words: str = "may", **demand: Any) -> Handshake:
    made = Demand(words, NONE, **demand)
    return Handshake("example.com", made, TARGET, trust or Trust())


def check(made: Handshake) -> str:
    shown: Any = Shown()
    return made.security.check(shown)


@pytest.mark.parametrize(
    ("demand", "tls", "broken", "words"),
    [
        ({}, TLS, "", "its certificate isn't checked"),
        ({}, "", "", "it offers no TLS"),
        ({}, "", "reset", "its TLS is broken: reset"),
        ({"words": "encrypt", "required": "why"}, TLS, "", "encrypt: its certificate isn't checked"),
        (
            {"words": "verify", "required": "why", "authority": "why"},
            TLS,
            "",
            "verify: its certificate is for mx.example.com, by a trusted authority",
        ),
        (
            {"words": "dane", "required": "why", "records": (EE,)},
            TLS,
            "",
            "dane: its certificate fits its TLSA records",
        ),
        ({"words": "tls: none (here)", "starttls": False}, "", "", "tls: none (here)"),
        (
            {"words": "mta-sts testing", "testing": TESTING},
            "",
            "",
            "mta-sts testing: would have failed: it offers no TLS",
        ),
        (
            {"words": "mta-sts testing", "testing": TESTING},
            "",
            "reset",
            "mta-sts testing: would have failed: it offers no TLS (its TLS is broken: reset)",
        ),
    ],
)
def test_words(demand: dict[str, Any], tls: str, broken: str, words: str) -> None:
    assert handshake(**demand).words(tls, broken) == words


def test_what_is_not_proved_says_who_wants_it() -> None:
    made = handshake(Trust(Unproved("certificate-expired", "it has expired")), required="x", authority="tls: verify")
    assert check(made) == "it has expired; tls: verify"
    session = made.failure(Said(Stage.STARTTLS, None, "it has expired; tls: verify"))
    assert (session.result, session.reason) == (Result.EXPIRED, "it has expired")
    assert (session.receiving_mx, session.receiving_ip, session.sending_ip) == (
        "mx.example.com",
        "192.0.2.1",
        "203.0.113.5",
    )


def test_testing_has_no_consequences() -> None:
    made = handshake(Trust(Unproved("certificate-expired", "it has expired")), "mta-sts testing", testing=TESTING)
    assert check(made) == ""
    assert made.words(TLS) == "mta-sts testing: would have failed: it has expired"
    assert made.success(TLS).result is Result.EXPIRED


def test_a_certificate_that_breaks_the_check_proves_nothing() -> None:
    """Whatever is in it, it neither stops the courier nor lets the mail through."""
    made = handshake(Trust(RuntimeError("boom")), required="why", authority="why")
    assert check(made) == "its certificates can't be read: RuntimeError('boom'); why"
    assert made.failure(Said(Stage.STARTTLS, None, "")).result is Result.VALIDATION_FAILURE
    testing = handshake(Trust(RuntimeError("boom")), testing=TESTING)
    assert check(testing) == ""
    assert "would have failed: its certificates can't be read" in testing.words(TLS)


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (Said(Stage.STARTTLS, Reply(454, "4.7.0", "not now")), Result.STARTTLS_NOT_SUPPORTED),
        (Said(Stage.STARTTLS, None, "it offers no STARTTLS; why"), Result.STARTTLS_NOT_SUPPORTED),
        (Said(Stage.STARTTLS, None, "TLS handshake: no protocols available"), Result.VALIDATION_FAILURE),
        (Said(Stage.EHLO, None, "connection reset by peer"), Result.VALIDATION_FAILURE),
    ],
)
def test_how_tls_failed_for_the_report(said: Said, result: Result) -> None:
    assert handshake().failure(said).result is result


def test_a_session_for_the_report() -> None:
    assert handshake().success(TLS).result is Result.SUCCESS
    assert handshake().success(TLS).receiving_mx == ""
    assert handshake().success("").result is Result.STARTTLS_NOT_SUPPORTED


def test_only_who_must_prove_itself_gets_the_strict_handshake() -> None:
    """Against who only listens weak TLS is better than none."""
    assert handshake(required="x", authority="x").security.authenticated
    assert handshake(required="x", records=(EE,), base="base.example").security.server_name == "base.example"
    assert not handshake(required="x").security.authenticated
    assert handshake(required="x").security.context.minimum_version is ssl.TLSVersion.MINIMUM_SUPPORTED
