"""CPython's corpus of test messages, signed, and shown to three verifiers of others' making.

The messages are those of Python's own tests of `email` (Debian's libpython3.11-testsuite): folded, broken, 8-bit,
without this or that. Each is made whole first, as mailman does it.
"""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from dkim_rig import NOW, keys

from hedwig.dkim import record
from hedwig.dkim.header import Header
from hedwig.dkim.sign import Signer, header_end
from hedwig.envelope import Envelope
from hedwig.message import Trace, complete

from . import verifiers
from .world import World

CORPUS = Path(sysconfig.get_path("stdlib")) / "test/test_email/data"
SENDER = "joe@example.com"
TWICE = {"msg_20.txt", "msg_25.txt"}  # a field that may come once (RFC 5322 §3.6) comes twice: opendkim reads no such
NOBODYS = ["msg_05.txt", "msg_43.txt"]  # no address in From
BOTH = ["rsa-sha256", "ed25519-sha256"]


def letters() -> Iterator[tuple[str, bytes]]:
    """The corpus, each made whole."""
    for path in sorted(CORPUS.glob("msg_*.txt")):
        envelope = Envelope(SENDER, ("a@b.example",))
        trace = Trace("01HFZ6B9T0000000000000000A", "less.example.com", "less", "192.0.2.1", "ESMTP", envelope, NOW)
        yield path.name, complete(path.read_bytes(), trace).body


def author(content: bytes) -> str:
    return Header(content[: header_end(content) or len(content)]).author


def test_three_verifiers_believe_the_corpus(world: World, tmp_path: Path) -> None:
    whole = dict(letters())
    assert len(whole) > 40, f"{CORPUS} is missing: `make deps`"
    domains = {name: author(content) for name, content in whole.items()}
    lines = {record.zone_lines(key) for domain in domains.values() if domain for key in keys(domain)}
    world.dns(*lines)
    signed = {
        tmp_path / name: Signer(keys(domains[name])).sign(content) for name, content in whole.items() if domains[name]
    }
    for path, content in signed.items():
        path.write_bytes(content)
    told = verifiers.by_mail_dkim(list(signed))
    wrong = []
    for path, content in signed.items():
        domain = domains[path.name]
        if verifiers.by_dkimpy(content)[:2] != BOTH:
            wrong.append(f"{path.name}: dkimpy")
        if told[path][0] != f"{domain}/rsa-sha256=pass":
            wrong.append(f"{path.name}: Mail::DKIM {told[path]}")
        if path.name not in TWICE and not verifiers.by_opendkim(content, tmp_path):
            wrong.append(f"{path.name}: opendkim")
    assert wrong == []
    unsigned = sorted(name for name, domain in domains.items() if not domain)
    assert unsigned == NOBODYS


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_verifiers_see_what_is_changed(world: World, tmp_path: Path, algorithm: str) -> None:
    """They are no yes-men; and one of them knows no Ed25519."""
    only = keys("example.com", (algorithm,))
    world.dns(*map(record.zone_lines, only))
    content = Signer(only).sign(f"From: {SENDER}\r\nDate: Thu, 23 Nov 2023 22:13:20 +0000\r\n\r\nHello.\r\n".encode())
    path = tmp_path / "letter"
    for text, sound in ((content, True), (content.replace(b"Hello", b"Hullo"), False)):
        path.write_bytes(text)
        assert verifiers.by_dkimpy(text) == [f"{algorithm}-sha256" if sound else ""]
        known = sound and algorithm == "rsa"
        assert [each.endswith("=pass") for each in verifiers.by_mail_dkim([path])[path]] == [known]
        assert verifiers.by_opendkim(text, tmp_path) is sound
