"""A second worker of the same name ends at once and says why; the first is not disturbed."""

from .process import Process
from .submit import SAMPLE
from .waiting import until
from .world import World, mx


def test_exits_with_a_clear_error(world: World) -> None:
    """Two of a name would free each other's claims (I12)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    second = Process("second", host.command("worker-1"), world.directory / "second.log")
    second.start()
    assert second.wait() != 0
    words = second.words()
    assert "Traceback" not in words
    assert "1" in words
    assert str(host["worker-1"].pid) in words or "already" in words or "another" in words
    world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the letter, by the first worker", far.accepted)
