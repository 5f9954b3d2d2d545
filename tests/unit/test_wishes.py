"""What a message asks for in people's words: by header lines and by form fields, and refused with a sentence."""

import pytest

from hedwig import wishes
from hedwig.config.kinds import duration as setting
from hedwig.moments import duration, moment, utc
from hedwig.options import BadOption, Options, Priority, TlsWish
from hedwig.wishes import Reading, TooLate, of_form, of_header, refuse_misnamed, unknown_line

NOW = 1795492800.0  # 2026-11-24 04:00:00 UTC
NOON = 1795521600.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2d", 172_800),
        ("90", 90),
        ("0", 0),
        ("", None),
        ("10", 10),
        ("ten minutes", None),
        ("10 minutes", None),
        ("6m 15m", None),
        ("-5m", None),
        ("1.5h", None),
        ("１０m", None),
        ("10M", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert duration(text) == seconds


def test_settings_take_the_same_durations() -> None:
    assert setting("1h30m") == duration("1h30m")


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Tue, 24 Nov 2026 12:00:00 +0000", NOON),
        ("24 nov 2026 12:00 +0000", NOON),
        ("Tue, 24 Nov 2026 20:00:00 +0800 (CST)", NOON),
        ("Tue, 24 Nov 2026 04:30:00 -0730", NOON),
        ("Tue, 24 Nov 2026 12:00:00 GMT", NOON),
        ("Tue, 24 Nov 2026 11:59:60 GMT", NOON - 1),
        ("2026-11-24T12:00:00Z", NOON),
        ("2026-11-24T20:00:00+08:00", NOON),
        ("2026-11-24 12:00Z", NOON),
        ("20261124T120000Z", NOON),
        ("2026-11-24T12:00:00.5Z", NOON + 0.5),
        ("2026-11-24T12:00:00", None),
        ("2026-11-24", None),
        ("Tue, 24 Nov 2026 12:00:00", None),
        ("Tue, 24 Nov 2026 12:00:00 CST", None),
        ("Tue, 32 Nov 2026 12:00:00 +0000", None),
        ("Tue, 24 Foo 2026 12:00:00 +0000", None),
        ("Tue, 24 Nov 26 12:00:00 +0000", None),
        ("Tue, 24 Nov 2026 12:00:00 +9900", None),
        ("tomorrow", None),
        ("1795521600", None),
        ("", None),
    ],
)
def test_dates(text: str, when: float | None) -> None:
    """Of RFC 5322 §3.3 and ISO 8601; a zone must be there, and one that means two things (CST) is none."""
    assert moment(text) == when


