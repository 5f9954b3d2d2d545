"""The DNS record of a key: as it is printed, and what `hedwig dkim check` makes of one that is published."""

import base64
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim_rig import key

from hedwig.dkim import private, record
from hedwig.dkim.record import Finding, compare

GOOD = record.value(key("rsa"))
P = GOOD.partition("p=")[2]


def test_a_zone_file_gets_strings_of_at_most_255_octets() -> None:
    lines = record.zone_lines(key("rsa"))
    strings = re.findall(r'"([^"]*)"', lines)
    assert "".join(strings) == GOOD
    assert len(strings) == 2
    assert max(map(len, strings)) <= 255
    assert lines.startswith("rsa._domainkey.example.com. 3600 IN TXT (")
    assert record.zone_lines(key("ed25519")).count('"') == 2


def test_an_ed25519_record_is_that_of_the_rfc() -> None:
    """RFC 8463, appendix A.2: secret and public key."""
    seed = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    pem = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    found = private.read(pem, "football.example.com", "brisbane")
    assert record.value(found) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"p={P}",
        f"v=DKIM1;k=rsa;h=sha256;t=s;s=email;p={P};",
        f"v=DKIM1; s=*; n=a note; p={P[:100]} {P[100:200]}\t{P[200:]}",
    ],
)
def test_a_record_that_serves(text: str) -> None:
    assert compare(key("rsa"), [text]) == Finding(True)


@pytest.mark.parametrize(
    ("texts", "wrong"),
    [
        ([], "there is no such record"),
        (["v=spf1 -all"], "no key in it: 'v=spf1 -all'"),
        ([GOOD, GOOD], "there are 2 TXT records"),
        ([f'"{GOOD}"'], "quotation marks"),
        ([f"k=rsa; v=DKIM1; p={P}"], "does not begin with v=DKIM1"),
        ([f"v=DKIM2; p={P}"], "does not begin with v=DKIM1"),
        (["v=DKIM1; p="], "p= is empty"),
        ([f"v=DKIM1; k=ed25519; p={P}"], "it says k='ed25519'"),
        ([f"v=DKIM1; p={P[:234]}"], f"ends after 234 of {len(P)} characters"),
        ([f"v=DKIM1; p={P[:100]}!{P[101:]}"], "damaged"),
        ([record.value(key("ed25519")).replace("ed25519", "rsa")], "another key"),
        ([f"v=DKIM1; h=sha1; p={P}"], "does not allow sha256"),
        ([f"v=DKIM1; s=tlsrpt; p={P}"], "is not for mail"),
    ],
)
def test_a_record_that_does_not(texts: list[str], wrong: str) -> None:
    found = compare(key("rsa"), texts)
    assert not found.sound
    assert wrong in found.wrong
    assert found.mend


def test_a_panel_that_adds_the_domain_is_seen_through() -> None:
    found = compare(key("rsa"), [], [GOOD])
    assert (found.sound, found.mend) == (False, "name it rsa._domainkey there")
    assert "stands at rsa._domainkey.example.com.example.com" in found.wrong


def test_what_is_only_worth_a_word() -> None:
    assert compare(key("rsa"), [f"v=DKIM1; t=y; p={P}"]).wrong.startswith("t=y says")
    pem = generate_private_key(65537, 1024).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    short = private.read(pem, "example.com", "s")
    found = compare(short, [record.value(short)])
    assert (found.sound, found.wrong.startswith("1024 bits are few")) == (True, True)
