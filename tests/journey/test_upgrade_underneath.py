"""An upgrade replaces files under running daemons: once they are up they import nothing more (cli/preload.py)."""

import os
from pathlib import Path

import pytest

from .farside import Rule
from .submit import SAMPLE, sample_email
from .waiting import until
from .world import World, mx

_WATCH = """
import importlib.machinery, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        # What is looked for and is not there (dnspython does so) is not there after an upgrade either.
        if os.path.exists({flag!r}) and importlib.machinery.PathFinder.find_spec(name, path):
            number = os.open({found!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(number, f"{{os.path.basename(sys.argv[0])}}: {{name}}\\n".encode())
            os.close(number)

if any("hedwig-" in word for word in sys.orig_argv[1:2]):
    sys.meta_path.insert(0, Watch())
"""
_CHINESE = (
    b"From: =?gb18030?B?uvzA6w==?= <robot@robot.genee.cn>\r\nTo: x\r\nSubject: =?shift_jis?B?g2U=?=\r\n"
    b"Content-Type: text/plain; charset=big5-hkscs\r\n\r\n\xa4\xa4\xa4\xe5\r\n"
)


def test_nothing_is_imported_once_they_are_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters of many kinds, refusals, bounces, outages, reloads, a broken config, and the stop."""
    flag, found = world.directory / "up", world.directory / "imports"
    folder = world.directory / "watch"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_WATCH.format(flag=str(flag), found=str(found)))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    world.dns(
        mx("163.com", "192.0.2.1", "2001:db8::1"), mx("xn--fiqs8s.example", "192.0.2.1"), "null.example. MX 0 .\n"
    )
    far = world.far("192.0.2.1", Rule("rcpt", "550 5.1.1 no such user", to="<nobody@163.com>"))
    far.add(Rule("rcpt", "451 4.7.1 greylisted", to="<later@163.com>", times=1, each=True))
    host = world.host().start()
    flag.touch()
    everyone = ("a@163.com", "nobody@163.com", "later@163.com", "x@null.example", "y@nowhere.example")
    ids = [
        world.msmtp.send(SAMPLE, *everyone),
        world.msmtp.send(_CHINESE, "b@xn--fiqs8s.example"),
    ]
    host.http.form(sample_email("c@163.com"))
    host.http.form({"mailfrom": 1})
    host["postoffice"].kill()
    ids.append(world.msmtp.send(SAMPLE, "d@163.com"))
    for name in ("mailman", "worker"):
        process = "worker-1" if name == "worker" else name
        right = (host.config / f"{name}.yml").read_text()
        for text, said in (("listen: [\n", "the old settings stay"), (right, "was read again")):
            host.write(name, text)
            before = len(host[process].words())
            host.reload(process)
            until(said, lambda said=said, before=before, process=process: said in host[process].words()[before:])
    flag.unlink()
    host.start("postoffice")
    flag.touch()
    until("all outcomes", lambda: not host.is_queued(*ids), seconds=60)
    assert far.copies()["d@163.com"] == 1
    for name in ("mailman", "postoffice", "worker-1"):
        host[name].stop()
    assert _names(found) == set()


def _names(found: Path) -> set[str]:
    return set(found.read_text().splitlines()) if found.exists() else set()
