"""`on_doubt` in clients.d: what is in doubt is tried again, held, or tried once more (I5).

The far side has the whole letter, and its answer never comes: it cuts the connection, or the worker is killed while it
waits. A letter that is held is shown with the conversation up to the dot, and goes when the operator says so.
"""

import threading

from .farside import FarSide, Rule
from .host import FQDN, Host
from .submit import SAMPLE, Http, Post
from .waiting import until
from .world import World, mx

TO = "stenote@163.com"
LETTER = SAMPLE.replace(b"\n", b"\r\n")
OTHER = "other@163.com"


POLICIES = ("retry", "hold", "retry-once")
# The policy, how often the far side cuts, how many copies it has in the end, and whether the letter is held then.
CUTS = [("retry", 2, 3, False), ("hold", 1, 1, True), ("retry-once", 1, 2, False), ("retry-once", 2, 2, True)]


def host_with(world: World, policy: str) -> Host:
    """A host whose client has this policy."""
    host = world.host()
    file = host.config / "clients.d" / f"{FQDN}.yml"
    file.write_text(f"{file.read_text()}\non_doubt: {policy}\n")
    return host.start("beanstalkd", "postoffice", "worker-1")


def host_with_all(world: World) -> tuple[Host, dict[str, Http]]:
    """A host with a client of each policy."""
    host = world.host()
    clients = {policy: host.client(f"{policy}.nankai.edu.cn", on_doubt=policy) for policy in POLICIES}
    return host.start("beanstalkd", "postoffice", "worker-1"), clients


def later(host: Host, far: FarSide) -> None:
    """Another letter has been deferred three times and then delivered: so every retry of a second has been over."""
    far.add(Rule("rcpt", to=OTHER, reply="450 4.2.0 later", times=3))
    host.http.batch([Post((OTHER,), LETTER)])
    until("the other letter", lambda: far.has(OTHER))


def received(far: FarSide, rcptto: str = TO) -> int:
    """How often the far side has got the whole letter, answered or not."""
    return sum(rcptto in letter.rcpttos for letter in far.letters)


def is_held(host: Host, queue_id: str) -> bool:
    return queue_id in host.hedwig("queue", "--state", "held")


def test_the_far_side_cuts_after_the_dot(world: World) -> None:
    """As often as it does so, each policy does what it says, and no more."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host, clients = host_with_all(world)
    letters = []
    for policy, cuts, copies, held in CUTS:
        rcptto = f"{policy}-{cuts}@163.com"
        far.add(Rule("dot", to=rcptto, hang_up=True, times=cuts))
        letters.append((policy, cuts, copies, held, rcptto, *clients[policy].batch([Post((rcptto,), LETTER)])))
    for _, _, copies, held, rcptto, queue_id in letters:
        until(f"all copies to {rcptto}", lambda: received(far, rcptto) == copies)  # noqa: B023
        until("its end", lambda: is_held(host, queue_id) if held else not host.is_queued(queue_id))  # noqa: B023
    later(host, far)
    for policy, cuts, copies, held, rcptto, queue_id in letters:
        assert received(far, rcptto) == copies
        history = host.history(queue_id)
        assert history.count("in doubt") >= cuts
        assert ("on_doubt: " + policy in history) is held
        assert ("> EHLO robot.genee.cn" in history) is (policy != "retry")
        assert "Hello Stenote" not in history


def test_the_worker_is_killed_after_the_dot(world: World) -> None:
    """SIGKILL: its successor finds the mark, and where the policy asks for it, the conversation beside it."""
    world.dns(mx("163.com", "192.0.2.1"))
    gate = threading.Event()
    at_dot = Rule("dot", hold=gate, times=1, each=True)
    far = world.far("192.0.2.1", at_dot)
    host, clients = host_with_all(world)
    ids = {policy: clients[policy].batch([Post((f"{policy}@163.com",), LETTER)])[0] for policy in POLICIES}
    until("the dots", lambda: at_dot.used.total() == len(POLICIES))
    host["worker-1"].kill()
    gate.set()
    until("the letters", lambda: len(far.copies()) == len(POLICIES))
    host.start("worker-1")
    until("the letter held", lambda: is_held(host, ids["hold"]))
    until("the others' end", lambda: not host.is_queued(ids["retry"], ids["retry-once"]))
    later(host, far)
    for policy, queue_id in ids.items():
        assert received(far, f"{policy}@163.com") == (1 if policy == "hold" else 2)
        history = host.history(queue_id)
        assert "the worker ended between the final dot and its reply" in history
        for line in ("* mx1.163.com[192.0.2.1]:25", f"> RCPT TO:<{policy}@163.com>", "< 354 go ahead", "are sent"):
            assert (line in history) is (policy != "retry")


def test_a_worker_killed_before_the_dot_leaves_no_doubt(world: World) -> None:
    """on_doubt: hold, and the dot is not out: the letter goes with the next worker, once."""
    world.dns(mx("163.com", "192.0.2.1"))
    gate = threading.Event()
    at_data = Rule("data", to=TO, hold=gate, times=1)
    far = world.far("192.0.2.1", at_data)
    host = host_with(world, "hold")
    [queue_id] = host.http.batch([Post((TO,), LETTER)])
    until("DATA", lambda: at_data.used.total() == 1)
    host["worker-1"].kill()
    gate.set()
    host.start("worker-1")
    until("the letter", lambda: far.has(TO))
    until("an empty queue", lambda: not host.is_queued(queue_id))
    assert received(far) == 1
    assert "in doubt" not in host.history(queue_id)


def test_another_worker_frees_it_too(world: World) -> None:
    """The dead worker never comes back: the other one holds the letter, with the conversation that the dead one had."""
    world.dns(mx("163.com", "192.0.2.1"))
    gate = threading.Event()
    at_dot = Rule("dot", to=TO, hold=gate, times=1)
    world.far("192.0.2.1", at_dot)
    host = host_with(world, "hold")
    [queue_id] = host.http.batch([Post((TO,), LETTER)])
    until("the dot", lambda: at_dot.used.total() == 1)
    host["worker-1"].kill()
    gate.set()
    host.start("worker-2")
    until("the letter held", lambda: is_held(host, queue_id))
    assert f"> RCPT TO:<{TO}>" in host.history(queue_id)
    assert "is held" in host["worker-2"].words()


def test_the_operator_releases_what_was_held(world: World) -> None:
    """It goes out once more, and is done."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", Rule("dot", to=TO, hang_up=True, times=1))
    host = host_with(world, "hold")
    [queue_id] = host.http.batch([Post((TO,), LETTER)])
    until("the letter held", lambda: is_held(host, queue_id))
    host.hedwig("queue", "release", queue_id, "--yes")
    until("an empty queue", lambda: not host.is_queued(queue_id))
    assert received(far) == 2
    assert "delivered" in host.history(queue_id)
