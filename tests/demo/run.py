"""`make run`: one letter, end to end, on this machine alone.

    run.py [--once] [--to ADDRESS]

Starts every part of hedwig as a real process (the files and ports: hosts.py), and a far side of its own: a resolver
that leads every domain to loopback, and an exchanger there (farside.py). Sends the original document's sample letter
with msmtp, shows its journey with times counted from msmtp's start, and says where the letter lies now. Then it stays,
shows what happens, and says how to send more; Ctrl-C or SIGTERM ends all of it. With --once it ends after the letter.

Exit status: 0 if the letter arrived; 1 if it did not, or if a part could not be started or ended by itself, and stderr
says why.
"""

import argparse
import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import hosts
import screen
from parts import DemoFailed, Line, Parts

STARTING = 20.0
ARRIVING = 30.0
_QUEUED = re.compile(r"\b250\b.*\b([0-7][0-9A-HJKMNP-TV-Z]{25})\b")


class Interrupted(Exception):
    """Ctrl-C, SIGTERM, or the terminal is gone: an orderly end is wanted."""


def start_all(parts: Parts, ports: hosts.Ports) -> None:
    """Start the parts in the order in which they need each other, each as soon as those before it are ready."""
    bin_ = hosts.BIN
    parts.start("resolver", ["unbound", "-d", "-c", hosts.FAR_SIDE / "unbound.conf"])
    script, pem = Path(__file__).with_name("farside.py"), hosts.FAR_SIDE / "tls.pem"
    options = ["--port", str(ports.exchanger), "--store", str(hosts.FAR_SIDE), "--tls", str(pem)]
    parts.start("far side", [sys.executable, script, *options])
    parts.start("beanstalkd", ["beanstalkd", "-l", f"unix:{ports.socket}"])
    parts.wait_until(lambda: answers(ports.resolver), "the resolver answers", STARTING)
    screen.started("resolver", f"unbound on 127.0.0.1:{ports.resolver}: every domain's MX is the far side")
    parts.wait_until(lambda: greets(ports.exchanger), "the far side greets", STARTING)
    screen.started("far side", f"an MX on 127.0.0.1:{ports.exchanger}: keeps letters in {hosts.FAR_SIDE}/")
    parts.wait_until(ports.socket.is_socket, "beanstalkd makes its socket", STARTING)
    screen.started("beanstalkd", f"the MQ, on {ports.socket}")
    parts.start("postoffice", [bin_ / "hedwig-postoffice", "--config", hosts.DELIVERING / "postoffice.yml"])
    parts.wait_until(lambda: is_healthy(ports.postoffice), "postoffice answers /healthz", STARTING)
    screen.started("postoffice", f"http://127.0.0.1:{ports.postoffice}/, spool in {hosts.DELIVERING}/")
    for number in ("1", "2"):
        parts.start(f"worker {number}", [bin_ / "hedwig-worker", "--config", hosts.DELIVERING / "worker.yml", number])
        lock = ports.temporary / "workers" / number
        parts.wait_until(lock.exists, f"worker {number} takes its name", STARTING)
        screen.started(f"worker {number}", "looks up the recipient's MX, and delivers")
    parts.start("mailman", [bin_ / "hedwig-mailman", "--config", hosts.SENDING / "mailman.yml"])
    parts.wait_until(lambda: greets(ports.mailman), "mailman greets", STARTING)
    instead = "" if ports.mailman == 2525 else " (2525 is taken by another program)"
    screen.started("mailman", f"SMTP on 127.0.0.1:{ports.mailman}{instead}")


def answers(port: int) -> bool:
    """Whether a TCP connection to the resolver succeeds; unbound binds UDP before TCP."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def greets(port: int) -> bool:
    """Whether an SMTP server says 220."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.settimeout(5)
        banner = connection.recv(512)
        connection.sendall(b"QUIT\r\n")
        return banner.startswith(b"220")
    return False


def is_healthy(port: int) -> bool:
    """Whether postoffice says that it can work."""
    with contextlib.suppress(OSError, urllib.error.URLError):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
            return bool(response.status == 200)
    return False


def send(to: str) -> str:
    """Hand the sample letter to msmtp, as a container would; returns the queue ID that mailman gave it."""
    letter = hosts.SENDING / "sample_email.txt"
    argv = ["msmtp", f"--file={hosts.SENDING / 'msmtprc'}", "--debug", to]
    with letter.open("rb") as stdin:
        done = subprocess.run(argv, check=False, stdin=stdin, capture_output=True, text=True)
    said = done.stdout + done.stderr
    (hosts.LOGS / "msmtp-debug.log").write_text(said, encoding="utf-8")
    queued = _QUEUED.search(said)
    if done.returncode or not queued:
        raise DemoFailed(f"msmtp could not hand the letter in (status {done.returncode}):\n{said}")
    return queued[1]


