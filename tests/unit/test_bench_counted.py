"""What is counted at the far side: smtp-sink's file is read while it is written, in pieces that end anywhere."""

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # its modules find each other by name

import counted

MESSAGE = (
    b"X-Client-Addr: 127.0.0.1\nX-Mail-Args: <bench@robot.genee.cn>\n%s"
    b"Received: from x\nSubject: X-Rcpt-Args: <none@example>\n\n\nhello\n\n"
)


def far_side(folder: Path, monkeypatch: pytest.MonkeyPatch) -> counted.FarSide:
    """One without smtp-sink: the test writes its file."""
    monkeypatch.setattr(counted, "_ANYBODYS", folder / "start")
    monkeypatch.setattr(counted.FarSide, "back", lambda self: None)
    monkeypatch.setattr(counted, "tool", lambda name: name)
    return counted.FarSide(folder, "192.0.2.1")


def written(*names: str) -> bytes:
    return b"".join(MESSAGE % f"X-Rcpt-Args: <{name}@d0.far.example>\n".encode() for name in names)


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_each_recipient_counts_once_however_the_file_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A line that is cut in two by a look is one line; what only looks like one is none."""
    far = far_side(tmp_path, monkeypatch)
    octets = written("1a", "2a", "2a", "3a")
    with (tmp_path / "taken").open("ab", buffering=0) as file:
        for at in range(0, len(octets), size):
            file.write(octets[at : at + size])
            far.look()
    assert far.came == Counter({f"{name}@d0.far.example": count for name, count in (("1a", 1), ("2a", 2), ("3a", 1))})


def test_what_is_dropped_stays_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million messages need not lie in memory; what comes afterwards is read from its place."""
    far = far_side(tmp_path, monkeypatch)
    monkeypatch.setattr(counted, "_LOT", 4096)
    taken = tmp_path / "taken"
    with taken.open("ab") as file:
        file.write(written(*[f"{number}a" for number in range(1000)]))
    assert far.look() == 1000
    far.drop()
    assert not any(taken.read_bytes()[:4096]), "nothing was let go"
    with taken.open("ab") as file:
        file.write(written("1000a", "7a"))
    assert far.look() == 1002
    far.drop()
    assert (len(far.came), far.came.total()) == (1001, 1002)


def test_it_waits_no_longer_than_something_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load of which a part is lost ends, too; who watches hears each look."""
    far = far_side(tmp_path, monkeypatch)
    with (tmp_path / "taken").open("ab") as file:
        file.write(written("1a"))
    heard: list[int] = []
    far.wait(2, 0.05, looked=heard.append)
    assert set(heard) == {1}
