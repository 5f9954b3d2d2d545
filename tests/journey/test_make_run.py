"""`make run`, as the reader of the README runs it: it delivers the letter, says so, and leaves nothing running."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .network import Network
from .waiting import until

RUN = Path(__file__).parents[1] / "demo" / "run.py"
TOLERANCE = 120


@pytest.fixture
def private_tmp(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to run in; what it makes in the system's folder for temporary files must be gone at the end."""
    sockets = Path(tempfile.mkdtemp(prefix="run-"))
    monkeypatch.setenv("TMPDIR", str(sockets))
    yield tmp_path
    left = list(sockets.iterdir())
    shutil.rmtree(sockets)
    assert left == [], "the folder of sockets was left behind"


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RUN, *options], cwd=folder, capture_output=True, text=True, timeout=TOLERANCE, check=False
    )


def parts_left(folder: Path) -> list[str]:
    """Command lines of processes that have `folder` for their working directory."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return found


def test_the_sample_letter_arrives(private_tmp: Path) -> None:
    """`make run ONCE=1`: exit 0, the journey with the ID, and the letter whole in the file that is named."""
    done = run(private_tmp, "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    queue_id = re.search(r"Its journey, as queue ID (\w{26})", done.stdout)
    place = re.search(r"It lies in (\S+)", done.stdout)
    assert queue_id and place, done.stdout
    letter = (private_tmp / place[1]).read_bytes()
    assert letter.startswith(b"Return-Path: <sender@robot.genee.cn>\r\n")
    assert queue_id[1].encode() in letter
    assert (
        letter.endswith(b"Subject: Hello World\r\n\r\n\r\nHello Stenote !\r\n")
        or b"\r\n\r\n\r\nHello Stenote !" in letter
    )
    for part in ("mailman", "postoffice", "worker", "far side"):
        assert re.search(rf"\d ms  {part}", done.stdout), f"no step of {part}:\n{done.stdout}"
    assert parts_left(private_tmp) == []


def test_a_letter_that_is_refused_is_a_failure(private_tmp: Path) -> None:
    """The exit status says whether the letter arrived, and stderr has the receiver's words."""
    done = run(private_tmp, "--once", "--to", "nobody@163.com")
    assert done.returncode == 1, done.stdout
    assert "there is no such user" in done.stdout + done.stderr
    assert parts_left(private_tmp) == []


def test_a_part_that_dies_shows_its_log(private_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks at the failure sees which part it was, and its own words."""
    programs = private_tmp / "bin"
    programs.mkdir()
    (programs / "beanstalkd").write_text("#!/bin/sh\necho no room in the tree\nexit 3\n")
    (programs / "beanstalkd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    done = run(private_tmp, "--once")
    assert done.returncode == 1
    assert "beanstalkd has ended (status 3)" in done.stderr
    assert "no room in the tree" in done.stderr
    assert parts_left(private_tmp) == []


def test_it_stays_for_more_until_ctrl_c(private_tmp: Path) -> None:
    """2525 is taken: the next port, and it says so. What it prints for more letters works; Ctrl-C ends all."""
    output = private_tmp / "output"
    with socket.create_server(("127.0.0.1", 2525)), output.open("w") as file:
        demo = subprocess.Popen([sys.executable, RUN], cwd=private_tmp, stdout=file, stderr=file)
        try:
            until("the invitation to send more", lambda: demo.poll() is not None or "Ctrl-C ends" in output.read_text())
            assert demo.poll() is None, output.read_text()
            assert "SMTP on 127.0.0.1:2526 (2525 is taken by another program)" in output.read_text()
            second = run(private_tmp, "--once")
            assert second.returncode == 1 and "another `make run`" in second.stderr
            commands = re.findall(
                r"^  (msmtp .*@example.*|curl .*|\S+/hedwig .*queue)", output.read_text(), re.MULTILINE
            )
            assert [re.search(r"anyone|nobody|busy|curl|queue", each)[0] for each in commands] == [
                "anyone",
                "nobody",
                "busy",
                "curl",
                "queue",
            ]
            for command in commands:
                shell = ["bash", "-euc", command.replace("msmtp --file=", "msmtp --logfile= --file=")]
                done = subprocess.run(shell, cwd=private_tmp, capture_output=True, text=True, timeout=60, check=False)
                assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
                if "busy@" in command:
                    until(
                        "busy@ is put off", lambda: re.search(r"worker.*busy just now", output.read_text()) is not None
                    )
                    time.sleep(2)  # had it asked for rest both workers would know: they look every second
            folder = private_tmp / "run/far-side"
            # Whatever the far side said of nobody@ and busy@ must not stop the others.
            until(
                "the letter by HTTP", lambda: any(b"By HTTP" in each.read_bytes() for each in folder.glob("*.eml")), 15
            )
            assert len(list(folder.glob("*.eml"))) >= 4, "the first, anyone's, the bounce, the form's"
            assert "busy@example.com" in done.stdout, done.stdout
            assert "nothing goes there" not in output.read_text()
        finally:
            demo.send_signal(signal.SIGINT)
            status = demo.wait(60)
    assert status == 0, output.read_text()
    assert parts_left(private_tmp) == []
