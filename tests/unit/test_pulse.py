"""Signs of life: when a thread counts as stuck."""

import threading

from hedwig.pulse import Pulse


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_busy_beyond_its_bound_is_stuck_and_idle_never_is():
    clock = Clock()
    pulse = Pulse("x", clock)
    assert not pulse.stuck
    pulse.busy(5.0)
    clock.now += 5.0
    assert not pulse.stuck
    clock.now += 0.1
    assert pulse.stuck
    pulse.busy(5.0)
    assert not pulse.stuck
    pulse.idle()
    clock.now += 1e9
    assert not pulse.stuck


def test_a_thread_that_died_is_stuck_and_one_that_ended_is_not():
    died = threading.Thread(target=lambda: None)
    pulse = Pulse("x").of(died)
    assert not pulse.stuck, "not started yet"
    died.start()
    died.join()
    assert pulse.stuck

    pulse = Pulse("x")
    ended = threading.Thread(target=pulse.end)
    pulse.of(ended)
    ended.start()
    ended.join()
    assert not pulse.stuck
