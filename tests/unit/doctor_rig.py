"""What every finding of the doctor is held to."""

from hedwig.doctor.finding import Finding


def same(found: Finding, grade: str, words: str = "", mend: str = "") -> None:
    """It came out so, in both languages; what isn't well says what to do."""
    assert found.grade == grade, found
    assert words in found.seen.en, found
    assert found.seen.zh, found
    assert mend in found.mend, found
    assert bool(found.where.en) == bool(found.where.zh)
