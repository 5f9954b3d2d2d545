"""All the receivers at once that keep a connection waiting: they hold back nobody's mail but their own (I9)."""

import statistics
import threading
import time

from ..farside import Rule
from ..submit import Post
from ..waiting import until
from .ward import LETTER, Ward

WORKER = {"retry": {"schedule": ["10m"], "jitter": "0%"}}
LETTERS = 60  # to each of them: more than they have connections
SAMPLES = 20
# A hundred times what it takes, so that a loaded machine does not fail it; a single wait for one of these receivers is
# 30 s at the least.
WORST = 2.0
TYPICAL = 0.25  # over the baseline
TLS = ("PIPELINING", "8BITMIME", "STARTTLS")
LARGE = LETTER + b"and more, and more, and more\r\n" * 25_000


def never() -> threading.Event:
    """What nobody sets before the end."""
    return threading.Event()


def patience_testers(ward: Ward) -> list[str]:
    """The domains of receivers that are awaited, each in another way."""
    places = [
        [Rule("banner", hold=never(), hang_up=True)],
        [Rule("banner", raw=b"220-x\r\n", drip=1.0, endless=True)],
        [Rule("ehlo", raw=b"250-x\r\n", drip=1.0, endless=True)],
        [Rule("mail", hold=never(), hang_up=True)],
        [Rule("rcpt", raw=b"250-x\r\n", drip=1.0, endless=True)],
        [Rule("data", hold=never(), hang_up=True)],
        [Rule("body", hold=never(), hang_up=True)],
        [Rule("dot", hold=never(), hang_up=True)],
        [Rule("dot", "250 2.0.0 taken", drip=0.3)],
        [Rule("quit", hold=never(), hang_up=True)],
        [Rule("starttls", "220 go"), Rule("handshake", hold=never(), hang_up=True)],
        [Rule("banner", "421 4.3.2 too busy")],
        [Rule("rcpt", "450 4.7.1 greylisted")],
    ]
    domains = []
    for rules in places:
        domain, address = ward.place()
        ward.world.far(address, *rules, extensions=TLS if rules[0].stage == "starttls" else TLS[:2])
        domains.append(domain)
    domain, address = ward.place()
    ward.deaf(address)
    nobody, _ = ward.place()
    return [*domains, domain, nobody]


def delays(ward: Ward, name: str) -> list[float]:
    """Seconds from before the POST to the arrival, for letters to a good receiver that are sent one by one."""
    domain, address = ward.place()
    good = ward.world.far(address)
    found = []
    for number in range(SAMPLES):
        rcptto = f"{name}{number}@{domain}"
        started = time.monotonic()
        ward.send(LETTER, rcptto)
        until(f"the letter to {rcptto}", lambda rcptto=rcptto: good.has(rcptto), pause=0.002)
        found.append(time.monotonic() - started)
    assert set(good.copies().values()) == {1}
    return found


def test_a_good_receivers_mail_flows(ward: Ward) -> None:
    """Letters to it arrive about as quickly as before, while fifteen of the others keep 900 waiting; and of those none
    gets lost."""
    baseline = delays(ward, "before")
    domains = patience_testers(ward)
    everyone = [f"user{number}@{domain}" for domain in domains for number in range(LETTERS)]
    contents = [LARGE if rcptto.startswith("user0@") else LETTER for rcptto in everyone]
    small = [Post((rcptto,), content) for rcptto, content in zip(everyone, contents, strict=True) if content is LETTER]
    large = [Post((rcptto,), content) for rcptto, content in zip(everyone, contents, strict=True) if content is LARGE]
    ward.host.http.batch(small)
    for post in large:
        ward.host.http.batch([post])
    until("connections to all that take one", lambda: all(far.connections for far in ward.world.fars[2:]))
    during = delays(ward, "during")
    print(f"baseline {statistics.median(baseline):.3f} s, worst {max(baseline):.3f} s")
    print(f"during   {statistics.median(during):.3f} s, worst {max(during):.3f} s")
    assert max(during) < WORST
    assert statistics.median(during) < statistics.median(baseline) + TYPICAL
    taken = {rcptto for far in ward.world.fars for rcptto in far.copies()}
    assert set(everyone) <= ward.waiting() | taken
