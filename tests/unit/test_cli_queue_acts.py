"""`hedwig queue retry | hold | release | drop`, as a process with a terminal: progress, and what Ctrl-C leaves."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hedwig import queueid
from hedwig.cli.desks import desk_at
from hedwig.envelope import Envelope, digest
from hedwig.spool import Bytes, NewMessage
from hedwig.spool.operate import Act, Filter
from hedwig.spool.sqlite import open_spool

HEDWIG = "from hedwig.cli.hedwig import main; main()"
LOT = 199  # the 200th may be of a message that goes on in the next lot


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "postoffice.yml").write_text(f"spool: {tmp_path}/spool.db\n")
    return tmp_path


def fill(config: Path, letters: int) -> None:
    """One recipient each."""
    spool = open_spool(str(config / "spool.db"))
    now, body = time.time(), Bytes(b"Subject: hello\r\n\r\n")
    for start in range(0, letters, 200):
        made = []
        for number in range(start, min(start + 200, letters)):
            envelope = Envelope("a@host.example", (f"user{number}@d{number % 7}.example",))
            name, parts = digest(envelope, body.pieces()), envelope.by_destination()
            made.append(
                NewMessage(
                    queueid.new(), "host.example", envelope, body, name, now, now + 86400, parts, message_id="<m>"
                )
            )
        spool.register(made).result(30)
    spool.close()


class Command:
    """`hedwig queue ...` with a terminal as stderr; `shown` grows by what is written there."""

    def __init__(self, config: Path, *words: str) -> None:
        self.shown = ""
        self._ours, its = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", HEDWIG, "--config-dir", str(config), "queue", *words],
            stdout=subprocess.PIPE,
            stderr=its,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        os.close(its)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            while piece := os.read(self._ours, 1000):
                self.shown += piece.decode()
        except OSError:  # EIO: the other end is closed
            pass

    def wait_for(self, pattern: str) -> None:
        """Until this was written."""
        deadline = time.monotonic() + 30
        while not re.search(pattern, self.shown):
            assert self.process.poll() is None and time.monotonic() < deadline, self.shown
            time.sleep(0.005)

    def end(self) -> tuple[int, str]:
        """Its exit status and what it said."""
        said, _ = self.process.communicate(timeout=60)
        self._thread.join()
        os.close(self._ours)
        return self.process.returncode, said


def held(config: Path) -> int:
    with desk_at(str(config / "spool.db")) as desk:
        return desk.tally(Filter(), Act.RELEASE).recipients


def test_progress_is_shown_on_a_terminal(config: Path) -> None:
    """Lot by lot, and wiped away in the end."""
    fill(config, 2 * LOT + 10)
    hold = Command(config, "hold", "--all", "--yes")
    status, said = hold.end()
    assert (status, said.splitlines()[-1]) == (0, "408 recipients of 408 messages are held.")
    assert re.findall(r"\r\x1b\[K([0-9,]+ of [0-9,]+)", hold.shown) == ["199 of 408", "398 of 408", "408 of 408"]
    assert hold.shown.endswith("\r\x1b[K")


def test_programs_are_spared_the_progress(config: Path) -> None:
    """Not with --json, and not into a file."""
    fill(config, LOT + 10)
    hold = Command(config, "hold", "--all", "--yes", "--json")
    status, said = hold.end()
    assert (status, hold.shown, json.loads(said)["done"]["recipients"]) == (0, "", 209)
    release = [sys.executable, "-c", HEDWIG, "--config-dir", str(config), "queue", "release", "--all", "--yes"]
    done = subprocess.run(release, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_ctrl_c_ends_the_lot_under_way_and_says_what_was_done(config: Path) -> None:
    """Exactly so many are held, and the rest is as it was."""
    fill(config, 20 * LOT)
    hold = Command(config, "hold", "--all", "--yes", "--reason", "a test")
    hold.wait_for("of 3,980")
    hold.process.send_signal(signal.SIGINT)
    status, said = hold.end()
    assert status == 1
    assert "Broken off: the rest is as it was." in hold.shown
    done = int(said.splitlines()[-1].split()[0].replace(",", ""))
    assert 0 < done < 20 * LOT
    assert done % LOT == 0
    assert held(config) == done


def test_ctrl_c_while_a_client_is_paused(config: Path) -> None:
    """The pause is in force; the daemons go on with what waits."""
    fill(config, 20 * LOT)
    pause = Command(config, "pause", "host.example", "--client")
    pause.wait_for("%")
    pause.process.send_signal(signal.SIGINT)
    status, _ = pause.end()
    assert status == 1
    assert re.search(r"broken off at [0-9]+%; hedwig's daemons go on with it", pause.shown)
    with desk_at(str(config / "spool.db")) as desk:
        assert [stop.name for stop in desk.stops(time.time())] == ["host.example"]
        while True:
            passed, of = desk.advance("host.example")
            if passed >= of:
                break
        assert desk.tally(Filter(), Act.RETRY).recipients == 0
