"""A host whose daemons run with something before their command: another environment, say."""

from typing import Any

from ..farside import FarSide
from ..host import Host
from ..submit import SAMPLE
from ..waiting import until
from ..world import World

LETTER = SAMPLE.replace(b"\n", b"\r\n")


class Machine(Host):
    """`before`: by daemon ("worker", not "worker-1"), what its command line begins with, such as env and its words."""

    before: dict[str, list[str]]

    def command(self, name: str) -> list[str]:
        """How a process is started."""
        return [*self.before.get(name.partition("-")[0], []), *super().command(name)]


def machine(world: World, **settings: dict[str, Any]) -> Machine:
    """A configured host, nothing started yet; it ends with the test's world."""
    made = Machine(world.directory / "host", **settings)
    made.before = {}
    world.hosts.append(made)
    world.at_end(made.close)
    return made


def once_each(host: Host, far: FarSide, count: int) -> None:
    """So many recipients got a letter, none of them two; none is called refused...; and nothing is queued any more."""
    until("all letters", lambda: len(far.copies()) >= count)
    until("an empty queue", lambda: "@" not in host.listed())
    copies = far.copies()
    assert set(copies.values()) == {1} and len(copies) == count
    assert not [rcptto for rcptto in copies if rcptto.startswith("refused")]
