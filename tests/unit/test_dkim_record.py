"""The DNS record of a key: as it is printed, and its tags."""

import base64
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim_rig import key

from hedwig.dkim import private, record

GOOD = record.value(key("rsa"))


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
    ("text", "tags"),
    [
        (" v = DKIM1 ; p = A B ; ", {"v": "DKIM1", "p": "A B"}),
        ("p=", {"p": ""}),
        ("a=1; a=2", {}),
        ("a=1;; b=2", {}),
        ("nonsense", {}),
        ("", {}),
    ],
)
def test_a_tag_list_is_one_or_none(text: str, tags: dict[str, str]) -> None:
    """RFC 6376 §3.2: a tag twice makes all of it invalid."""
    assert record.tags(text) == tags
