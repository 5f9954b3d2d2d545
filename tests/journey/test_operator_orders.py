"""`hedwig queue retry | hold | release | drop` with real daemons: what waits, and what a worker has in its hands."""

import json
import threading
import time

from . import reports
from .farside import FarSide, Rule
from .host import Host
from .submit import SAMPLE, SENDER, Post
from .waiting import until
from .world import HOME, World, mx

LETTER = SAMPLE.replace(b"\n", b"\r\n")
LATER = {"retry": {"schedule": ["1h"], "jitter": "0%"}}


def one_site(world: World, *rules: Rule) -> tuple[FarSide, Host]:
    """163.com, and a worker that tries again after an hour: what comes sooner comes by the operator."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", *rules)
    return far, world.host(worker=LATER).start("beanstalkd", "postoffice", "worker-1")


def test_retried_by_the_reply_that_is_no_longer_true(world: World) -> None:
    """The receiver has lifted its refusal: what it had turned away goes at once, and nothing else."""
    far, host = one_site(
        world, Rule("rcpt", "451 4.7.500 you are on our list", to="listed"), Rule("rcpt", "452 4.2.2 full", to="full")
    )
    host.http.batch([Post((f"{what}{n}@163.com",), LETTER) for what in ("listed", "full") for n in range(5)])
    until("all deferred", lambda: host.listed().count("deferred, 1 try") == 10)
    far.rules.clear()
    looked = host.hedwig("queue", "retry", "--reply", "on our list", "--dry-run")
    assert "5 recipients of 5 messages would be due now:" in looked
    host.hedwig("queue", "retry", "--reply", "on our list", "--reason", "ticket 4711", "--yes")
    until("them", lambda: len(far.copies()) == 5)
    assert set(far.copies()) == {f"listed{n}@163.com" for n in range(5)}
    assert host.listed().count("deferred, 1 try") == 5
    history = host.hedwig("trace", "listed0@163.com")
    for words in ("451 4.7.500 you are on our list", "retry", "ticket 4711", "delivered"):
        assert words in history


def test_held_released_and_dropped(world: World) -> None:
    """With a bounce to the sender, and without; who is told nothing gets nothing."""
    home = world.far(HOME)
    far, host = one_site(world, Rule("rcpt", "451 4.7.1 later"))
    ids = host.http.batch([Post((f"{name}@163.com",), LETTER) for name in ("hold", "tell", "quiet")])
    until("all deferred", lambda: host.listed().count("deferred, 1 try") == 3)
    far.rules.clear()
    host.hedwig("queue", "hold", "--all", "--yes")
    assert host.listed().count("held, 1 try") == 3
    host.hedwig("queue", "release", ids[0], "--yes")
    until("the released one", lambda: far.has("hold@163.com"))
    assert "1 bounce goes to the senders" in host.hedwig("queue", "drop", ids[1], "--dsn", "--dry-run")
    host.hedwig("queue", "drop", ids[1], "--dsn", "--yes", "--reason", "not for their eyes")
    host.hedwig("queue", "drop", ids[2], "--no-dsn", "--yes")
    report = reports.read(until("the bounce", home.accepted)[0])
    assert report.whole.rcpttos == (SENDER,)
    assert list(report.failed) == ["tell@163.com"]
    assert b"not for their eyes" not in report.whole.content
    until("an empty queue", lambda: "nothing waits" in host.listed())
    assert "not for their eyes" in host.history(ids[1])
    assert (len(home.accepted()), set(far.copies())) == (1, {"hold@163.com"})


def test_what_a_worker_is_sending_is_called_back(world: World) -> None:
    """The receiver stands still at MAIL, at the dot, or is not reached yet: no dot goes out for what was dropped, and
    what is past its dot is delivered and said so. Then the connections carry other letters."""
    gate, dots = threading.Event(), threading.Event()
    at_mail = Rule("mail", hold=gate)
    at_dot = Rule("dot", to="late", hold=dots)
    far, host = one_site(world, at_dot)
    host.http.batch([Post(("late@163.com",), LETTER)])
    until("its dot", lambda: at_dot.used.total() == 1)
    far.add(at_mail)
    host.http.batch([Post((f"{n}@163.com",), LETTER) for n in range(40)])
    until("all connections stand still", lambda: at_mail.used.total() == 4)
    out: list[str] = []
    dropping = threading.Thread(
        target=lambda: out.append(host.hedwig("queue", "drop", "--all", "--no-dsn", "--yes", "--json"))
    )
    dropping.start()
    until("the recalls", lambda: host.listed().count("@163.com") <= 5)
    time.sleep(1.5)  # the worker looks each second
    gate.set()
    until("only the late one", lambda: host.listed().count("@163.com") == 1)
    dots.set()
    dropping.join()
    done = json.loads(out[0])["done"]
    assert done["recipients"] + done["back"] == 40
    assert (done["over"], done["left"], done["missed"]) == (1, 0, 0)
    until("an empty queue", lambda: "nothing waits" in host.listed())
    assert set(far.copies()) == {"late@163.com"}
    host.http.batch([Post(("next@163.com",), LETTER)])
    until("the next one", lambda: far.has("next@163.com"))


def test_a_paused_client_gets_back_what_was_not_begun(world: World) -> None:
    """The worker has forty letters in its hands, five of them under way: those finish, the others are held."""
    gate = threading.Event()
    at_mail = Rule("mail", hold=gate)
    far, host = one_site(world, at_mail)
    host.http.batch([Post((f"{n}@163.com",), LETTER) for n in range(40)])
    until("all connections stand still", lambda: at_mail.used.total() == 5)
    host.hedwig("queue", "pause", "less.nankai.edu.cn")
    until("the others held", lambda: host.listed().count("its client is paused") == 35)
    gate.set()
    until("five letters", lambda: len(far.copies()) == 5)
    until("nothing under way", lambda: "being sent" not in host.listed())
    assert host.listed().count("its client is paused") == 35
    host.hedwig("queue", "resume", "less.nankai.edu.cn")
    until("all", lambda: len(far.copies()) == 40)
    assert set(far.copies().values()) == {1}
