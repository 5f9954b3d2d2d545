"""Letters that ask for TLS to their end, and letters that would rather arrive (RFC 8689)."""

import pytest

from .. import reports
from ..receivers.ward import LETTER, Case
from ..waiting import until
from .realm import Has, Realm

REQUIRED = {"tls": "required"}
OPTIONAL = {"tls": "optional"}
OFFERED = ("REQUIRETLS",)
RECEIVERS = {
    "dane": Has("own", "fits", more=OFFERED, options=REQUIRED),
    "dnssec and authority": Has("good", more=OFFERED, options=REQUIRED),
    "mta-sts": Has("good", sts="enforce", insecure=True, more=OFFERED, options=REQUIRED),
    "second host": Has("own", "fits", options=REQUIRED, backup=Has("own", "fits", more=OFFERED)),
    "not announced": Has("own", "fits", options=REQUIRED),
    "not vouched for": Has("good", insecure=True, more=OFFERED, options=REQUIRED),
    "no tls": Has("", more=OFFERED, options=REQUIRED),
    "another's": Has("other", more=OFFERED, options=REQUIRED),
    "optional, dane": Has("own", "other", options=OPTIONAL),
    "optional, mta-sts": Has("", sts="enforce", insecure=True, options=OPTIONAL),
    "optional, bogus": Has("own", "bogus", options=OPTIONAL),
    "optional, admin's": Has("", rule={"tls": "encrypt"}, options=OPTIONAL),
}
DELIVERED = {
    "dane": "(dane, requiretls: its certificate fits its TLSA records)",
    "dnssec and authority": "(requiretls: its certificate is for mx1.{domain}, by a trusted authority)",
    "mta-sts": "(mta-sts, requiretls: its certificate is for mx1.{domain}, by a trusted authority)",
}
FAILED = {
    "not announced": ("5.7.30", "mx1.{domain} doesn't offer REQUIRETLS, and the message asks for it"),
    "not vouched for": ("5.7.30", "neither DNSSEC nor MTA-STS says that it is a host of {domain}"),
    "no tls": ("5.7.10", "mx1.{domain} offers no TLS, and the message asks for REQUIRETLS"),
}
GOES = {
    "optional, dane": "TLSv1.3 (its certificate isn't checked)",
    "optional, mta-sts": "in the clear (it offers no TLS)",
    "optional, bogus": "TLSv1.3 (its certificate isn't checked)",
}


@pytest.mark.parametrize("name", DELIVERED)
def test_it_is_handed_on_with_the_same_wish(realm: Realm, name: str) -> None:
    case = realm[name]
    case.delivered_at_once()
    assert DELIVERED[name].format(domain=case.domain) in case.history()
    [mail] = case.far.said("MAIL")
    assert mail.endswith(" REQUIRETLS")


@pytest.mark.parametrize("name", FAILED)
def test_it_fails_at_once_where_nobody_can_promise_that(realm: Realm, name: str) -> None:
    """And its sender hears why. The report is guarded where it can be, and arrives where it can't; of the letter it
    has the header alone (§5)."""
    case = realm[name]
    status, words = FAILED[name]
    case.bounced(status, words.format(domain=case.domain))
    [report] = [each for each in realm.home.accepted() if case.rcpttos[0] in reports.read(each).failed]
    assert b"Hello Stenote" not in report.content
    assert not [said for said in realm.home.said("MAIL") if "REQUIRETLS" in said]


def test_a_certificate_that_fits_today_may_come_tomorrow(realm: Realm) -> None:
    case = realm["another's"]
    case.deferred(f"its certificate is for other.example, not for mx1.{case.domain}; the message asks for REQUIRETLS")
    assert not case.far.letters


def test_another_host_that_can_promise_it_gets_it(realm: Realm) -> None:
    first, second = realm.fars["second host"]
    case = realm["second host"]
    Case(realm, second, case.domain, ("user",), b"", case.queue_id).delivered_at_once()
    assert not first.letters
    assert first.said("QUIT")


@pytest.mark.parametrize("name", GOES)
def test_tls_required_no_goes_whatever_the_receivers_policy(realm: Realm, name: str) -> None:
    case = realm[name]
    case.delivered_at_once()
    assert GOES[name] in case.history()


def test_what_the_admin_wants_is_kept(realm: Realm) -> None:
    realm["optional, admin's"].deferred("tls: encrypt")


def test_letters_with_and_without_the_wish_on_one_connection(realm: Realm) -> None:
    """A connection that is good enough for both carries both; one that isn't is closed first."""
    case = realm["dane"]
    case.delivered()
    until("the end of its connection", lambda: case.far.said("QUIT"))
    for options in (REQUIRED, {}, REQUIRED, OPTIONAL, REQUIRED):
        case.queue_id = realm.send(LETTER, *case.rcpttos, options=options)
        case.met("delivered")
    said = [text.endswith("REQUIRETLS") for text in case.far.said("MAIL")]
    assert said[1:] == [True, False, True, False, True]
    assert case.far.connections == 1 + 1


def test_a_connection_that_was_good_enough_for_one_is_not_for_all(realm: Realm) -> None:
    """It is open still, and proved nothing: what comes next by the same way is not sent there."""
    case = realm["optional, dane"]
    case.delivered()
    for count in (2, 3):
        going = realm.send(LETTER, *case.rcpttos, options=OPTIONAL)
        case.queue_id = realm.send(LETTER, *case.rcpttos)
        case.deferred("its certificate fits none of its TLSA records")
        until("the other one", lambda going=going: "delivered" in realm.kinds(going, case.rcpttos[0]))
        assert len(case.far.letters) == count


def test_the_header_line_and_the_field(realm: Realm) -> None:
    """As people write them. The line is gone on the way; TLS-Required stays, for those who come after us."""
    case = realm["dnssec and authority"]
    case.delivered()
    form = {"mailfrom": "sender@robot.genee.cn", "rcpttos": case.rcpttos}
    status, _ = realm.host.http.form(form | {"data": "Hedwig-Require-TLS: yes\nSubject: one\n\nhi\n"})
    assert status == 200
    status, _ = realm.host.http.form(form | {"data": "TLS-Required: No\nSubject: two\n\nhi\n"})
    assert status == 200
    until("three letters", lambda: len(case.far.accepted()) == 3)
    one = next(letter for letter in case.far.accepted() if letter.field("Subject") == "one")
    assert "Hedwig" not in one.header.split("Subject")[1]
    two = next(letter for letter in case.far.accepted() if letter.field("Subject") == "two")
    assert two.field("TLS-Required") == "No"
