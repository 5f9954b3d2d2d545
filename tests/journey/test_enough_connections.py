"""Where no figure is known the receiver shows how many connections it wants: no letter pays for finding out."""

import pytest

from .crowd import Crowd, Manner
from .submit import SAMPLE, Post
from .waiting import until
from .world import World, mx

BODY = SAMPLE.replace(b"\n", b"\r\n")
LETTERS = 1200
TAKES = 8


def receiver(world: World, **manner: float) -> Crowd:
    far = Crowd(("192.0.2.1",), Manner(dot=0.04))
    for name, value in manner.items():
        setattr(far.manner, name, value)
    world.at_end(far.close)
    world.dns(mx("163.com", "192.0.2.1"))
    return far


def letters(count: int) -> list[Post]:
    return [Post((f"user{number}@163.com",), BODY) for number in range(count)]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_receiver_that_says_421_beyond_eight_gets_eight(world: World, workers: int) -> None:
    """Whatever it says to one connection too many, no letter is put off, let alone bounced or charged with a try."""
    far = receiver(world, most=TAKES)
    host = world.host().start("beanstalkd", "postoffice", *(f"worker-{number + 1}" for number in range(workers)))
    host.http.batch(letters(LETTERS))
    until("all letters", lambda: len(far.came) == LETTERS, seconds=60)
    print(f"{far.turned_away} connections were one too many; {len(far.calls)} were not")
    assert max(far.most_open.values()) == TAKES
    assert not far.twice
    assert far.turned_away <= 12 * workers
    words = "".join(host[f"worker-{number + 1}"].words() for number in range(workers))
    assert "deferred" not in words and "no host answers" not in words


def test_a_receiver_that_takes_all_gets_as_many_as_are_allowed(world: World) -> None:
    """Twenty is the bound for whoever is not named."""
    far = receiver(world)
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    host.http.batch(letters(LETTERS))
    until("all letters", lambda: len(far.came) == LETTERS, seconds=60)
    assert max(far.most_open.values()) == 20
