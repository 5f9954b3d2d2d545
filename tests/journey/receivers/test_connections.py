"""Connections to a receiver: shared by its letters, few, and ended politely."""

from ..farside import Rule
from ..submit import Post
from ..waiting import until
from .ward import LETTER, Ward


def test_many_letters_share_few_connections(ward: Ward) -> None:
    """200 letters to one receiver: at most as many connections as `sites` allows, and far fewer than letters."""
    domain, address = ward.place()
    far = ward.world.far(address)
    ward.host.http.batch([Post((f"user{number}@{domain}",), LETTER) for number in range(200)])
    until("all letters", lambda: len(far.copies()) == 200)
    assert set(far.copies().values()) == {1}
    assert far.most_open <= 20
    assert far.connections < 100


def test_a_connection_is_kept_while_there_is_mail_and_ends_with_quit(ward: Ward) -> None:
    """One letter after the other goes over one connection; when no more comes it is closed, and not left open."""
    domain, address = ward.place()
    far = ward.world.far(address)
    for number in range(5):
        ward.send(LETTER, f"user{number}@{domain}")
        until("the letter", lambda number=number: far.has(f"user{number}@{domain}"), pause=0.005)
    assert far.connections < 5
    until("the end", lambda: len(far.said("QUIT")) == far.connections)
    assert far.commands[-1][1] == "QUIT"


def test_what_was_refused_is_reset_before_the_next_letter(ward: Ward) -> None:
    """A refusal ends no connection: the next letter goes over the same one, and nothing of the first is in it."""
    domain, address = ward.place()
    far = ward.world.far(address, Rule("rcpt", "550 5.1.1 nobody here", to="<nobody"))
    ward.send(LETTER, f"nobody1@{domain}", f"first@{domain}")
    until("the first letter", lambda: far.has(f"first@{domain}"))
    ward.send(LETTER, f"nobody2@{domain}")
    ward.bounce(f"nobody2@{domain}")
    ward.send(LETTER, f"second@{domain}")
    until("the second letter", lambda: far.has(f"second@{domain}"))
    assert far.connections < 3
    assert [letter.rcpttos for letter in far.accepted()] == [(f"first@{domain}",), (f"second@{domain}",)]
