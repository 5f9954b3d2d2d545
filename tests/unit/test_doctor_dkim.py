"""What is made of the record that DNS has for a key: by doctor, `hedwig dkim check` and `hedwig dkim rotate` alike."""

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim_rig import key
from doctor_rig import same

from hedwig.dkim import private, record
from hedwig.doctor import dkim_rules
from hedwig.doctor.dkim_record import FINE, compare
from hedwig.doctor.dkim_rules import Signing
from hedwig.doctor.finding import Unknown

GOOD = record.value(key("rsa"))
P = GOOD.partition("p=")[2]
FILE = "/etc/hedwig/dkim/example.com/rsa.pem"


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
    assert compare(key("rsa"), [text]) is FINE


@pytest.mark.parametrize(
    ("texts", "wrong"),
    [
        ([], "no record at rsa._domainkey.example.com"),
        (["v=spf1 -all"], "no key in it: 'v=spf1 -all'"),
        ([GOOD, GOOD], "2 records at one name"),
        ([f'"{GOOD}"'], "quotation marks"),
        ([f"k=rsa; v=DKIM1; p={P}"], "does not begin with v=DKIM1"),
        ([f"v=DKIM2; p={P}"], "does not begin with v=DKIM1"),
        (["v=DKIM1; p="], "revoked (p= is empty)"),
        (["v=DKIM1; k=rsa"], "no key in it"),
        ([f"v=DKIM1; p={P}; p="], "can't be read"),
        ([f"v=DKIM1; nonsense; p={P}"], "can't be read"),
        ([f"v=DKIM1; k=ed25519; p={P}"], "is for 'ed25519', the key is rsa"),
        ([f"v=DKIM1; p={P[:234]}"], f"ends after 234 of {len(P)} characters"),
        ([f"v=DKIM1; p={P[:100]}!{P[101:]}"], "damaged"),
        ([record.value(key("ed25519")).replace("ed25519", "rsa")], "another key"),
        ([f"v=DKIM1; h=sha1; p={P}"], "allows no sha256"),
        ([f"v=DKIM1; s=tlsrpt; p={P}"], "not for mail"),
    ],
)
def test_a_record_that_does_not(texts: list[str], wrong: str) -> None:
    found = compare(key("rsa"), texts)
    assert not found.sound
    assert wrong in found.wrong.en and found.wrong.zh
    assert found.mend.startswith('rsa._domainkey.example.com. IN TXT "v=DKIM1; k=rsa; p=')
    assert "zone of example.com" in found.where.en and "example.com" in found.where.zh
    (told,) = dkim_rules.judge("example.com", [Signing("example.com", FILE, key("rsa"), records=tuple(texts))])
    same(told, "fail", wrong, found.mend)


def test_a_panel_that_adds_the_domain_is_seen_through() -> None:
    found = compare(key("rsa"), [], [GOOD])
    assert (found.sound, found.mend, found.where.en) == (False, "", "in the panel, name it rsa._domainkey")
    assert "stands at rsa._domainkey.example.com.example.com" in found.wrong.en
    (told,) = dkim_rules.judge("example.com", [Signing("example.com", FILE, key("rsa"), doubled=(GOOD,))])
    same(told, "fail", "the panel adds the domain")


def test_what_is_only_worth_a_word() -> None:
    found = compare(key("rsa"), [f"v=DKIM1; t=s:y; p={P}"])
    assert (found.sound, "t=y (testing)" in found.wrong.en) == (True, True)
    pem = generate_private_key(65537, 1024).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    short = private.read(pem, "example.com", "s")
    found = compare(short, [record.value(short)])
    assert (found.sound, found.wrong.en[:16], found.mend) == (
        True,
        "the key has 1024",
        "hedwig dkim rotate example.com",
    )
    (told,) = dkim_rules.judge("example.com", [Signing("example.com", FILE, short, records=(record.value(short),))])
    same(told, "warn", "1024 bits", "hedwig dkim rotate example.com")


def test_what_doctor_says_of_a_domains_keys() -> None:
    fits = Signing("example.com", FILE, key("rsa"), records=(GOOD,))
    (found,) = dkim_rules.judge("example.com", [fits])
    same(found, "pass", f"{FILE} (rsa, 2048 bits)")
    assert dkim_rules.sound(fits)
    (found,) = dkim_rules.judge("example.com", [])
    same(found, "warn", "there is no key", "hedwig dkim new example.com")
    broken = Signing("example.com", FILE, trouble="it is no private key in PEM, or a damaged one", mend="do so")
    (found,) = dkim_rules.judge("example.com", [broken])
    same(found, "fail", f"{FILE}: it is no")
    assert (found.where.en, found.seen.zh) == ("do so", f"{FILE}：不是 PEM 私钥，或已损坏")
    closed = Signing(
        "example.com", FILE, trouble="every user of this host can use this key", mend=f"chmod o-rwx {FILE}"
    )
    (found,) = dkim_rules.judge("example.com", [closed])
    same(found, "fail", f"{FILE}: every user", f"chmod o-rwx {FILE}")
    young = Signing("example.com", FILE, key("ed25519"), records=(record.value(key("ed25519")),))
    found = dkim_rules.judge("example.com", [young])[1]
    same(found, "warn", "Ed25519 keys alone", "hedwig dkim new example.com --rsa")
    (found,) = dkim_rules.judge("example.com", [Signing("example.com", FILE, key("rsa"), records=Unknown("lame"))])
    same(found, "fail", "lame")
    assert not dkim_rules.sound(broken)
