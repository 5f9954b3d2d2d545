"""Durations and times as people write them: the same everywhere."""

from pathlib import Path

import click
import pytest

from hedwig import moments
from hedwig.cli.filtering import Duration
from hedwig.cli.given import Until
from hedwig.config.kinds import SCALARS
from hedwig.wishes import Reading, of_form, of_header

NOW = 1_800_000_000.0


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("2m", 120), ("1h30m", 5400), ("1d", 86400)])
def test_a_duration_is_the_same_in_settings_header_form_and_options(text: str, seconds: int) -> None:
    """A number without a unit is seconds."""
    assert moments.duration(text) == seconds
    assert SCALARS["duration"](text) == seconds
    assert of_header([("expires", text)], Reading(NOW)).deadline == NOW + seconds
    assert of_form({"expires": text}, Reading(NOW)).deadline == NOW + seconds
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["30", "1830", "20260131", "0"])
def test_a_point_of_time_is_no_number_alone(text: str) -> None:
    """Seconds from now, or a time of day? It is refused in a sentence, not guessed."""
    with pytest.raises(click.BadParameter, match=r"has no unit: write .*s for seconds, or a time like 18:30"):
        Until(1e11).convert(text, None, None)


def test_the_manual_says_so() -> None:
    """hedwig(1), where --older and --until stand."""
    manual = " ".join((Path(__file__).parents[2] / "docs/man/hedwig.1").read_text().split())
    assert "A number without a unit is seconds, but not in" in manual
