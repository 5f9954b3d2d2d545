"""mailman's key over a network without TLS: said at the start, and after a reload that mends or brings it."""

from .waiting import until
from .world import World


def test_it_is_said_at_the_start_and_after_a_reload(world: World) -> None:
    """A postoffice on this host is no reason to warn; one elsewhere is, by http but not by https."""
    host = world.host(mailman={"postoffice": "http://203.0.113.9:8025/"})
    host.start("mailman")
    until("the warning", lambda: "the key goes to http://203.0.113.9:8025/ in the clear" in host["mailman"].words())
    for url in ("https://203.0.113.9/", "http://127.0.0.1:8025/", "http://203.0.113.10:8025/"):
        host.settings["mailman"]["postoffice"] = url
        host.write("mailman")
        count = host["mailman"].words().count("was read again")
        host.reload("mailman")
        until("the reload", lambda count=count: host["mailman"].words().count("was read again") > count)
    until("the second warning", lambda: "http://203.0.113.10:8025/ in the clear" in host["mailman"].words())
    assert host["mailman"].words().count("in the clear") == 2
