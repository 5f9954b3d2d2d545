"""`hedwig queue` says what is queued, for whom, why, and when it is tried next."""

from .farside import Rule
from .submit import SAMPLE, SENDER
from .waiting import until
from .world import World, mx


def test_a_deferred_letter_is_explained(world: World) -> None:
    """The receiver's own words, in the list and in the history."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", Rule("rcpt", "452 4.2.2 mailbox of stenote is full", times=1))
    host = world.host(worker={"retry": {"schedule": ["2s"], "jitter": "0%"}}).start()
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    shown = until("the reason", lambda: _with(host.listed(), "mailbox of stenote is full"))
    for part in (queue_id, "stenote@163.com", SENDER, "4.2.2"):
        assert part in shown
    history = host.history(queue_id)
    assert "452" in history
    assert "mx1.163.com" in history
    until("the letter", far.accepted)
    until("an empty queue", lambda: not host.is_queued(queue_id))


def _with(text: str, part: str) -> str:
    return text if part in text else ""


def test_no_terminal_is_commanded_by_a_reply(world: World) -> None:
    """Escape sequences from outside are shown as text or not at all (I11)."""
    world.dns(mx("163.com", "192.0.2.1"))
    world.far("192.0.2.1", Rule("rcpt", "452 4.2.2 \x1b[31mred\x1b[0m\x07 words"))
    host = world.host().start()
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the reason", lambda: "words" in host.listed())
    for text in (host.listed(), host.history(queue_id), host["worker-1"].words()):
        assert "\x1b" not in text
        assert "\x07" not in text


def test_an_unknown_id_is_an_error(world: World) -> None:
    """A sentence and a status, no traceback."""
    host = world.host().start("beanstalkd", "postoffice")
    status, said = host.try_hedwig("queue", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert status != 0
    assert "01ARZ3NDEKTSV4RRFFQ69G5FAV" in said
    assert "Traceback" not in said
