"""mailman without a postoffice takes mail all the same; a local key that comes later joins the two of this host."""

from .submit import SAMPLE
from .waiting import until
from .world import World, mx


def test_mail_before_the_join_arrives_after_it(world: World) -> None:
    """Spooled with a 250, nothing expired however short `expire` is, and delivered once the key is there."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host(mailman={"expire": "1s"})
    for name in ("fqdn", "postoffice", "key"):
        del host.settings["mailman"][name]
    host.write("mailman")
    host.start()
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the reason", lambda: "hedwig setup" in host["mailman"].words())
    until("a second has passed", lambda: "2 s old" in host.listed())
    assert host.is_queued(queue_id)
    host.hedwig("local-key")
    until("the letter", far.accepted)
    until("empty queues", lambda: not host.is_queued(queue_id))
    assert far.copies() == {"stenote@163.com": 1}
