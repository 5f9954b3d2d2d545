"""What a worker tells the queue of: each hint in its delivery's own priority, and no harm where the queue is down."""

from hedwig.queue.memory import Broker
from hedwig.spool import Waiting
from hedwig.worker.hinter import Hinter


def test_a_bounce_goes_before_what_was_handed_back() -> None:
    """Bounces are urgent; what comes first in the list is not what is handed out first."""
    broker = Broker()
    hinter = Hinter(broker.open())
    hinter.hint(
        [Waiting(1, "a.example", 2), Waiting(2, "a.example", 1), Waiting(3, "b.example", 0), Waiting(4, "c", 1)]
    )
    hinter.close()
    assert [hint.delivery for hint in broker.open().reserve(["default"], 10, 0)] == [3, 2, 4, 1]


def test_no_queue_no_hint() -> None:
    """The feeder finds it in the spool."""
    broker = Broker()
    broker.down = True
    hinter = Hinter(broker.open())
    hinter.hint([Waiting(1, "a.example")])
    hinter.close()
    broker.down = False
    assert broker.open().counts() == {}
