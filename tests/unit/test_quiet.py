"""Refusals in a loop don't fill the journal."""

from hedwig.quiet import LINES, MINUTE, PEERS, Quiet


def test_the_first_refusals_of_a_minute_are_told_the_rest_counted() -> None:
    quiet = Quiet()
    spoken = [quiet.may_speak("172.17.0.2", 100.0)[0] for _ in range(1000)]
    assert spoken == [True] * LINES + [False] * (1000 - LINES)
    assert quiet.may_speak("172.17.0.3", 100.0) == (True, 0)
    assert quiet.may_speak("172.17.0.2", 100.0 + MINUTE) == (True, 1000 - LINES)
    assert quiet.may_speak("172.17.0.2", 100.0 + MINUTE) == (True, 0)


def test_a_clock_that_is_set_back_silences_nobody() -> None:
    quiet = Quiet(lines=1)
    quiet.may_speak("a", 5000.0)
    assert quiet.may_speak("a", 10.0) == (True, 0)


def test_memory_is_bounded() -> None:
    quiet = Quiet()
    for number in range(5 * PEERS):
        quiet.may_speak(str(number), 0.0)
    assert len(quiet._peers) <= PEERS