def follow(parts: Parts, queue_id: str, began: float) -> Path:
    """Show what the parts say about this letter until it has arrived, its outcome is settled, and postoffice, whose
    word may come last, has told of it too; returns its file."""
    deadline = time.monotonic() + ARRIVING
    arrived: Path | None = None
    settled = told = False
    while not (arrived and settled and told):
        parts.check()
        if time.monotonic() > deadline:
            where = hosts.hedwig("queue", "show", queue_id)
            raise DemoFailed(f"the letter did not arrive within {ARRIVING:.0f} seconds\n{where}\n{parts.tails()}")
        line = parts.next_line(0.2)
        if line is None:
            continue
        taken = re.search(r": (\S+\.eml)$", line.text) if line.part == "far side" else None
        if taken and queue_id.encode() in Path(taken[1]).read_bytes():
            arrived = Path(taken[1])
        about = queue_id in line.text
        if about or taken:
            screen.step(line.at - began, line.part, line.text.replace(f"{queue_id}: ", ""))
        told = told or (about and line.part == "postoffice")
        settled = settled or (about and line.part.startswith("worker") and "delivered" in line.text.lower())
        if about and line.part.startswith("worker") and re.search(r"\b(failed|bounced)\b", line.text):
            raise DemoFailed(f"the letter was not delivered\n{hosts.hedwig('queue', 'show', queue_id)}")
    return arrived


def first_letter(parts: Parts, to: str) -> None:
    """Send the sample letter and show its journey."""
    screen.title(f"The letter: {hosts.SENDER} to {to}")
    screen.say(f"  $ cat {hosts.SENDING}/sample_email.txt | msmtp --file={hosts.SENDING}/msmtprc --debug {to}")
    began = time.time()
    queue_id = send(to)
    parts.add("msmtp", f"{queue_id}: has its 250, and ends: the letter is safe in the spool")
    screen.title(f"Its journey, as queue ID {queue_id}; times from msmtp's start")
    arrived = follow(parts, queue_id, began)
    screen.title(f"What `hedwig queue show {queue_id}` knows of it")
    screen.say(hosts.hedwig("queue", "show", queue_id).rstrip())
    body = arrived.read_bytes()
    if "Hello Stenote !" not in body.decode("utf-8", "replace"):
        raise DemoFailed(f"what arrived in {arrived} is not the letter that was sent")
    screen.title(f"It lies in {arrived} ({len(body)} octets)")
    screen.say("  " + body.decode("utf-8", "replace").rstrip().replace("\r\n", "\n  "))


def how_to_go_on(ports: hosts.Ports) -> None:
    """What the reader can do next, to be typed as it stands."""
    msmtp = f"msmtp --file={hosts.SENDING}/msmtprc"
    letter = f"< {hosts.SENDING}/sample_email.txt"
    form = (
        f"curl -d fqdn={hosts.SENDING.name} --data-urlencode key@{hosts.SENDING}/key --data-urlencode "
        f"""'email={{"mailfrom": "{hosts.SENDER}", "rcpttos": ["you@example.com"], """
        f""""data": "From: {hosts.SENDER}\\nSubject: By HTTP\\n\\nHello!\\n"}}' http://127.0.0.1:{ports.postoffice}/"""
    )
    screen.title("All parts stay. Send more from another terminal, in this folder:")
    screen.say(f"  {msmtp} anyone@example.com {letter}")
    screen.say(f"  {msmtp} nobody@example.com {letter}     # refused there: a bounce goes to the sender")
    screen.say(f"  {msmtp} busy@example.com {letter}       # told to come later: stays in the queue")
    screen.say(f"  {form}")
    screen.say(
        f"  {hosts.BIN}/hedwig --config-dir {hosts.DELIVERING} queue        # what is queued, for whom, why, till when"
    )
    screen.say(f"Every part's log is in {hosts.LOGS}/, letters arrive in {hosts.FAR_SIDE}/. Ctrl-C ends all parts.")
    screen.say()


def watch(parts: Parts) -> None:
    """Show what the parts say, until somebody ends it."""
    began = time.time()
    while True:
        parts.check()
        line: Line | None = parts.next_line(0.5)
        if line is not None:
            screen.step(line.at - began, line.part, line.text)


@contextlib.contextmanager
def orderly_end() -> Iterator[tuple[Parts, hosts.Ports]]:
    """Parts and ports that are given back whatever happens; further signals don't disturb that."""

    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    ports = hosts.choose_ports()
    parts = Parts(hosts.LOGS)
    try:
        yield parts, ports
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        screen.say("\nEnding all parts ...")
        for name in parts.close():
            screen.say(f"  {name} did not end in time and was killed")
        hosts.remove_temporary(ports)


def main() -> int:
    """The exit status."""
    arguments = argparse.ArgumentParser(
        description="One letter through all the parts of hedwig, on this machine alone."
    )
    arguments.add_argument("--once", action="store_true", help="end everything after the first letter")
    arguments.add_argument("--to", default=hosts.RECIPIENT, help="the first letter's recipient")
    options = arguments.parse_args()
    hosts.tidy_environment()
    arrived = False
    try:
        with hosts.folder_of_its_own(), orderly_end() as (parts, ports):
            screen.title("hedwig, all of it, on this machine alone: nothing leaves loopback")
            hosts.write_files(ports)
            start_all(parts, ports)
            first_letter(parts, options.to)
            arrived = True
            if not options.once:
                how_to_go_on(ports)
                watch(parts)
    except Interrupted:
        return 0 if arrived else 1
    except DemoFailed as failed:
        screen.failure(str(failed))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
