"""Letters arrive signed (DKIM), and three verifiers of others' making believe them: a program's, a bounce, a TLS
report, one that had to be made 7-bit on its way. Keys are made, checked and rotated by the operator's command, with a
real resolver.
"""

import json
import time
from pathlib import Path

from hedwig.cli.daemon import EX_CONFIG
from hedwig.spool.sqlite import open_spool
from hedwig.spool.tls_results import count
from hedwig.tlsrpt import Count, Policy, PolicyType, Session, day_of

from . import verifiers
from .farside import Rule
from .host import Host
from .submit import SAMPLE, SENDER, Post
from .waiting import until
from .world import HOME, World, mx

DOMAIN = "robot.genee.cn"
TO = "stenote@163.com"
BOTH = ["rsa-sha256", "ed25519-sha256"]
FAR = (mx("163.com", "192.0.2.1"),)


def with_keys(world: World, host: Host, *records: str) -> list[str]:
    """Keys for the sender's domain, published as `hedwig dkim new` prints them for a zone file; the zone's lines."""
    said = host.hedwig("dkim", "new", DOMAIN, "--json")
    lines = [*records, *(each["zone"] for each in json.loads(said[: said.rindex("]") + 1]))]
    world.dns(*lines)
    return lines


def believed(content: bytes, directory: Path) -> None:
    """By all three, and by both signatures."""
    path = directory / "arrived"
    path.write_bytes(content)
    assert verifiers.signatures(content) == 2
    assert verifiers.by_dkimpy(content) == BOTH
    assert verifiers.by_mail_dkim([path])[path][0] == f"{DOMAIN}/rsa-sha256=pass"
    assert verifiers.by_opendkim(content, directory)


def test_a_letter_through_the_whole_system_is_believed(world: World, tmp_path: Path) -> None:
    """msmtp, mailman, postoffice, worker, far side."""
    far = world.far("192.0.2.1")
    host = world.host()
    with_keys(world, host, *FAR)
    host.start()
    world.msmtp.send(SAMPLE, TO)
    believed(until("the letter", far.accepted)[0].content, tmp_path)
    assert "ok" in host.hedwig("dkim", "check", DOMAIN)


def test_a_large_letter_is_believed(world: World, tmp_path: Path) -> None:
    """One that is never in memory as a whole."""
    far = world.far("192.0.2.1")
    host = world.host()
    with_keys(world, host, *FAR)
    host.start("beanstalkd", "postoffice", "worker-1")
    body = b"The quick  brown fox\tjumps over the lazy dog. \r\n" * 100_000
    head = f"From: {SENDER}\r\nDate: Thu, 23 Nov 2023 22:13:20 +0000\r\n\r\n".encode()
    host.http.batch([Post((TO,), head + body)])
    arrived = until("the letter", far.accepted, seconds=60)[0].content
    assert arrived.endswith(body)
    believed(arrived, tmp_path)


def test_what_is_made_seven_bit_is_signed_again(world: World, tmp_path: Path) -> None:
    """The broken signatures have gone."""
    far = world.far("192.0.2.1", extensions=("PIPELINING", "SIZE 41943040"))
    host = world.host()
    with_keys(world, host, *FAR)
    host.start()
    queue_id = world.msmtp.send(f"From: {SENDER}\nTo: {TO}\nSubject: x\n\n你好\n".encode(), TO)
    arrived = until("the letter", far.accepted)[0]
    assert arrived.content.isascii()
    believed(arrived.content, tmp_path)
    until("an empty queue", lambda: not host.is_queued(queue_id))
    assert "it was signed (DKIM) again" in " ".join(host.history(queue_id).split())


def test_a_bounce_is_signed(world: World, tmp_path: Path) -> None:
    """By the key of the host's own name, from which it comes."""
    world.far("192.0.2.1", Rule("rcpt", "550 5.1.1 no such user here"))
    home = world.far(HOME)
    host = world.host()
    with_keys(world, host, *FAR)
    host.start()
    world.msmtp.send(SAMPLE, TO)
    bounce = until("the bounce", home.accepted)[0]
    assert bounce.mailfrom == ""
    believed(bounce.content, tmp_path)


def test_a_tls_report_is_signed(world: World, tmp_path: Path) -> None:
    """Else its receiver need not believe it (RFC 8460 §3)."""
    far = world.far("192.0.2.1")
    host = world.host(worker={"tls_report": {"contact": f"tls@{DOMAIN}"}})
    with_keys(world, host, *FAR, '_smtp._tls.163.com. TXT "v=TLSRPTv1; rua=mailto:tlsrpt@163.com"')
    spool = open_spool(str(host.spool))
    counted = Count(Session("163.com", Policy(PolicyType.NONE, "163.com")), 41)
    for each in count(spool, day_of(time.time()) - 1, [counted], lambda: 0.0):
        each.result(10)
    spool.close()
    host.start("beanstalkd", "postoffice", "worker-1")
    believed(until("the report", far.accepted)[0].content, tmp_path)


def test_a_key_that_breaks_leaves_no_letter_unsigned(world: World, tmp_path: Path) -> None:
    """A reload keeps the old keys, and says which file it is; a start does not come about; `config check` names it."""
    far = world.far("192.0.2.1")
    host = world.host()
    with_keys(world, host, *FAR)
    host.start()
    (broken,) = (host.config / "dkim" / DOMAIN).glob("*-rsa.pem")
    broken.write_text(broken.read_text()[:500])
    host.reload("postoffice")
    until("the report", lambda: f"{broken}: it is no private key" in host["postoffice"].words())
    world.msmtp.send(SAMPLE, TO)
    believed(until("the letter", far.accepted)[0].content, tmp_path)
    status, said = host.try_hedwig("config", "check")
    assert (status, said.count(str(broken))) == (1, 1)
    host["postoffice"].stop()
    host["postoffice"].start()
    assert host["postoffice"].wait() == EX_CONFIG


def test_keys_are_rotated_without_a_gap(world: World, tmp_path: Path) -> None:
    """Staged, published, in use, retired: at each moment what arrives is believed."""
    far = world.far("192.0.2.1")
    host = world.host()
    said = host.hedwig("dkim", "new", DOMAIN, "--rsa", "--selector", "old", "--json")
    first = json.loads(said[: said.rindex("]") + 1])[0]
    dns = world.dns(*FAR, first["zone"])
    host.start()
    staged = json.loads(host.hedwig("dkim", "rotate", DOMAIN, "--json"))["made"][0]
    status, said = host.try_hedwig("dkim", "rotate", DOMAIN)
    assert (status, "DNS has no record at" in said) == (1, True)
    assert [each["state"] for each in json.loads(host.hedwig("dkim", "list", "--json"))] == ["staged", "signs"]
    dns.change("\n".join((mx(DOMAIN, HOME), *FAR, first["zone"], staged["zone"])))
    until("the record", lambda: host.try_hedwig("dkim", "rotate", DOMAIN)[0] == 0)
    for number, selector in enumerate(("old", staged["selector"]), 1):
        world.msmtp.send(SAMPLE, TO)
        arrived = until("the letter", lambda number=number: far.accepted()[number - 1 : number])[0].content
        assert f"s={selector};".encode() in arrived
        assert verifiers.by_dkimpy(arrived) == ["rsa-sha256"]
        host.reload("postoffice")
        until("the reload", lambda: "was read again" in host["postoffice"].words())
    assert [each["state"] for each in json.loads(host.hedwig("dkim", "list", "--json"))] == ["signs", "retired"]
