"""Signatures of webhook requests: openssl makes the same, and a secret that is none is said to be so."""

import base64
import subprocess

import pytest

from hedwig.alerts.signing import key_of, signed

ID, AT, BODY = "01K0000000000000000000000A", 1_800_000_000, '{"text": "您好"}'.encode()
KEY = bytes(range(24))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


def by_openssl(key: bytes) -> str:
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"]
    content = f"{ID}.{AT}.".encode() + BODY
    return base64.b64encode(subprocess.run(command, input=content, capture_output=True, check=True).stdout).decode()


@pytest.mark.parametrize(("secret", "key"), [(SECRET, KEY), ("a secret of words", b"a secret of words")])
def test_the_headers(secret: str, key: bytes) -> None:
    assert signed(ID, AT, BODY, [secret]) == {
        "webhook-id": ID,
        "webhook-timestamp": "1800000000",
        "webhook-signature": f"v1,{by_openssl(key)}",
    }


def test_two_secrets_while_one_replaces_the_other() -> None:
    assert signed(ID, AT, BODY, [SECRET, "old"])["webhook-signature"] == f"v1,{by_openssl(KEY)} v1,{by_openssl(b'old')}"


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in signed(ID, AT, BODY, [])


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_?!", "whsec_abc"])
def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match=r"empty|base64"):
        key_of(secret)