def test_a_time_for_people() -> None:
    assert utc(NOON) == "2026-11-24 12:00:00 UTC"


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        ([], Options()),
        ([("expires", "10m")], Options(deadline=NOW + 600)),
        ([("expires", " 1h\r\n 30m ")], Options(deadline=NOW + 5400)),
        ([("expires", "Tue, 24 Nov 2026\r\n\t12:00:00 +0000")], Options(deadline=NOON)),
        ([("priority", "Bulk"), ("supersede_key", "otp-42")], Options(supersede="otp-42", priority=Priority.BULK)),
        ([("supersede_key", "订单 \t 42")], Options(supersede="订单 42")),
        ([("priority", "URGENT")], Options(priority=Priority.URGENT)),
        ([("require_tls", "Yes")], Options(tls=TlsWish.REQUIRED)),
        ([("require_tls", "no")], Options()),
    ],
)
def test_header_lines(lines: list[tuple[str, str]], options: Options) -> None:
    assert of_header(lines, Reading(NOW)) == options


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([("expires", "soon")], "Hedwig-Expires: 'soon' is no time: write a duration like 10m"),
        ([("expires", "")], "Hedwig-Expires: '' is no time"),
        ([("expires", "2026-11-24T12:00:00")], "or a date with its time zone"),
        ([("expires", "0s")], "Hedwig-Expires: 0s is not between 1s and 366d"),
        ([("expires", "367d")], "Hedwig-Expires: 367d is not between"),
        ([("expires", "6000-01-01T00:00Z")], "is no time"),
        ([("expires", "10m"), ("expires", "10m")], "Hedwig-Expires is in the header twice"),
        ([("supersede_key", " ")], "Hedwig-Supersede-Key: a key is printable text of 1 to 200 characters"),
        ([("supersede_key", "x" * 201)], "Hedwig-Supersede-Key: a key is"),
        ([("supersede_key", "a\x00b")], "Hedwig-Supersede-Key: a key is"),
        ([("priority", "high")], "Hedwig-Priority must be urgent, normal or bulk, not 'high'"),
        ([("require_tls", "maybe")], "Hedwig-Require-TLS: 'maybe' is neither yes nor no"),
    ],
)
def test_nonsense_in_the_header_is_named(lines: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(BadOption) as caught:
        of_header(lines, Reading(NOW))
    assert words in str(caught.value)
    assert not isinstance(caught.value, TooLate)


@pytest.mark.parametrize("text", ["Tue, 24 Nov 2026 04:00:00 +0000", "1969-12-31T00:00Z", "0001-01-01T00:00+23:59"])
def test_what_is_over_is_told_apart(text: str) -> None:
    with pytest.raises(TooLate) as caught:
        of_header([("expires", text)], Reading(NOW))
    assert str(caught.value) == f"Hedwig-Expires: the message was to be sent until {text} only, and that has passed"


def test_what_may_be_a_repeat_is_not_too_late() -> None:
    """I3: it was in time when it was accepted first."""
    assert of_header([("expires", "2026-11-24T03:00Z")], Reading(NOW, again=True)).deadline == NOW - 3600
    assert of_form({"expires": "1969-12-31T00:00Z"}, Reading(NOW, again=True)).deadline == 1.0


def test_form_fields_come_before_header_lines() -> None:
    header = of_header([("expires", "10m"), ("priority", "bulk")], Reading(NOW))
    fields = {"fqdn": "less.example", "priority": "urgent", "supersede_key": "otp"}
    assert of_form(fields, Reading(NOW), header) == Options(NOW + 600, "otp", Priority.URGENT)
    assert of_form({}, Reading(NOW), header) is header


def test_requiretls_goes_before_tls_required_no() -> None:
    """RFC 8689 §3."""
    both = of_header([("require_tls", "yes")], Reading(NOW), tls_optional=True)
    assert both.tls is TlsWish.REQUIRED
    optional = of_header([], Reading(NOW), tls_optional=True)
    assert optional.tls is TlsWish.OPTIONAL
    assert of_header([("require_tls", "no")], Reading(NOW), tls_optional=True).tls is TlsWish.OPTIONAL
    assert of_form({"require_tls": "yes"}, Reading(NOW), optional).tls is TlsWish.REQUIRED
    assert of_form({"require_tls": "no"}, Reading(NOW), both).tls is TlsWish.USUAL


def test_a_form_field_is_called_by_its_own_name() -> None:
    with pytest.raises(BadOption, match=r"\Asupersede_key: a key is"):
        of_form({"supersede_key": ""}, Reading(NOW))
    with pytest.raises(BadOption, match=r"\Apriority must be urgent, normal or bulk, not 'high'\Z"):
        of_form({"priority": "high"}, Reading(NOW))
    with pytest.raises(TooLate, match=r"\Aexpires: "):
        of_form({"expires": "2000-01-01T00:00Z"}, Reading(NOW))


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("Hedwig-Supercede-Key", "did you mean Hedwig-Supersede-Key?"),
        ("hedwig-expire", "did you mean Hedwig-Expires?"),
        ("Hedwig_Priority", "did you mean Hedwig-Priority?"),
        ("Hedwig-Frobnicate", "known are Hedwig-Expires, Hedwig-Supersede-Key, Hedwig-Priority, Hedwig-Require-TLS"),
        ("Hedwig-RequireTLS", "did you mean Hedwig-Require-TLS?"),
    ],
)
def test_a_line_of_ours_that_is_none_is_named(name: str, right: str) -> None:
    assert str(unknown_line(name)) == f"{name}: there is no such header line; {right}"


KNOWN = ("fqdn", "key", "id", *wishes.FORM, "email")


@pytest.mark.parametrize(
    ("field", "right"),
    [
        ("expire", "did you mean expires?"),
        ("Expires", "did you mean expires?"),
        ("expiry", "did you mean expires?"),
        ("expires ", "did you mean expires?"),
        ("supersede-key", "did you mean supersede_key?"),
        ("supersedekey", "did you mean supersede_key?"),
        ("supersede", "did you mean supersede_key?"),
        ("PRIORITY", "did you mean priority?"),
        ("Hedwig-Expires", "did you mean expires?"),
        ("hedwig_priorty", "did you mean priority?"),
        ("ID", "did you mean id?"),
        ("hedwig-ttl", "known are fqdn, key, id, expires, supersede_key, priority, require_tls, email"),
        ("requiretls", "did you mean require_tls?"),
        ("hedwig" * 500, "known are fqdn"),
    ],
)
def test_a_field_that_is_nearly_ours_is_named(field: str, right: str) -> None:
    with pytest.raises(BadOption) as caught:
        refuse_misnamed(["subject", field], KNOWN)
    assert str(caught.value).startswith(f"the form has no field {field[:50]}; {right}")


def test_other_fields_are_the_callers_own_affair() -> None:
    """Who sends the original form with something of its own beside it goes on doing so."""
    refuse_misnamed(["", "submit", "csrf_token", "subject", "to", "property", "ids", "expires" * 9], KNOWN)


def test_the_names_fit_together() -> None:
    assert {name.decode(): wishes.HEADERS[name] for name in wishes.HEADERS} == {
        spelled.lower(): name for name, spelled in wishes.SPELLED.items()
    }
    assert tuple(wishes.SPELLED) == wishes.FORM
