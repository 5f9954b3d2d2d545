"""Receivers that lack what a message needs (8BITMIME, SMTPUTF8), or what makes it quick or safe (PIPELINING ...)."""

import email

import pytest

from .. import reports
from ..waiting import until
from ..world import mx
from .ward import LETTER, Case, Ward

EIGHT_BIT = LETTER + "Grüße, 海德薇\r\n".encode()
FULL = ("PIPELINING", "8BITMIME", "SIZE 41943040", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN")
UTF8 = "用户"
NAME = r"x{7528}"  # how its first character is written in a report
DOMAIN = "海德薇.example"
A_LABELS = DOMAIN.encode("idna").decode()
ADDRESS = "192.0.2.251"
MORE = [mx(A_LABELS, ADDRESS)]


def without(*names: str) -> tuple[str, ...]:
    return tuple(extension for extension in FULL if extension.split()[0] not in names)


@pytest.fixture(scope="module")
def cases(ward: Ward) -> dict[str, Case]:
    made = {f"all but {name}": ward.case(extensions=without(name.split()[0])) for name in FULL}
    made["none"] = ward.case(extensions=())
    made["8-bit, all"] = ward.case(extensions=FULL, content=EIGHT_BIT)
    made["8-bit, none"] = ward.case(extensions=(), content=EIGHT_BIT)
    made["8-bit, all but 8BITMIME"] = ward.case(extensions=without("8BITMIME"), content=EIGHT_BIT)
    made["large 8-bit, all but 8BITMIME"] = ward.case(
        extensions=without("8BITMIME"), content=LETTER + b"and more, and more\r\n" * 20_000 + "海德薇\r\n".encode()
    )
    made["UTF-8 address, all"] = ward.case(extensions=FULL, users=(UTF8,))
    made["UTF-8 address, all but SMTPUTF8"] = ward.case(extensions=without("SMTPUTF8"), users=(UTF8,))
    return made


@pytest.mark.parametrize("name", [*(f"all but {name}" for name in FULL), "none"])
def test_a_plain_letter_needs_none_of_them(cases: dict[str, Case], name: str) -> None:
    """And it is sent without a parameter of what is not announced (the far side would take all of them)."""
    case = cases[name]
    case.delivered_at_once()
    said = " ".join(case.far.said("MAIL") + case.far.said("RCPT"))
    parameters = {"SIZE": "SIZE=", "8BITMIME": "BODY=", "SMTPUTF8": "SMTPUTF8", "DSN": "NOTIFY="}
    announced = {extension.split()[0] for extension in case.far.extensions}
    assert not [word for keyword, word in parameters.items() if keyword not in announced and word in said]


def test_8_bit_content_arrives_as_it_is(cases: dict[str, Case]) -> None:
    """Where the receiver takes it, declared so (RFC 6152)."""
    case = cases["8-bit, all"]
    case.delivered_at_once()
    assert case.far.accepted()[0].content.endswith(EIGHT_BIT[-20:])
    assert "BODY=8BITMIME" in case.far.said("MAIL")[0]


@pytest.mark.parametrize("name", ["8-bit, none", "8-bit, all but 8BITMIME", "large 8-bit, all but 8BITMIME"])
def test_8_bit_content_is_never_sent_raw_to_a_7_bit_host(cases: dict[str, Case], name: str) -> None:
    """It is converted (RFC 6152 §3), and says the same; test_seven_bit_receiver.py has more of that."""
    case = cases[name]
    case.delivered_at_once()
    [letter] = case.far.accepted()
    assert letter.content.isascii()
    assert letter.field("Content-Transfer-Encoding") == "quoted-printable"
    assert email.message_from_bytes(letter.content).get_payload(decode=True).decode().endswith("海德薇\r\n")


def test_an_address_in_utf_8_arrives(cases: dict[str, Case]) -> None:
    """Where the receiver has SMTPUTF8 (RFC 6531)."""
    case = cases["UTF-8 address, all"]
    case.delivered_at_once()
    assert case.far.said("MAIL")[0].endswith(" SMTPUTF8")


def test_an_address_in_utf_8_needs_smtputf8(cases: dict[str, Case]) -> None:
    """5.6.7, and not a word of it to the receiver."""
    case = cases["UTF-8 address, all but SMTPUTF8"]

    def found() -> list[reports.Report]:
        """In RFC 6533's 7-bit form, since the sender's host may not have SMTPUTF8 either."""
        return [report for report in map(reports.read, case.ward.home.accepted()) if NAME in str(report.failed)]

    [report] = until("the bounce", found)
    assert set(report.failed.values()) == {"5.6.7"}
    assert f"<{UTF8}@{case.domain}>" in report.text
    assert "SMTPUTF8" in report.text
    assert case.far.said("MAIL") == []


def test_a_domain_in_utf_8_goes_in_a_labels(ward: Ward) -> None:
    """A receiver without SMTPUTF8 has nothing to do with how its domain is written (RFC 6531 §3.2)."""
    far = ward.world.far(ADDRESS, extensions=without("SMTPUTF8"))
    ward.send(LETTER, f"user@{DOMAIN}")
    until("the letter", far.accepted)
    assert far.accepted()[0].rcpttos == (f"user@{A_LABELS}",)
