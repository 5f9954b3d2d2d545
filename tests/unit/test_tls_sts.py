"""hedwig.tls.sts: which TXT records and policies are valid (RFC 8461 §3), and which hosts a policy names (§4.1)."""

import pytest

from hedwig.tls.sts import MAX_AGE, BadPolicy, Mode, StsPolicy, read, record_id

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mx1.example.com\r\nmx: *.example.net\r\nmax_age: 86400\r\n"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=1"], "1"),
        (["v=STSv1 ;\tid=1 ; more=x:y/z"], "1"),
        (["v=STSv1; id=1; id=2"], "1"),
        (["v=spf1 -all", "v=STSv1; id=1;"], "1"),
        ([], ""),
        (["v=STSv1"], ""),
        (["v=STSv1;"], ""),
        (["v=STSv2; id=1;"], ""),
        (["V=STSv1; id=1;"], ""),
        (["v=STSv1; id=1;", "v=STSv1; id=2;"], ""),
        (["v=STSv1; id=;"], ""),
        (["v=STSv1; id=a-b;"], ""),
        ([f"v=STSv1; id={'1' * 33};"], ""),
        (["v=STSv1; id=1; nonsense"], ""),
        (["v=STSv1; id=1; more=a b"], ""),
    ],
)
def test_one_valid_record_or_none(texts: list[str], found: str) -> None:
    """§3.1: other records of the name don't count, two of ours make none, and neither does one that is malformed."""
    assert record_id(texts) == found


def test_a_policy_is_read() -> None:
    policy = read(POLICY)
    assert policy == StsPolicy(
        Mode.ENFORCE,
        ("mx1.example.com", "*.example.net"),
        86400,
        ("version: STSv1", "mode: enforce", "mx: mx1.example.com", "mx: *.example.net", "max_age: 86400"),
    )
    assert read(POLICY.replace(b"\r\n", b"\n")) == policy


def test_what_is_not_known_is_passed_over_and_the_first_of_a_kind_counts() -> None:
    policy = read(b"mx: MX.example.com\nmode: testing\nversion:STSv1\nx-new.key: v: 1\nmax_age:   1\nmode: enforce")
    assert (policy.mode, policy.mx, policy.max_age) == (Mode.TESTING, ("mx.example.com",), 1)
    assert read(b"version: STSv1\nmode: none\nmax_age: 0\n").mx == ()
    assert read(POLICY.replace(b"86400", b"9999999999")).max_age == MAX_AGE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not found</html>",
        POLICY.replace(b"STSv1", b"STSv2"),
        POLICY.replace(b"version", b"Version"),
        POLICY.replace(b"enforce", b"report"),
        POLICY.replace(b"86400", b"a day"),
        POLICY.replace(b"86400", b"-1"),
        POLICY.replace(b"86400", b"12345678901"),
        POLICY.replace(b"max_age: 86400", b""),
        POLICY.replace(b"mx: mx1.example.com\r\nmx: *.example.net\r\n", b""),
        POLICY.replace(b"mx1.example.com", b"mx*.example.com"),
        POLICY.replace(b"mx1.example.com", b".example.com"),
        POLICY.replace(b"mx1.example.com", b"*.*.example.com"),
        POLICY.replace(b"mx1.example.com", b"mx1..example.com"),
        POLICY.replace(b"mx1.example.com", b""),
        POLICY.replace(b"mx1.example.com", b"\xff"),
        POLICY.replace(b"mx1.example.com", b"mx\x00.example.com"),
        POLICY + b"mx: a.example\r\n" * 501,
    ],
)
def test_what_can_not_be_read_strictly_is_no_policy(content: bytes) -> None:
    with pytest.raises(BadPolicy):
        read(content)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("mx1.example.com", True),
        ("mx2.example.com", False),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        (".example.net", False),
        ("mx1.example.com.evil.example", False),
    ],
)
def test_a_wildcard_stands_for_one_label(host: str, named: bool) -> None:
    assert read(POLICY).matches(host) is named
