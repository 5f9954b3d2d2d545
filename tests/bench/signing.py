"""With DKIM: hedwig signs, and Postfix has OpenDKIM do it, by one RSA key of 2048 bits for the domain that all mail is
from, c=relaxed/relaxed.

OpenDKIM's CPU is Postfix's. Every message is looked at for a signature at the far side, and one from each peer is
verified by dkimpy.
"""

import json
import smtplib
import time
from dataclasses import asdict
from pathlib import Path

import dkim
from counted import SENDER, Load, domain
from goals import Found
from journey.network import tool
from journey.process import Process
from journey.submit import SAMPLE
from journey.waiting import until
from journey.world import World
from options import MESSAGES, ROUNDS
from peers import STALLED, Field, Peer, PostfixPeer, Runs, measure
from rates import judged, show
from scene import say_what_is_wrong

from hedwig.dkim import private, record
from hedwig.dkim.keys import Key

DOMAIN = SENDER.partition("@")[2]
LOAD = Load("signed (DKIM, RSA-2048), one a connection, 20 sessions", 20, MESSAGES)
_OPENDKIM = """
Syslog no
Background no
Mode s
Domain {domain}
Selector {selector}
KeyFile {key}
RequireSafeKeys no
Canonicalization relaxed/relaxed
SignatureAlgorithm rsa-sha256
OversignHeaders From
InternalHosts 127.0.0.0/8,172.17.0.0/16,192.0.2.0/24
UMask 000
Socket local:{socket}
"""
_SIGNATURE = b"\nDKIM-Signature:"
_TRACE = b"X-Client-Addr: "  # with it smtp-sink begins a message


def with_key(field: Field) -> tuple[Path, Key]:
    """hedwig makes it and uses it."""
    host = field.host
    said = host.hedwig("dkim", "new", DOMAIN, "--rsa", "--json")
    (made,) = json.loads(said[: said.rindex("]") + 1])
    (path,) = (host.config / "dkim" / DOMAIN).glob("*.pem")
    for name in ("postoffice", "worker-1"):
        host.reload(name)
    until("the key to be read", lambda: "was read again" in host["postoffice"].words())
    return path, private.read(path.read_bytes(), DOMAIN, made["selector"])


def with_opendkim(world: World, peer: PostfixPeer, path: Path, selector: str) -> None:
    """A milter of its own for each."""
    folder = world.directory / f"opendkim-{peer.address}"
    folder.mkdir()
    folder.chmod(0o755)
    place = folder / "socket"
    config = folder / "opendkim.conf"
    config.write_text(_OPENDKIM.format(domain=DOMAIN, selector=selector, key=path, socket=place))
    process = Process("opendkim", [tool("opendkim"), "-f", "-x", str(config)], folder / "log")
    world.at_end(process.kill)
    process.start(place.exists)
    peer.beside.append(process)
    peer.server.also({"smtpd_milters": f"unix:{place}", "milter_default_action": "tempfail"})


def is_believed(peer: Peer, field: Field, key: Key) -> bool:
    """Whether dkimpy finds the signature of one message good."""
    field.far.forget()
    letter = SAMPLE.replace(b"sender@robot.genee.cn", SENDER.encode())
    with smtplib.SMTP(peer.address, 25) as client:
        client.sendmail(SENDER, [f"signed@{domain(0)}"], letter)
    field.far.wait(1, STALLED)
    time.sleep(0.2)  # until smtp-sink has written the end of it
    message = field.far.taken().partition(_TRACE)[2].rstrip(b"\n") + b"\n"
    value = record.value(key).encode()
    try:
        return bool(
            dkim.verify(
                _TRACE + message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), dnsfunc=lambda *_, **__: value
            )
        )
    except dkim.DKIMException:
        return False


def rounds(field: Field, unsigned: dict[str, int]) -> dict[str, Runs]:
    """By turns; the unsigned are counted."""
    found = {peer.name: Runs() for peer in field.peers}
    for number in range(ROUNDS):
        for peer in field.peers if number % 2 == 0 else field.peers[::-1]:
            peer.begin()
            found[peer.name].runs.append(measure(peer, field.far, LOAD, f"k{number}x"))
            unsigned[peer.name] += field.far.came.total() - field.far.taken().count(_SIGNATURE)
            peer.end()
    return found


def play(world: World, in_memory: Path) -> Found:
    """All of it."""
    field = Field(world, in_memory)
    path, key = with_key(field)
    for peer in field.postfixes:
        with_opendkim(world, peer, path, key.selector)
    field.warm(LOAD.shortened(300))
    unsigned = {peer.name: 0 for peer in field.peers}
    found = rounds(field, unsigned)
    show(LOAD, found)
    wrong = say_what_is_wrong(found)
    wrong += [f"{name}: {count} more recipients than signatures" for name, count in unsigned.items() if count]
    for peer in field.peers:
        peer.begin()
        if not is_believed(peer, field, key):
            wrong.append(f"{peer.name}'s signature is not good")
        peer.end()
    figures = {name: [asdict(run) for run in runs.runs] for name, runs in found.items()}
    return Found(judged(LOAD.title, found, 2.0), figures, wrong)
